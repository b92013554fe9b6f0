/*
 * The base image: built here without any registry, so that the first create works offline. Runs as the run
 * user: the recipe needs no privilege, and what it writes is adopted like an upload.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "store/image.h"
#include "store/operation.h"
#include "up/up.h"

#define NAME     "base"
#define KIND     "container"
#define FILE_REL "uploads/base.tar"
#define BUILD_MS 60000

static int build(const struct lg_conf *c, struct lg_err *e)
{
    char recipe[PATH_MAX + 64], out[PATH_MAX];
    snprintf(recipe, sizeof recipe, "%s/fcgi/driver/images/base/build", c->share_dir);
    lg_conf_path(c, out, sizeof out, FILE_REL);
    const char *argv[] = {recipe, out, NULL};
    lg_cleanup_buf struct lg_buf said = {.max = 4096}, wrong = {.max = 4096};
    int rc = lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, BUILD_MS, &said,
                         &wrong, e);
    return rc <= 0 ? rc
                   : lg_fail(e, LG_INTERNAL, "the base image's recipe failed: %.300s", lg_buf_cstr(&wrong));
}

/* In a write transaction: the catalogue's entry, new or to be tried again. */
static int enter(struct lg_db *db, struct lg_image *im, struct lg_err *e)
{
    if (*im->id)
        return lg_image_set_state(db, im->id, "pulling", "", -1, "", e);
    *im = (struct lg_image){.name = NAME,
                            .kind = KIND,
                            .source = "built",
                            .reference = "localhost/lodge-base:1",
                            .state = "pulling",
                            .file = FILE_REL,
                            .is_public = true};
    int rc = lg_image_add(db, im, e);
    return rc ? rc : lg_image_set_default(db, im->id, KIND, e);
}

static int queue(struct lg_db *db, struct lg_image *im, struct lg_err *e)
{
    struct lg_operation op = {.kind = "image.import", .username = "system", .params = "{}", .progress = -1};
    int rc = lg_tx_write(db, e);
    rc = rc ? rc : enter(db, im, e);
    snprintf(op.subject_name, sizeof op.subject_name, "%s", NAME);
    memcpy(op.image_id, im->id, sizeof op.image_id);
    rc = rc ? rc : lg_operation_add(db, &op, false, e);
    rc = rc ? rc : lg_tx_commit(db, e);
    if (rc)
        lg_tx_rollback(db);
    return rc;
}

int lg_base_image(const struct lg_conf *c, struct lg_err *e)
{
    struct lg_db *db = NULL;
    struct lg_image im = {0};
    int rc = lg_db_open(&db, c, e);
    if (!rc)
        rc = lg_image_resolve(db, "", NAME, KIND, &im, e);
    if (rc == -(int)LG_NOT_FOUND || (!rc && !strcmp(im.state, "error"))) {
        lg_err_clear(e);
        rc = build(c, e);
        rc = rc ? rc : queue(db, &im, e);
    }
    lg_db_close(db);
    return rc;
}
