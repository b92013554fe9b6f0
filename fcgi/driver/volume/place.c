/* Places: what an engine is told to mount into an instance. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/volume/host.h"
#include "driver/volume/lock.h"
#include "driver/volume/loop.h"
#include "model/volume.h"

#define CLEAR_STEPS 60 /* of 50 ms: a device clears itself a moment after its last use */
#define PRIVATE     (MS_NOSUID | MS_NODEV)

struct job {
    const struct lg_driver_ctx *ctx;
    const struct lg_place *p;
    const char *instance, *file; /* drop: whose place; release: of which file */
    int number;
};

static char *live_path(const struct lg_conf *c, char out[LG_VOLUME_PATH_LEN])
{
    snprintf(out, LG_VOLUME_PATH_LEN, "%s/volumes/live", c->state_dir);
    return out;
}

char *lg_place_path(const struct lg_conf *c, const char *instance, int number, char out[LG_VOLUME_PATH_LEN])
{
    *out = 0;
    if (lg_id_valid(instance))
        snprintf(out, LG_VOLUME_PATH_LEN, "%s/volumes/live/%.36s/%d", c->state_dir, instance, number);
    return out;
}

static dev_t dev_of(const char *path)
{
    struct stat st;
    return lstat(path, &st) ? 0 : st.st_dev;
}

/* Whether the tmpfs is there changes only under this lock. */
static int lock_live(const struct lg_conf *c, struct lg_err *e)
{
    char above[PATH_MAX];
    lg_conf_path(c, above, sizeof above, "volumes");
    int lock = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock >= 0 && !flock(lock, LOCK_EX))
        return lock;
    int rc = lg_fail_errno(e, LG_BACKEND, "cannot lock %s", above);
    lg_fd_close(&lock);
    return rc;
}

/* The tmpfs that the places are in. */
static int ensure_live(const struct lg_conf *c, dev_t *dev, struct lg_err *e)
{
    char path[LG_VOLUME_PATH_LEN], above[PATH_MAX];
    lg_conf_path(c, above, sizeof above, "volumes");
    if (mkdir(live_path(c, path), 0711) && errno != EEXIST)
        return lg_fail_errno(e, LG_BACKEND, "cannot make %s", path);
    if (dev_of(path) == dev_of(above) &&
        mount("lodge", path, "tmpfs", PRIVATE | MS_NOEXEC, "size=4m,mode=0711"))
        return lg_fail_errno(e, LG_BACKEND, "cannot mount a tmpfs at %s", path);
    *dev = dev_of(path);
    return 0;
}

/* --- what can be at a place --- */

static int put_volume(const struct lg_conf *c, const struct lg_volume_of *v, const char *place, dev_t at,
                      struct lg_err *e)
{
    char file[LG_VOLUME_PATH_LEN], device[32], lost[LG_VOLUME_PATH_LEN + 16];
    dev_t dev = 0;
    lg_volume_file(c, v->id, false, file);
    lg_cleanup_fd int loop = lg_loop_find(file, &dev);
    if (loop >= 0 && dev == at)
        return 0;
    int rc = loop >= 0 ? 0 : lg_volume_check(file, e);
    if (!rc && loop < 0 && (loop = lg_loop_attach(file, &dev, e)) < 0)
        rc = loop;
    if (rc)
        return rc;
    snprintf(device, sizeof device, "/dev/loop%u", minor(dev));
    if (mount(device, place, "ext4", PRIVATE, "discard,noinit_itable,errors=remount-ro"))
        return lg_fail_errno(e, LG_BACKEND, "cannot mount the volume %s", v->id);
    snprintf(lost, sizeof lost, "%s/lost+found", place);
    rmdir(lost); /* many programs want an empty directory for their data; fsck makes it again when it needs it
                  */
    return 0;
}

