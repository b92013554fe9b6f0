/* What the files of this folder share. Private to it. */
#ifndef LG_DRIVER_VOLUME_LOCK_H
#define LG_DRIVER_VOLUME_LOCK_H

#include "driver/volume/volume.h"

/* Makes the folders and takes the volume's lock: a descriptor that holds it, or a negative code. */
int lg_volume_lock(const struct lg_conf *c, const char *id, struct lg_err *e);
int lg_sync_dir(const char *dir); /* 0 or -1 with errno */

/* As lg_volume_make, with the lock held. */
int lg_volume_make_locked(const struct lg_conf *c, const struct lg_volume_of *v, struct lg_err *e);
/* Replays its journal and repairs what can be repaired without a question; nothing may have it mounted. */
int lg_volume_check(const char *path, struct lg_err *e);
/* Takes its places away, with the lock held; LG_CONFLICT while a container still has it mounted. */
int lg_volume_release_locked(const struct lg_driver_ctx *ctx, const char *path, struct lg_err *e);

#endif
