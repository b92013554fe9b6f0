/*
 * What a Podman service leaves behind when it is killed while it starts a container: the address stays taken
 * in its address book, and a network name space with the container's interface stays on the bridge. No call
 * of the engine frees either. Only for the private engine: others' things are not touched.
 */
#ifndef LG_DRIVER_LEAKS_H
#define LG_DRIVER_LEAKS_H

#include "driver/container/client.h"

/*
 * A start of this instance (engine's id `ref`), which does not run, was refused with `message`. Frees what a
 * killed service left in the way; true when something was and a start is worth another try.
 */
bool lg_leak_free(struct lg_engine *g, const struct lg_inst_spec *s, const char *ref, const char *message);
/* Before a container that the engine holds for never started is removed: ends what the runtime has of it. */
void lg_leak_end(struct lg_engine *g, const char *ref);
/*
 * While a stop waits for a process that does not want to end (state "stopping"; the caller of that stop may
 * be long gone), Podman removes the container and leaves its process running. Ends the process and waits
 * until it has gone; for any engine, by the process number it gave, once the process is seen to be in the
 * container's cgroup.
 */
int lg_leak_kill(const struct lg_inst_status *st, struct lg_err *e);
/*
 * One container whose layer is gone but whose entry is not (killed in the middle of a removal) makes even a
 * listing fail. Finishes the removal; true when the refused call is worth another try.
 */
bool lg_leak_half_removed(struct lg_engine *g, int status, const struct lg_buf *reply);
/* Removes every name space that hangs on the network's bridge, when the network goes. */
void lg_leak_sweep(struct lg_engine *g, const struct lg_net_spec *net);

#endif
