/*
 * The layer that a container writes into. Where the engine keeps layers on xfs with project quotas its size
 * is a hard limit (StorageOpt); everywhere else it is only measured, and job/layers.c acts on it.
 */
#ifndef LG_DRIVER_LAYER_H
#define LG_DRIVER_LAYER_H

#include "driver/container/client.h"

int lg_ct_layer(struct lg_engine *g, const char *id, struct lg_layer *out, struct lg_err *e);

/* Can this engine hold a layer to a size? Asked of it and of the host once for a handle. */
bool lg_layer_is_hard(struct lg_engine *g);

/* Of a line of /proc/self/mountinfo: is it an xfs with project quotas in force? For lg_layer_is_hard, and its
 * test. `mount_point` gets where. */
bool lg_layer_mount(const char *line, char *mount_point, size_t cap);

#endif
