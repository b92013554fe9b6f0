/*
 * The bridge of a tenant's network on the host. Lodge makes it itself and keeps it while the network exists:
 * a bridge that the engine makes and removes with its containers changes its MAC with every member that comes
 * or goes, and members that know the old one lose the gateway for seconds. Containers and virtual machines
 * share it.
 */
#ifndef LG_DRIVER_BRIDGE_H
#define LG_DRIVER_BRIDGE_H

#include "driver/driver.h"

/* LG_CONFLICT, with its name, when another interface of the host has these addresses. */
int lg_bridge_check(const struct lg_net_spec *net, struct lg_err *e);
/* There, up, with the gateway's address and a fixed MAC when this returns. Costs a few file reads when all is
 * well. As lg_bridge_check when there is none yet. */
int lg_bridge_ensure(const struct lg_net_spec *net, struct lg_err *e);
/* Absent is 0. Members left in it lose their network. */
int lg_bridge_remove(const struct lg_net_spec *net, struct lg_err *e);

#endif
