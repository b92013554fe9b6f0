/* May this host be made to speak to an address that a stranger named? Pure. */
#ifndef LG_MODEL_ADDRESS_H
#define LG_MODEL_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* An address of the public Internet: neither this host, its networks, a link, nor a way to wrap one of those
 * in another (RFC 6890 and the IANA registries of special-purpose addresses). */
bool lg_address_public(const struct sockaddr *a);

/* Does the list (comma-separated names, addresses and CIDRs) name the host or hold its address? */
bool lg_address_listed(const char *list, const char *host, const struct sockaddr *a);

#endif
