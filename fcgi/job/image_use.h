/*
 * Images that nobody has in a catalogue: pulled because a create or a command for one run named them. They
 * would fill the disk and count for nobody, so those that are idle go before another comes. In job workers
 * and one-shots.
 */
#ifndef LG_JOB_IMAGE_USE_H
#define LG_JOB_IMAGE_USE_H

#include <sys/statvfs.h>

#include "job/job.h"

/* What of this file system an image may take, in bytes: some stays free for the database and the engines. */
int64_t lg_image_space(const struct statvfs *fs);
/* LG_LIMIT when the host's disk has no room for an image, however small. */
int lg_image_room(const struct lg_conf *c, struct lg_err *e);

struct lg_image_pull {
    struct lg_db *db;
    const struct lg_conf *conf;
    const struct lg_driver *d;
    struct lg_engine *g;
    lg_progress_fn *fn;
    void *arg;
};
/* Makes room, pulls, and notes it. Errors of lg_image_room and of the driver's image_pull. No transaction. */
int lg_image_use_pull(const struct lg_image_pull *p, const char *ref, struct lg_image_info *info,
                      struct lg_err *e);
/* It is run again: it stays a while longer. */
void lg_image_used(struct lg_db *db, const char *ref);

#endif
