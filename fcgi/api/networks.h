/* What the native API and the tenant dialect ask for about tenants' own networks. Runs in lodge-api's
 * workers. */
#ifndef LG_API_NETWORKS_H
#define LG_API_NETWORKS_H

#include "api/compute.h"
#include "store/network.h"

/* Name and range of a body, checked, into `n`. */
int lg_network_fill(struct lg_req *q, struct lg_network *n, const char *name, const char *cidr,
                    struct lg_err *e);
/* Within the write transaction: LG_INVALID when it overlaps the tenant's first network, else adds it. */
int lg_network_ask_create(struct lg_req *q, struct lg_network *n, struct lg_err *e);

/* config.networkMode (NULL: bridge) and config.networks of a create into in->networks: names or ids. */
int lg_networks_parse(const char *mode, const json_t *list, struct lg_instance *in, struct lg_err *e);
/* The cards of a new instance on them. */
int lg_networks_add(struct lg_req *q, struct lg_instance *in, struct lg_err *e);

#endif
