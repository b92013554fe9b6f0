/*
 * Podman's book of addresses in use, /run/containers/networks/ipam.db, one for all Podmans of a host. A
 * service that is killed while it starts a container never takes its entry back: the address is written into
 * the book before the container's own state names a network namespace. Every way Podman 4.3 has of giving an
 * address back begins with that state and does nothing without it: stop, `container cleanup`, `rm --force`,
 * `network disconnect` and `network reload`. A second start fails because the address is taken, by the
 * container itself. `network rm` drops all of a network's entries, but wants every container of the tenant
 * gone; `system renumber` is about locks; the folder of the book is fixed for root, so that the private
 * service cannot have one of its own; and another address is no way out, because an instance keeps its own
 * for life. So the one entry is taken out here. The book is a bbolt file; Podman opens it under an exclusive
 * lock for each change, and so does this.
 */
#ifndef LG_DRIVER_ADDRESSES_H
#define LG_DRIVER_ADDRESSES_H

#include <stdbool.h>

/* Takes out the entry that gives `address` to the container `owner` (64 hex digits). False when nothing was
 * changed. */
bool lg_address_forget(const char *owner, const char *address);

#endif
