/* Tenants' own networks: ranges of addresses, and what is computed from them. Pure. */
#ifndef LG_MODEL_CIDR_H
#define LG_MODEL_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LG_CIDR_LEN     20
#define LG_CIDR_FIRST   2  /* .1 is left to whoever wants to be a router there */
#define LG_NETWORKS_MAX 64 /* of a tenant */
#define LG_NICS_MAX     8  /* of an instance, beside its first one */

struct lg_cidr {
    uint32_t base; /* host byte order */
    int prefix;    /* 8…29 */
};

/* "10.0.1.0/24": an IPv4 unicast range, its host bits zero, /8 to /29. LG_INVALID with details.field. */
int lg_parse_cidr(const char *field, const char *s, struct lg_cidr *out, struct lg_err *e);
bool lg_cidr_overlap(const struct lg_cidr *a, const struct lg_cidr *b);
/* The last number an address may have; the first is LG_CIDR_FIRST. */
int64_t lg_cidr_last(const struct lg_cidr *c);
void lg_cidr_address(const struct lg_cidr *c, int64_t host, char out[16]);

/* A network's name: a DNS label that is no networkMode by itself. */
int lg_check_network_name(const char *field, const char *s, struct lg_err *e);

/* Names on the host, "lg<site4>x<n>" a bridge, "lg<site4>y<n>" a card's end; the card's MAC 02:6e:… */
void lg_own_bridge(const char *site, int64_t number, char out[16]);
void lg_own_nic(const char *site, int64_t seq, char out[16], char mac[18]);

#endif
