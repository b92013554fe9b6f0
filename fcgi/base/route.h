/*
 * Whether packets to a range would leave by somebody else's interface: a bridge of another engine, a VPN, or
 * what a Lodge that was killed left behind. Reads /proc/net/route (proc_net(5)), this network namespace's
 * main table. Any process.
 */
#ifndef LG_BASE_ROUTE_H
#define LG_BASE_ROUTE_H

#include <net/if.h>
#include <stdbool.h>

/*
 * Does an interface whose name does not begin with `ours` have a route to a part of `cidr` that is a /24 or
 * smaller? Its name goes into `via`. A wider route does no harm: the network's own goes first. False, too,
 * when the table cannot be read.
 */
bool lg_route_elsewhere(const char *cidr, const char *ours, char via[IFNAMSIZ]);

#endif
