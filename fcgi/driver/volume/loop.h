/* Loop devices of volumes' files. Private to this folder. */
#ifndef LG_DRIVER_LOOP_H
#define LG_DRIVER_LOOP_H

#include <sys/types.h>

#include "base/err.h"

/* The device that shows `path` (>= 0, an open descriptor that keeps it alive), -1 when none does. */
int lg_loop_find(const char *path, dev_t *dev);
/* As find; makes one that clears itself when nobody uses it any more. A descriptor or a negative code. */
int lg_loop_attach(const char *path, dev_t *dev, struct lg_err *e);
/* The file that a device (major 7) shows, as the kernel names it; false when it shows none. */
int lg_loop_backing(unsigned minor_number, char *out, size_t cap);

#endif
