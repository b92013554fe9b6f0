/*
 * The host's own images, of containers and of virtual machines: built here without any registry, so that the
 * first create works offline. Runs as the run user: a recipe needs no privilege, and what it writes is
 * adopted like an upload.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "store/image.h"
#include "store/operation.h"
#include "up/up.h"

struct recipe {
    const char *name, *kind, *file, *reference;
    int build_ms; /* at most */
    const char *const *aliases;
    struct lg_image_vm vm;
};

/* Names that published commands use for a machine. They all are the tiny one until the administrator gives a
 * name to an image of its own. */
static const char *const vm_aliases[] = {"ubuntu-22.04", "ubuntu:22.04", "ubuntu-20.04", "debian-11",
                                         "centos-8",     "nginx-1.24",   "postgresql-15"};
#define VM_ALIASES (int)(sizeof vm_aliases / sizeof vm_aliases[0])

static const struct recipe recipes[] = {{.name = "base",
                                         .kind = "container",
                                         .file = "uploads/base.tar",
                                         .reference = "localhost/lodge-base:1",
                                         .build_ms = 60000},
                                        {.name = "tiny",
                                         .kind = "vm",
                                         .file = "uploads/tiny.qcow2",
                                         .reference = "localhost/lodge-tiny:1",
                                         .build_ms = 600000, /* it fetches a kernel */
                                         .aliases = vm_aliases,
                                         .vm = {.format = "qcow2",
                                                .min_memory_bytes = (int64_t)128 << 20,
                                                .default_user = "root",
                                                .cloud_init = true}}};

static int build(const struct lg_conf *c, const struct recipe *r, struct lg_err *e)
{
    char recipe[PATH_MAX + 64], out[PATH_MAX], cache[PATH_MAX], env_cache[PATH_MAX + 32];
    snprintf(recipe, sizeof recipe, "%s/fcgi/driver/images/%s/build", c->share_dir, r->name);
    lg_conf_path(c, out, sizeof out, r->file);
    lg_conf_path(c, cache, sizeof cache, "uploads/cache");
    snprintf(env_cache, sizeof env_cache, "LODGE_IMAGE_CACHE=%s", *c->image_cache ? c->image_cache : cache);
    const char *argv[] = {recipe, out, NULL};
    const char *env[] = {"PATH=" LG_PROC_PATH, "HOME=/nonexistent", "LANG=C.UTF-8", env_cache, NULL};
    lg_cleanup_buf struct lg_buf said = {.max = 4096}, wrong = {.max = 4096};
    struct lg_proc p = {.argv = argv, .env = env, .stdout_fd = -1, .stderr_fd = -1, .die_with_parent = 1};
    int rc = lg_proc_run(&p, r->build_ms, &said, &wrong, e);
    return rc <= 0 ? rc
                   : lg_fail(e, LG_INTERNAL, "the recipe of image %s failed: %.300s", r->name,
                             lg_buf_cstr(&wrong));
}

/* In a write transaction: the catalogue's entry, new or to be tried again. */
static int enter(struct lg_db *db, const struct recipe *r, struct lg_image *im, struct lg_err *e)
{
    if (*im->id)
        return lg_image_set_state(db, im->id, "pulling", "", -1, "", e);
    *im = (struct lg_image){.source = "built", .state = "pulling", .is_public = true, .vm = r->vm};
    snprintf(im->name, sizeof im->name, "%s", r->name);
    snprintf(im->kind, sizeof im->kind, "%s", r->kind);
    snprintf(im->reference, sizeof im->reference, "%s", r->reference);
    snprintf(im->file, sizeof im->file, "%s", r->file);
    int rc = lg_image_add(db, im, e);
    if (!rc && r->aliases)
        rc = lg_image_set_aliases(db, im, r->aliases, VM_ALIASES, e);
    return rc ? rc : lg_image_set_default(db, im->id, r->kind, e);
}

static int queue(struct lg_db *db, const struct recipe *r, struct lg_image *im, struct lg_err *e)
{
    struct lg_operation op = {.kind = "image.import", .username = "system", .params = "{}", .progress = -1};
    int rc = lg_tx_write(db, e);
    rc = rc ? rc : enter(db, r, im, e);
    snprintf(op.subject_name, sizeof op.subject_name, "%s", r->name);
    memcpy(op.image_id, im->id, sizeof op.image_id);
    rc = rc ? rc : lg_operation_add(db, &op, false, e);
    rc = rc ? rc : lg_tx_commit(db, e);
    if (rc)
        lg_tx_rollback(db);
    return rc;
}

int lg_own_image(const struct lg_conf *c, const char *kind, struct lg_err *e)
{
    struct lg_db *db = NULL;
    struct lg_image im = {0};
    const struct recipe *r = &recipes[!strcmp(kind, "vm")];
    int rc = lg_db_open(&db, c, e);
    if (!rc)
        rc = lg_image_resolve(db, "", r->name, r->kind, &im, e);
    if (rc == -(int)LG_NOT_FOUND || (!rc && !strcmp(im.state, "error"))) {
        lg_err_clear(e);
        lg_db_close(db); /* a build takes long */
        db = NULL;
        rc = build(c, r, e);
        rc = rc ? rc : lg_db_open(&db, c, e);
        rc = rc ? rc : queue(db, r, &im, e);
    }
    lg_db_close(db);
    return rc;
}
