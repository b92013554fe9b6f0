/*
 * The host's nft and ip, given scripts, and whether a link is there. For this folder and what shares its
 * rules; blocks up to ten seconds. Runner's processes that touch the network, as root.
 */
#ifndef LG_DRIVER_NETWORK_TOOLS_H
#define LG_DRIVER_NETWORK_TOOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* nft on a script: one transaction, all or nothing. LG_BACKEND when it refuses, beginning with `what`. */
int lg_nft(const struct lg_buf *script, const char *what, struct lg_err *e);
/* Either with arguments of its own, what it says into `out`. False when it does not end well. */
bool lg_tool_ask(const char *const *argv, struct lg_buf *out);
/* ip on a list of commands, in the network namespace of process `pid` (0: this one). What is there already
 * makes it complain, so whoever calls looks at the result instead. */
void lg_ip(const struct lg_buf *script, int64_t pid);
bool lg_link_exists(const char *name);

#endif
