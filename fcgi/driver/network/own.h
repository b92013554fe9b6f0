/*
 * Tenants' own networks on this host: a bridge each, without an address, and cards of containers on it.
 *
 * Plain layer 2: what is on a bridge reaches what else is on it, in whatever range, and nothing more. A table
 * of ours drops every frame and packet between these bridges ("lg<site4>x…") and the host, ARP included, and
 * between them and any other interface; bridges have no address and IPv6 is off, so there is no route either.
 * Ranges may overlap.
 *
 * A container's card is the end of a veth pair that is moved into its network namespace after its start, and
 * made again after each start: the pair goes with the namespace. Called by lodge-runner's processes;
 * idempotent.
 */
#ifndef LG_DRIVER_OWN_H
#define LG_DRIVER_OWN_H

#include "driver/driver.h"

/* The bridge (a name from model/cidr.h), with the rules in force before it is up. LG_BACKEND. */
int lg_own_network_ensure(const struct lg_driver_ctx *ctx, const char *bridge, struct lg_err *e);
/* Absent is 0. `last`: no such network is left, the rules go, too. */
int lg_own_network_remove(const struct lg_driver_ctx *ctx, const char *bridge, bool last, struct lg_err *e);

struct lg_card {
    const char *bridge;    /* NULL: this card goes */
    const char *host_name; /* of the host's end */
    const char *mac, *address;
    int prefix;
    int position; /* eth<position> */
};
/* Makes the cards of the container whose first process is `pid` so. Does nothing when `pid` is not in a
 * network namespace of its own. LG_CONFLICT: it has ended meanwhile. */
int lg_cards_sync(int64_t pid, const struct lg_card *cards, int n, struct lg_err *e);

#endif
