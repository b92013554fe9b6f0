/* What a running container uses, read from the kernel: the engine is asked only where the container is. */
#ifndef LG_DRIVER_USAGE_H
#define LG_DRIVER_USAGE_H

#include "driver/container/client.h"

int lg_ct_usage(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e);

struct lg_sandbox;
/* The cgroups' directories of process `pid`, which must be in container `ref` (the engine's id), into *out.
 * False when it is not. */
bool lg_ct_sandbox_cgroups(int64_t pid, const char *ref, struct lg_sandbox *out);

/* Where a running container is; LG_NOT_FOUND, or LG_STATE when it does not run. Valid until the next call. */
int lg_ct_seen(struct lg_engine *g, const char *id, const struct lg_seen **out, struct lg_err *e);
/* Calls fn for each of its processes. */
void lg_ct_processes(const struct lg_seen *seen, void (*fn)(void *arg, int64_t pid), void *arg);

#endif
