/* What a running container uses, read from the kernel: the engine is asked only where the container is. */
#ifndef LG_DRIVER_USAGE_H
#define LG_DRIVER_USAGE_H

#include "driver/container/client.h"

int lg_ct_usage(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e);

#endif
