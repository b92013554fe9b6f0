/*
 * Containers that are used once and thrown away (sandboxes, one command each): how they go. They carry a
 * label of their own with our site as its value. Runner's processes; errors as in driver/driver.h.
 */
#ifndef LG_DRIVER_ONCE_H
#define LG_DRIVER_ONCE_H

#include "driver/container/client.h"

/*
 * Kills and removes it, by name or engine's id; absent is 0. What a killed engine left of one that it takes
 * for never started (a monitor, and a process that waits to be let go) is ended with it.
 */
int lg_once_remove(struct lg_engine *g, const char *name, struct lg_err *e);
/* Removes all whose `label` names our site; *removed counts them. */
int lg_once_sweep(struct lg_engine *g, const char *label, int *removed, struct lg_err *e);

#endif
