/*
 * Addresses of tenants' networks, computed from the setting subnet_pool and the tenant's number: nothing is
 * chosen at run time, so two processes always agree. Tenant n gets the n-th /24 of the pool; .1 is the host,
 * .2–.254 instances; where a tenant's code has the network too, the last sixteen are its.
 */
#ifndef LG_MODEL_NET_H
#define LG_MODEL_NET_H

#include <stdint.h>

#include "base/err.h"

#define LG_NET_FIRST_HOST 2
#define LG_NET_LAST_HOST  254

/* Of a tenant whose code is on its network (store/code_network.h): */
#define LG_NET_LAST_INSTANCE 238 /* new ones get no higher number */
#define LG_NET_FIRST_SANDBOX 239 /* eight for code runs, of the sandbox pool */
#define LG_NET_FIRST_ONESHOT 247 /* eight for containers of one command each */
#define LG_NET_CODE_HOSTS    8

struct lg_net {
    char name[64];    /* engine's network: lodge-<site8>-<n> */
    char bridge[16];  /* host interface: lg<site4>n<n> */
    char subnet[24];  /* 10.90.3.0/24 */
    char gateway[16]; /* 10.90.3.1 */
};

int lg_net_capacity(const char *pool, struct lg_err *e); /* number of /24 in the pool, or LG_INVALID */
int lg_net_of(const char *pool, const char *site, int n, struct lg_net *out, struct lg_err *e);
/* Address and MAC of host number `host` (2…254) in the network. The MAC is 02:6c and the four bytes of the
 * address. */
void lg_net_host(const struct lg_net *net, int host, char address[16], char mac[18]);

#endif
