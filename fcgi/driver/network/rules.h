/* The text of the rules: templates and the checked values that fill them. Private to this folder. */
#ifndef LG_DRIVER_RULES_H
#define LG_DRIVER_RULES_H

#include <arpa/inet.h>

#include "base/json.h"
#include "driver/driver.h"
#include "model/net.h"

#define LG_RULES_TABLE_LEN 16
#define LG_RULES_PAIRS     (LG_NET_LAST_HOST - LG_NET_FIRST_HOST + 1)

/* What may go into a ruleset: checked text only. */
struct lg_rules {
    char table[LG_RULES_TABLE_LEN];
    char bridge[16], gateway[INET_ADDRSTRLEN], subnet[24];
    char macs[40];     /* first-last of the network's address plan */
    struct lg_net net; /* for the address plan */
};

/* Checks a network and fills `r`. LG_INVALID when something is not what it should be. */
int lg_rules_check(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_rules *r,
                   struct lg_err *e);
/* nft script: the tables with what all networks share (idempotent, so is the next). */
void lg_rules_common(struct lg_buf *b, const struct lg_rules *r);
/* … one network into the tables, … out of them, … and the tables away. */
void lg_rules_network(struct lg_buf *b, const struct lg_rules *r);
void lg_rules_release(struct lg_buf *b, const struct lg_rules *r);
void lg_rules_last(struct lg_buf *b, const struct lg_rules *r);

/* How many rules the scripts put into a chain; "B" as chain means a network's own. */
int lg_rules_expected(const char *family, const char *chain);

/*
 * Is all of it in force for this network? `inet` and `bridge` are nft's JSON listings of the two tables. What
 * somebody flushed or deleted shows as a wrong count.
 */
bool lg_rules_complete(const json_t *inet, const json_t *bridge, const struct lg_rules *r);

/* Of the networks in the tables, is this one among them, and how many others are? */
void lg_rules_members(const json_t *inet, const struct lg_rules *r, int *mine, int *others);

#endif
