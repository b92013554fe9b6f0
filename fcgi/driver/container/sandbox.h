/* Sandboxes on a container engine. */
#ifndef LG_DRIVER_CT_SANDBOX_H
#define LG_DRIVER_CT_SANDBOX_H

#include "driver/container/client.h"
#include "driver/sandbox.h"

extern const struct lg_sandbox_ops lg_ct_sandbox_ops;

#endif
