/*
 * Is a file a disk image that may be used? Reads its header with a parser of its own, before any other
 * program sees it.
 */
#ifndef LG_DRIVER_KVM_CHECK_H
#define LG_DRIVER_KVM_CHECK_H

#include <stdint.h>

#include "base/err.h"

struct lg_disk_facts {
    const char *format; /* "qcow2" or "raw" */
    int64_t virtual_bytes;
};

/*
 * `format` may be NULL or "". LG_INVALID: no disk, truncated, of a format that is not taken, encrypted,
 * larger than max_bytes, or one that names another file (backing file, external data file).
 */
int lg_disk_check(int fd, const char *format, int64_t max_bytes, struct lg_disk_facts *out, struct lg_err *e);

#endif
