/* The host's mounts, which engines see: a service manager may have given lodge-runner a private view of them.
 * Private to this folder. */
#ifndef LG_DRIVER_VOLUME_HOST_H
#define LG_DRIVER_VOLUME_HOST_H

#include "base/err.h"

/* Runs `fn` where the host's first process sees its mounts: here, or in a child that goes there. */
int lg_with_host_mounts(int (*fn)(void *arg, struct lg_err *e), void *arg, struct lg_err *e);
/* Runs `fn` in a child in the mount namespace behind `ns_fd`. */
int lg_with_mounts_of(int ns_fd, int (*fn)(void *arg, struct lg_err *e), void *arg, struct lg_err *e);

#endif
