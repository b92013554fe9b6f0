/*
 * Podman's book of addresses in use, /run/containers/networks/ipam.db, one for all Podmans of a host. A
 * service killed while it starts a container never takes its entry back, and no command or API call of
 * Podman 4.3 does. The book is a bbolt file; Podman opens it under an exclusive lock for each change, and so
 * does this.
 */
#ifndef LG_DRIVER_ADDRESSES_H
#define LG_DRIVER_ADDRESSES_H

#include <stdbool.h>

/* Takes out the entry that gives `address` to the container `owner` (64 hex digits). False when nothing was
 * changed. */
bool lg_address_forget(const char *owner, const char *address);

#endif