/* Opened without following any symbolic link, and mounted as what was opened. */
static int put_host_path(const struct lg_conf *c, const char *path, const char *place, struct lg_err *e)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    if (!lg_path_under(c->host_path_roots, path) || lg_path_under(c->state_dir, path) ||
        lg_path_under(path, c->state_dir))
        return lg_fail(e, LG_FORBIDDEN, "%s is not below the setting host_path_roots", path);
    lg_cleanup_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    struct stat there, want;
    if (fd < 0 || fstat(fd, &want))
        return lg_fail_errno(e, LG_BACKEND, "cannot open %s of the host", path);
    if (!stat(place, &there) && there.st_dev == want.st_dev && there.st_ino == want.st_ino)
        return 0;
    lg_cleanup_fd int tree = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) ||
        move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH))
        return lg_fail_errno(e, LG_BACKEND, "cannot mount %s of the host", path);
    return 0;
}

static int put_nothing(const char *place, dev_t at, dev_t live, struct lg_err *e)
{
    struct statfs fs;
    if (at != live && !statfs(place, &fs) && fs.f_type == TMPFS_MAGIC)
        return 0;
    if (mount("lodge-empty", place, "tmpfs", PRIVATE | MS_NOEXEC | MS_RDONLY, "size=4k,mode=0755"))
        return lg_fail_errno(e, LG_BACKEND, "cannot mount an empty file system");
    return 0;
}

/* Is what is mounted there something else than wanted? Then it goes: the last thing mounted would count. */
static void clear_wrong(const struct lg_conf *c, const struct lg_place *p, const char *place, dev_t live)
{
    char file[LG_VOLUME_PATH_LEN];
    struct statfs fs;
    dev_t at = dev_of(place), dev = 0;
    if (at == live || statfs(place, &fs))
        return;
    bool right = !p->host_path && !p->volume && fs.f_type == TMPFS_MAGIC;
    if (p->volume) {
        lg_cleanup_fd int loop = lg_loop_find(lg_volume_file(c, p->volume->id, false, file), &dev);
        right = loop >= 0 && dev == at;
    } else if (p->host_path) {
        right = major(at) != 7 && fs.f_type != TMPFS_MAGIC;
    }
    if (!right)
        umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int fill(void *arg, struct lg_err *e)
{
    const struct job *j = arg;
    const struct lg_conf *c = j->ctx->conf;
    const struct lg_place *p = j->p;
    char place[LG_VOLUME_PATH_LEN], above[LG_VOLUME_PATH_LEN];
    dev_t live = 0;
    lg_place_path(c, p->instance, p->number, place);
    snprintf(above, sizeof above, "%.*s", (int)(strrchr(place, '/') - place), place);
    int lock = lock_live(c, e), rc = lock < 0 ? lock : ensure_live(c, &live, e);
    if (!rc && ((mkdir(above, 0711) && errno != EEXIST) || (mkdir(place, 0700) && errno != EEXIST)))
        rc = lg_fail_errno(e, LG_BACKEND, "cannot make %s", place);
    lg_fd_close(&lock);
    if (rc)
        return rc;
    clear_wrong(c, p, place, live);
    dev_t at = dev_of(place);
    if (p->volume)
        return put_volume(c, p->volume, place, at, e);
    return p->host_path ? put_host_path(c, p->host_path, place, e) : put_nothing(place, at, live, e);
}

int lg_place_fill(const struct lg_driver_ctx *ctx, const struct lg_place *p, struct lg_err *e)
{
    struct job j = {.ctx = ctx, .p = p};
    if (!lg_id_valid(p->instance))
        return lg_fail(e, LG_INVALID, "not an instance's id");
    lg_cleanup_fd int lock = lg_volume_lock(ctx->conf, p->volume ? p->volume->id : p->instance, e);
    if (lock < 0)
        return lock;
    int rc = p->volume ? lg_volume_make_locked(ctx->conf, p->volume, e) : 0;
    return rc ? rc : lg_with_host_mounts(fill, &j, e);
}

/* --- away with it --- */

static void drop_one(const char *place)
{
    umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW);
    rmdir(place);
}

