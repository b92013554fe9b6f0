/* What a caller says of volumes: names, sizes, and where one is mounted. Pure. */
#ifndef LG_MODEL_VOLUME_H
#define LG_MODEL_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LG_VOLUME_MIN_BYTES ((int64_t)16 << 20) /* less has no room for a journal */
#define LG_VOLUME_MAX_BYTES                                                                                  \
    ((int64_t)1 << 46)       /* 64 TiB: more than ext4 is meant for, and far from overflow */
#define LG_MOUNTS_MAX     32 /* of one instance */
#define LG_MOUNT_PATH_LEN 256

/* A volume's file system has blocks of 4 KiB: sizes are whole ones. */
int lg_check_volume_size(const char *field, int64_t bytes, struct lg_err *e);

/* A place in an instance: absolute, no empty, "." or ".." part, and none that the engine fills itself (/,
 * /proc, /sys, /dev). A slash at the end is dropped. */
int lg_check_mount_path(const char *field, const char *s, char out[LG_MOUNT_PATH_LEN], struct lg_err *e);

/* "data:/data", "/data:/data:ro" (the same volume), "/srv/shared:/in:ro" (a host directory). */
struct lg_mount {
    char name[64];                     /* the tenant's volume; "" with a host path */
    char host_path[LG_MOUNT_PATH_LEN]; /* as written; "" unless it has more than one part */
    char path[LG_MOUNT_PATH_LEN];
    bool read_only;
};
/* "name:/path" or "/name:/path", a volume; "/host/path:/path", a directory; ":ro" if wanted. LG_INVALID. */
int lg_parse_mount(const char *field, const char *s, struct lg_mount *out, struct lg_err *e);

/* Is `path` one of `roots` (comma-separated) or below one? */
bool lg_path_under(const char *roots, const char *path);

#endif
