/*
 * `lodge restore <file>`. Everything is unpacked into up/restore, proved and migrated there; then `ready` is
 * written, and from then on the swap only goes forward: whoever comes next (this program again, or `lodge
 * up`) finishes it. What was there before is kept in before-restore-<time>.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/fd.h"
#include "store/backup.h"
#include "up/bundle.h"
#include "up/template.h"
#include "up/up.h"

#define STAGE "up/restore"
#define READY STAGE "/ready"

/* What is exchanged as a whole. */
static const char *const swapped[] = {"db", "keys", "tls", "lodge.conf", "credentials"};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int sync_dir(const char *path, struct lg_err *e)
{
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) ? lg_fail_errno(e, LG_STORAGE, "cannot make %s durable", path) : 0;
}

/* ---- proving ---- */

static int make_stage(const struct lg_conf *c, char *stage, size_t cap, struct lg_err *e)
{
    static const char *const folders[] = {"", "/keys", "/tls", "/db"};
    static const mode_t modes[] = {0700, 0700, 0755, 0750};
    char path[PATH_MAX + 16];
    remove_tree(lg_conf_path(c, stage, cap, STAGE));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s%s", stage, folders[i]);
        if (mkdir(path, modes[i]) || chmod(path, modes[i]))
            return lg_fail_errno(e, LG_STORAGE, "cannot make %s", path);
    }
    return 0;
}

/* The settings of the backup, read as they will be: a file that Lodge would not start with is refused. */
static int load_staged(const struct lg_conf *c, const char *stage, struct lg_conf *staged, struct lg_err *e)
{
    setenv("LODGE_STATE", stage, 1);
    int rc = lg_conf_load(staged, e);
    setenv("LODGE_STATE", c->state_dir, 1);
    return rc;
}

/* The database's folder and all in it become the run user's; nobody else reaches it yet. */
static int give_database(const struct lg_conf *staged, const struct lg_who *w, struct lg_err *e)
{
    char path[PATH_MAX];
    DIR *d = opendir(lg_conf_path(staged, path, sizeof path, "db"));
    int rc = !d || (w->root && chown(path, w->uid, w->gid))
                 ? lg_fail_errno(e, LG_STORAGE, "cannot give %s away", path)
                 : 0;
    for (struct dirent *f; !rc && (f = readdir(d));)
        if (f->d_name[0] != '.' &&
            ((w->root && fchownat(dirfd(d), f->d_name, w->uid, w->gid, AT_SYMLINK_NOFOLLOW)) ||
             fchmodat(dirfd(d), f->d_name, 0640, 0)))
            rc = lg_fail_errno(e, LG_STORAGE, "cannot give %s away", f->d_name);
    if (d)
        closedir(d);
    return rc;
}

static int prove(const struct lg_conf *c, const char *file, struct lg_bundle *b, struct lg_err *e)
{
    static struct lg_conf staged;
    char stage[PATH_MAX], why[sizeof e->msg];
    struct lg_who w;
    struct lg_db_facts f = {0};
    int rc = make_stage(c, stage, sizeof stage, e);
    rc = rc ? rc : lg_bundle_read(b, file, stage, e);
    rc = rc ? rc : load_staged(c, stage, &staged, e);
    rc = rc ? rc : lg_up_who(&staged, &w, e);
    rc = rc ? rc : lg_db_adopt(&staged, &f, e);
    if (!rc && strcmp(f.site, b->site) != 0)
        rc = lg_fail(e, LG_INVALID, "its database is of another site than its list says");
    rc = rc ? rc : give_database(&staged, &w, e);
    if (!rc)
        return 0;
    memcpy(why, e->msg, sizeof why);
    remove_tree(stage);
    return lg_fail(e, (enum lg_code) - rc, "%s is not restored: %.600s", file, why);
}

/* ---- exchanging ---- */

