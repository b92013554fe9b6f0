/*
 * Isolation of tenants' networks with nftables: tables `inet lodge_<site8>` and `bridge lodge_<site8>`, apart
 * from the engine's own rules, one chain per network.
 *
 * From a network: nothing to other Lodge or engine bridges, nothing to the host but DNS and ping at the
 * gateway, nothing to link-local addresses (cloud metadata), no IPv6, no frame whose MAC and IPv4 pair is not
 * one of the network's address plan (model/net.h). To a network: from the host itself, replies, and published
 * ports. A drop in these tables is final; an accept leaves the word to the other tables of the host.
 *
 * Called by the drivers, in lodge-runner's processes (several at a time: a lock file orders them).
 */
#ifndef LG_DRIVER_ISOLATE_H
#define LG_DRIVER_ISOLATE_H

#include "driver/driver.h"

/* In force when this returns; idempotent, repairs what was flushed. LG_INVALID, LG_BACKEND (nft's own
 * sentence). */
int lg_network_isolate(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_err *e);
/* Takes the network's rules away, and with the last network the tables. Absent is 0. */
int lg_network_release(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_err *e);
/*
 * For the reconciler: puts the rules of all `count` networks in force in one transaction when any is missing.
 * *repaired (may be NULL) tells whether something was. Cheap when all is well: one listing.
 */
int lg_network_repair(const struct lg_driver_ctx *ctx, const struct lg_net_spec *nets, int count,
                      bool *repaired, struct lg_err *e);

#endif
