/*
 * A tar on its way into the engine. A root file system passes as it is; an image archive ("docker save" or
 * OCI layout) is given our own name on the way. The archive is read by lodge-intake (intake/wire.h), never
 * here.
 */
#ifndef LG_DRIVER_ARCHIVE_H
#define LG_DRIVER_ARCHIVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "driver/driver.h"

struct lg_archive;

/* LG_INVALID when it is no tar at all, or has names that no image has. */
int lg_archive_open(const struct lg_driver_ctx *ctx, const char *path, const char *ref,
                    struct lg_archive **out, struct lg_err *e);
bool lg_archive_is_image(const struct lg_archive *a);
/* The next bytes of the tar to send: fits lg_source_fn. */
ssize_t lg_archive_read(void *arg, char *p, size_t cap);
void lg_archive_close(struct lg_archive *a); /* NULL is fine */

#endif
