/* GPUs that a host has to pass through to virtual machines, one machine each. */
#ifndef LG_API_GPU_H
#define LG_API_GPU_H

#include "base/conf.h"
#include "store/db.h"
#include "store/flavor.h"
#include "store/instance.h"

#define LG_GPU_LEN 16 /* a PCI address as sysfs writes it, "0000:01:00.0" */

/* How many the host has, taken or not. */
int lg_gpu_count(const struct lg_conf *c);
/* Whether an instance of this type can have the flavor on this host at all: LG_INVALID, LG_UNSUPPORTED. */
int lg_gpu_check(const struct lg_conf *c, const struct lg_flavor *f, const char *type, struct lg_err *e);
/* In the write transaction that gives it away: one that no instance has. LG_LIMIT when all are taken. */
int lg_gpu_take(struct lg_db *db, const struct lg_conf *c, char out[LG_GPU_LEN], struct lg_err *e);

#endif
