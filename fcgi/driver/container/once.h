/*
 * Containers that are used once and thrown away (sandboxes, one command each): what strangers' code is kept
 * in, and how they go. They carry a label of their own with our site as its value. Runner's processes; errors
 * as in driver/driver.h.
 */
#ifndef LG_DRIVER_ONCE_H
#define LG_DRIVER_ONCE_H

#include "driver/container/client.h"

struct lg_once_spec {
    const struct lg_net_place *place; /* NULL: no network */
    const char *image, *hostname, *label;
    uint32_t uid; /* and gid, of its processes */
    int64_t memory_bytes, cpu_millis, pids;
    int64_t nproc; /* processes of the user id, wherever they run */
    struct {
        const char *path, *options;
    } places[5]; /* all that can be written to; ended by a NULL path */
};
/* Into the body of /containers/create: image, user, label, and all that keeps it from the host and from any
 * network but its place. */
void lg_once_write(const struct lg_engine *g, struct lg_json *j, const struct lg_once_spec *s);
/* Before its create: the network is there, its isolation in force. Nothing to do without a place. */
int lg_once_ready(struct lg_engine *g, const struct lg_net_place *place, struct lg_err *e);

/*
 * Kills and removes it, by name or engine's id; absent is 0. What a killed engine left of one that it takes
 * for never started (a monitor, and a process that waits to be let go) is ended with it.
 */
int lg_once_remove(struct lg_engine *g, const char *name, struct lg_err *e);
/* Removes all whose `label` names our site; *removed counts them. */
int lg_once_sweep(struct lg_engine *g, const char *label, int *removed, struct lg_err *e);

#endif
