/* Tenants' networks in the engine; isolation itself is network/isolate.h. */
#ifndef LG_DRIVER_CT_NETWORK_H
#define LG_DRIVER_CT_NETWORK_H

#include "driver/container/client.h"

int lg_ct_network_ensure(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e);
int lg_ct_network_remove(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e);

#endif
