/*
 * Volumes on this host: sparse files, and the places where an instance's engine finds them.
 *
 *   $LODGE_STATE/volumes/files/<id>.ext4   a file system of the tenant's, made by us and mounted by the host
 *   $LODGE_STATE/volumes/files/<id>.raw    a raw disk: only guests look into it, the host never mounts it
 *   $LODGE_STATE/volumes/live/             a tmpfs, so that no place outlives the mount on it: after a reboot
 * an engine that starts a container by itself finds nothing there and fails, instead of letting it fill the
 * host's disk …/live/<instance>/<number>             one place of an instance: a volume, a host directory,
 * or, when the volume was detached since, an empty file system that nobody can write
 *
 * The file system has a small journal: without one a power failure of the host costs a full check and may
 * cost files, with ext4's usual one an empty volume of 5 GiB takes 68 MB. Its size is a hard limit: what does
 * not fit is ENOSPC in that instance. Files are sparse, freed blocks are given back (discard).
 *
 * Loop devices are set to clear themselves: they go with the last mount of them, whoever is killed in
 * between. Everything is idempotent by id and safe against others of us at the same time (a lock per volume).
 * Called by lodge-runner's processes as root. Errors: LG_BACKEND with the tool's own sentence, LG_LIMIT no
 * room on the host's disk, LG_CONFLICT in use, LG_NOT_FOUND the file is lost.
 */
#ifndef LG_DRIVER_VOLUME_H
#define LG_DRIVER_VOLUME_H

#include "driver/driver.h"

#define LG_VOLUME_PATH_LEN 4352

struct lg_volume_of { /* borrowed for the call */
    const char *id;
    bool block;
    int64_t size_bytes;
    bool made; /* it has been there: a missing file is never made anew */
};

/* Path of its file; "" when `id` is none. Returns out. */
char *lg_volume_file(const struct lg_conf *c, const char *id, bool block, char out[LG_VOLUME_PATH_LEN]);

/* Its file, of that kind and size; whole or not at all. */
int lg_volume_make(const struct lg_driver_ctx *ctx, const struct lg_volume_of *v, struct lg_err *e);
/* To v->size_bytes, which is larger than it was. Nothing may be mounted of it in an instance (LG_CONFLICT).
 */
int lg_volume_grow(const struct lg_driver_ctx *ctx, const struct lg_volume_of *v, struct lg_err *e);
/* Bytes that it has room for now, whatever became of a growth; 0 without a file. */
int64_t lg_volume_holds(const struct lg_driver_ctx *ctx, const struct lg_volume_of *v);
/* Places of it, then its file. Absent is 0; LG_CONFLICT while an instance still has it mounted. */
int lg_volume_erase(const struct lg_driver_ctx *ctx, const char *id, struct lg_err *e);

/* What is to be at a place: `volume` (of kind file system), else `host_path`, else nothing (both NULL). */
struct lg_place {
    const char *instance; /* id */
    int number;
    const struct lg_volume_of *volume;
    const char *host_path; /* no part of it may be a symbolic link */
};
/* Where it is mounted on the host; returns `out`. */
char *lg_place_path(const struct lg_conf *c, const char *instance, int number, char out[LG_VOLUME_PATH_LEN]);
/* Mounts it there, nosuid and nodev; makes the volume's file when it never was. */
int lg_place_fill(const struct lg_driver_ctx *ctx, const struct lg_place *p, struct lg_err *e);
/* Takes away one place, or with `number` -1 all of the instance's. Absent is 0. */
int lg_place_drop(const struct lg_driver_ctx *ctx, const char *instance, int number, struct lg_err *e);
/* Calls fn for each place there is; from the directory, whatever the database says. */
void lg_place_each(const struct lg_conf *c, void (*fn)(void *arg, const char *instance, int number),
                   void *arg);

/* One volume in a running container. */
struct lg_live {
    const char *volume; /* id */
    const char *place;  /* host path of its place */
    const char *path;   /* in the container */
    bool read_only;
};
/*
 * Makes the mounts of volumes in the container whose first process is `pid` be these `n`: mounts what is
 * missing, unmounts ours that are not among them. LG_CONFLICT when a process within is using what should go.
 * Does nothing when `pid` is not in a mount namespace of its own (another sort of engine).
 */
int lg_live_sync(const struct lg_driver_ctx *ctx, int64_t pid, const struct lg_live *want, int n,
                 struct lg_err *e);

#endif