static int exchange(const struct lg_conf *c, const char *aside, const char *rel, struct lg_err *e)
{
    char live[PATH_MAX], stage[PATH_MAX], old[PATH_MAX * 2], what[64];
    snprintf(what, sizeof what, STAGE "/%s", rel);
    lg_conf_path(c, live, sizeof live, rel);
    lg_conf_path(c, stage, sizeof stage, what);
    snprintf(old, sizeof old, "%s/%s", aside, rel);
    if (access(stage, F_OK))
        return 0; /* not in the backup, or exchanged already */
    if (!access(live, F_OK) && access(old, F_OK) && rename(live, old))
        return lg_fail_errno(e, LG_STORAGE, "cannot move %s to %s", live, old);
    return rename(stage, live) ? lg_fail_errno(e, LG_STORAGE, "cannot move %s to %s", stage, live) : 0;
}

int lg_restore_finish(const struct lg_conf *c, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf name = {.max = 256};
    char path[PATH_MAX], aside[PATH_MAX], stage[PATH_MAX];
    if (access(lg_conf_path(c, path, sizeof path, READY), F_OK))
        return 0;
    int rc = lg_read_file(path, 128, &name, e);
    if (rc)
        return rc;
    if (strncmp(lg_buf_cstr(&name), "before-restore-", 15) != 0 || strchr(lg_buf_cstr(&name), '/'))
        return lg_fail(e, LG_INTERNAL, "%s does not name a folder", path);
    lg_conf_path(c, aside, sizeof aside, lg_buf_cstr(&name));
    if (mkdir(aside, 0700) && errno != EEXIST)
        return lg_fail_errno(e, LG_STORAGE, "cannot make %s", aside);
    for (size_t i = 0; !rc && i < sizeof swapped / sizeof swapped[0]; i++)
        rc = exchange(c, aside, swapped[i], e);
    rc = rc ? rc : sync_dir(aside, e);
    rc = rc ? rc : sync_dir(c->state_dir, e);
    if (!rc)
        remove_tree(lg_conf_path(c, stage, sizeof stage, STAGE));
    return rc ? rc : 1;
}

static int commit(const struct lg_conf *c, char aside[64], struct lg_err *e)
{
    char path[PATH_MAX];
    time_t now = time(NULL);
    struct tm tm;
    strftime(aside, 64, "before-restore-%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    if (!access(lg_conf_path(c, path, sizeof path, aside), F_OK))
        return lg_fail(e, LG_CONFLICT, "%s exists already; try again in a second", path);
    static const char *const folders[] = {STAGE "/db", STAGE "/keys", STAGE "/tls"};
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof folders / sizeof folders[0]; i++)
        rc = sync_dir(lg_conf_path(c, path, sizeof path, folders[i]), e);
    rc = rc ? rc : lg_write_file(lg_conf_path(c, path, sizeof path, READY), aside, strlen(aside), 0600, 1, e);
    rc = rc ? rc : sync_dir(lg_conf_path(c, path, sizeof path, STAGE), e);
    rc = rc ? rc : lg_restore_finish(c, e);
    return rc < 0 ? rc : 0;
}

static int restore(const struct lg_conf *c, const char *file, struct lg_bundle *b, char aside[64],
                   struct lg_err *e)
{
    struct lg_who w;
    if (mkdir(c->state_dir, 0755) && errno != EEXIST)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", c->state_dir);
    int rc = lg_crypto_init(e);
    rc = rc ? rc : lg_up_who(c, &w, e);
    rc = rc ? rc : lg_up_dirs(c, &w, e);
    if (rc)
        return rc;
    lg_cleanup_fd int lock = lg_up_lock(c, e);
    if (lock < 0)
        return lock;
    rc = lg_restore_finish(c, e); /* one that was interrupted */
    rc = rc < 0 ? rc : lg_db_unused(c, e);
    rc = rc ? rc : prove(c, file, b, e);
    return rc ? rc : commit(c, aside, e);
}

int lg_restore(int argc, char **argv)
{
    static struct lg_conf c;
    static struct lg_bundle b;
    struct lg_err e = {0};
    char aside[64] = "";
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: lodge restore <file>\n");
        return 2;
    }
    umask(0077);
    if (lg_conf_load(&c, &e) || restore(&c, argv[1], &b, aside, &e)) {
        fprintf(stderr, "lodge: %s\n", e.msg);
        return 1;
    }
    printf("Restored site %s as it was at %s. What was here before is in %s/%s. Instances that the engine "
           "lost since show as such; containers that this backup does not know are left alone and listed by "
           "`lodge doctor`.\n",
           b.site, b.made, c.state_dir, aside);
    return 0;
}
