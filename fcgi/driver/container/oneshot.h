/* driver/oneshot.h on a container engine. */
#ifndef LG_DRIVER_CONTAINER_ONESHOT_H
#define LG_DRIVER_CONTAINER_ONESHOT_H

#include "driver/oneshot.h"

extern const struct lg_oneshot_ops lg_ct_oneshot_ops;

#endif
