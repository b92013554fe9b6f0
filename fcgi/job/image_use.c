#include "job/image_use.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define RESERVE_SHARE 20 /* a twentieth of a small disk stays free, */
#define RESERVE_MAX   ((int64_t)512 << 20)
#define LOW_SHARE     10                /* free below a tenth of the disk: images go early */
#define LOW_KEEP_MS   ((int64_t)600000) /* but not before what they were pulled for has begun */
#define HOUR_MS       ((int64_t)3600000)

static bool low(const struct lg_conf *c)
{
    struct statvfs fs;
    return !statvfs(c->state_dir, &fs) && fs.f_bavail < fs.f_blocks / LOW_SHARE;
}

int64_t lg_image_space(const struct statvfs *fs)
{
    int64_t unit = (int64_t)fs->f_frsize, share = (int64_t)fs->f_blocks * unit / RESERVE_SHARE;
    return (int64_t)fs->f_bavail * unit - (share < RESERVE_MAX ? share : RESERVE_MAX);
}

int lg_image_room(const struct lg_conf *c, struct lg_err *e)
{
    struct statvfs fs;
    if (statvfs(c->state_dir, &fs) || lg_image_space(&fs) > 0)
        return 0;
    return lg_fail(e, LG_LIMIT, "the host's disk has no room for an image");
}

/* ---- idle ones ---- */

struct idle {
    char *ref[50]; /* owned */
    int count;
};

static void take(void *arg, const char *ref)
{
    struct idle *l = arg;
    if (l->count < (int)(sizeof l->ref / sizeof l->ref[0]) && (l->ref[l->count] = strdup(ref)))
        l->count++;
}

static void forget(struct lg_db *db, const char *ref)
{
    if (lg_tx_write(db, NULL))
        return;
    if (!lg_image_use_forget(db, ref, NULL))
        lg_tx_commit(db, NULL);
    lg_tx_rollback(db);
}

static void make_room(const struct lg_image_pull *p)
{
    struct idle l = {.count = 0};
    int64_t keep = p->conf->image_keep_h * HOUR_MS;
    if (low(p->conf) && keep > LOW_KEEP_MS)
        keep = LOW_KEEP_MS;
    lg_image_use_idle(p->db, lg_clock_ms() - keep, take, &l, NULL);
    for (int i = 0; i < l.count; i++) {
        struct lg_err e = {0};
        if (!p->d->image_remove(p->g, l.ref[i], &e)) {
            forget(p->db, l.ref[i]);
            lg_log(LG_INFO, "an image that nothing needs was removed", "image", l.ref[i], NULL);
        }
        free(l.ref[i]);
    }
}

/* ---- another ---- */

static void note(struct lg_db *db, int (*put)(struct lg_db *db, const char *ref, struct lg_err *e),
                 const char *ref)
{
    struct lg_err e = {0};
    int rc = lg_tx_write(db, &e);
    rc = rc ? rc : put(db, ref, &e);
    rc = rc ? rc : lg_tx_commit(db, &e);
    lg_tx_rollback(db);
    if (rc)
        lg_log_err(LG_WARN, "that an image was used is not noted", &e);
}

int lg_image_use_pull(const struct lg_image_pull *p, const char *ref, struct lg_image_info *info,
                      struct lg_err *e)
{
    make_room(p);
    int rc = lg_image_room(p->conf, e);
    if (rc)
        return rc;
    note(p->db, lg_image_use_put, ref); /* before it comes: should we die meanwhile, it is known */
    return p->d->image_pull(p->g, ref, p->fn, p->arg, info, e);
}

void lg_image_used(struct lg_db *db, const char *ref)
{
    note(db, lg_image_use_touch, ref);
}