/* The last place takes the tmpfs along; while it has another it is busy or not empty. */
static void drop_live(const struct lg_conf *c)
{
    char path[LG_VOLUME_PATH_LEN];
    int lock = lock_live(c, NULL), n = 0;
    DIR *d = lock < 0 ? NULL : opendir(live_path(c, path));
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    if (d && n == 2 && !umount2(path, UMOUNT_NOFOLLOW))
        rmdir(path);
    lg_fd_close(&lock);
}

static int drop(void *arg, struct lg_err *e)
{
    (void)e;
    const struct job *j = arg;
    char dir[LG_VOLUME_PATH_LEN], place[LG_VOLUME_PATH_LEN + 300];
    lg_place_path(j->ctx->conf, j->instance, 0, dir);
    *strrchr(dir, '/') = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *f; d && (f = readdir(d));) {
        if (f->d_name[0] == '.' || (j->number >= 0 && atoi(f->d_name) != j->number))
            continue;
        snprintf(place, sizeof place, "%s/%s", dir, f->d_name);
        drop_one(place);
    }
    if (d)
        closedir(d);
    rmdir(dir); /* not while there is another place */
    if (d)
        drop_live(j->ctx->conf);
    return 0;
}

int lg_place_drop(const struct lg_driver_ctx *ctx, const char *instance, int number, struct lg_err *e)
{
    struct job j = {.ctx = ctx, .instance = instance, .number = number};
    if (!lg_id_valid(instance))
        return lg_fail(e, LG_INVALID, "not an instance's id");
    return lg_with_host_mounts(drop, &j, e);
}

struct visit {
    const struct lg_conf *conf;
    void (*fn)(void *arg, const char *instance, int number);
    void *arg;
};

static void each_of_instance(const struct visit *v, const char *instance)
{
    char dir[LG_VOLUME_PATH_LEN];
    lg_place_path(v->conf, instance, 0, dir);
    if (!*dir)
        return;
    *strrchr(dir, '/') = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *f; d && (f = readdir(d));)
        if (f->d_name[0] != '.')
            v->fn(v->arg, instance, atoi(f->d_name));
    if (d)
        closedir(d);
}

void lg_place_each(const struct lg_conf *c, void (*fn)(void *arg, const char *instance, int number),
                   void *arg)
{
    char dir[LG_VOLUME_PATH_LEN];
    struct visit v = {c, fn, arg};
    DIR *d = opendir(live_path(c, dir));
    for (const struct dirent *f; d && (f = readdir(d));)
        each_of_instance(&v, f->d_name);
    if (d)
        closedir(d);
}

struct of_device {
    const struct lg_conf *conf;
    dev_t dev;
};

static void drop_if_of(void *arg, const char *instance, int number)
{
    const struct of_device *o = arg;
    char place[LG_VOLUME_PATH_LEN];
    if (dev_of(lg_place_path(o->conf, instance, number, place)) == o->dev)
        drop_one(place);
}

static int release(void *arg, struct lg_err *e)
{
    const struct job *j = arg;
    for (int i = 0; i < CLEAR_STEPS; i++) {
        struct of_device o = {.conf = j->ctx->conf};
        int loop = lg_loop_find(j->file, &o.dev);
        if (loop < 0)
            return 0;
        lg_place_each(o.conf, drop_if_of, &o);
        close(loop);
        poll(NULL, 0, 50);
    }
    lg_fail(e, LG_CONFLICT, "an instance still has the volume mounted; stop it first");
    return lg_err_detail(e, "reason", "busy");
}

int lg_volume_release_locked(const struct lg_driver_ctx *ctx, const char *path, struct lg_err *e)
{
    struct job j = {.ctx = ctx, .file = path};
    return lg_with_host_mounts(release, &j, e);
}
