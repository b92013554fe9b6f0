/*
 * Volumes into and out of a running container: its mount namespace is entered by a child, which mounts a copy
 * of the place's mount there. The container's own processes see nothing of that child (it stays in the host's
 * other namespaces) and a path it is given ends in the container's root whatever links are on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/volume/host.h"
#include "driver/volume/loop.h"
#include "driver/volume/volume.h"

#define MOUNTS_MAX 64 /* of ours in one container */
#define LOOP_MAJOR 7

struct sync {
    const struct lg_conf *conf;
    const struct lg_live *want;
    int n;
    int ns, root;         /* the container's mount namespace, and its root in it */
    int tree[MOUNTS_MAX]; /* to mount, -1: is there */
    char gone[MOUNTS_MAX][LG_VOLUME_PATH_LEN];
    int gone_count;
};

/* The octal escapes of mountinfo. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

/* Whose file a loop device shows: the volume's id, or "". */
static void volume_of_loop(const struct lg_conf *c, unsigned n, char id[LG_ID_LEN])
{
    char file[LG_VOLUME_PATH_LEN + 16], dir[LG_VOLUME_PATH_LEN];
    snprintf(dir, sizeof dir, "%s/volumes/files/", c->state_dir);
    size_t len = strlen(dir);
    *id = 0;
    if (!lg_loop_backing(n, file, sizeof file) || strncmp(file, dir, len) ||
        strlen(file + len) < LG_ID_LEN - 1)
        return;
    memcpy(id, file + len, LG_ID_LEN - 1);
    id[LG_ID_LEN - 1] = 0;
    if (!lg_id_valid(id))
        *id = 0;
}

/* A mount in the container: wanted there, ours and unwanted, or none of our business. */
static void judge(struct sync *s, unsigned major_number, unsigned minor_number, const char *path)
{
    char id[LG_ID_LEN] = "";
    if (major_number != LOOP_MAJOR)
        return;
    volume_of_loop(s->conf, minor_number, id);
    if (!*id)
        return;
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->want[i].volume, id) && !strcmp(s->want[i].path, path)) {
            s->tree[i] = -2;
            return;
        }
    if (s->gone_count < MOUNTS_MAX)
        snprintf(s->gone[s->gone_count++], LG_VOLUME_PATH_LEN, "%s", path);
}

static int read_mounts(struct sync *s, int64_t pid, struct lg_err *e)
{
    char name[64], *line = NULL;
    size_t cap = 0;
    snprintf(name, sizeof name, "/proc/%" PRId64 "/mountinfo", pid);
    FILE *f = fopen(name, "re");
    if (!f)
        return lg_fail_errno(e, LG_CONFLICT, "the container has ended");
    while (getline(&line, &cap, f) > 0) {
        unsigned a, b;
        int from = 0, to = 0;
        if (sscanf(line, "%*d %*d %u:%u %*s %n%*s%n", &a, &b, &from, &to) < 2 || to <= from)
            continue;
        line[to] = 0;
        unescape(line + from);
        judge(s, a, b, line + from);
    }
    free(line);
    fclose(f);
    return 0;
}

static int open_trees(struct sync *s, struct lg_err *e)
{
    for (int i = 0; i < s->n; i++) {
        const struct lg_live *w = &s->want[i];
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                              (w->read_only ? (uint64_t)MOUNT_ATTR_RDONLY : 0),
                                  .propagation = MS_PRIVATE};
        if (s->tree[i] == -2)
            continue;
        s->tree[i] = open_tree(AT_FDCWD, w->place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        if (s->tree[i] < 0 || mount_setattr(s->tree[i], "", AT_EMPTY_PATH, &attr, sizeof attr))
            return lg_fail_errno(e, LG_BACKEND, "cannot take the volume's mount");
    }
    return 0;
}

/* Each part of a path that is not there. */
static void make_path(const char *path)
{
    char part[LG_VOLUME_PATH_LEN];
    for (size_t i = 1; path[i - 1]; i++)
        if (!path[i] || path[i] == '/') {
            snprintf(part, sizeof part, "%.*s", (int)i, path);
            mkdir(part, 0755);
        }
}

/* In the container's mount namespace. Its root there need not be the namespace's: where an engine cannot
 * pivot, that one is a copy of the host's. */
static int change(void *arg, struct lg_err *e)
{
    struct sync *s = arg;
    if (fchdir(s->root) || chroot("."))
        return lg_fail_errno(e, LG_BACKEND, "cannot enter the container's root");
    for (int i = 0; i < s->gone_count; i++)
        if (umount2(s->gone[i], UMOUNT_NOFOLLOW) && errno != EINVAL && errno != ENOENT) {
            if (errno != EBUSY)
                return lg_fail_errno(e, LG_BACKEND, "cannot unmount %s in the instance", s->gone[i]);
            lg_fail(e, LG_CONFLICT, "a process in the instance uses %.256s; stop the instance first",
                    s->gone[i]);
            return lg_err_detail(e, "reason", "busy");
        }
    for (int i = 0; i < s->n; i++) {
        if (s->tree[i] < 0)
            continue;
        make_path(s->want[i].path);
        if (move_mount(s->tree[i], "", AT_FDCWD, s->want[i].path, MOVE_MOUNT_F_EMPTY_PATH))
            return lg_fail_errno(e, LG_BACKEND, "cannot mount at %s in the instance", s->want[i].path);
    }
    return 0;
}

/* All of it in the host's mounts: the places are there. */
static int go(void *arg, struct lg_err *e)
{
    struct sync *s = arg;
    bool any = s->gone_count > 0;
    int rc = open_trees(s, e);
    for (int i = 0; i < s->n; i++)
        any |= s->tree[i] >= 0;
    if (!rc && any)
        rc = lg_with_mounts_of(s->ns, change, s, e);
    for (int i = 0; i < s->n; i++)
        lg_fd_close(&s->tree[i]);
    return rc;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A namespace of its own, neither ours nor the host's: those are never changed by what a database says. */
static int open_ns(int64_t pid)
{
    char path[64];
    struct stat its, own, host;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/ns/mnt", pid);
    int fd = pid > 1 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return -1;
    if (!fstat(fd, &its) && !stat("/proc/self/ns/mnt", &own) && !same_file(&its, &own) &&
        (stat("/proc/1/ns/mnt", &host) || !same_file(&its, &host)))
        return fd;
    close(fd);
    return -1;
}

/* Its root, when that is not the host's. */
static int open_root(int64_t pid)
{
    char path[64];
    struct stat its, host;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/root", pid);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &its) || stat("/", &host) || same_file(&its, &host)))
        lg_fd_close(&fd);
    return fd;
}

int lg_live_sync(const struct lg_driver_ctx *ctx, int64_t pid, const struct lg_live *want, int n,
                 struct lg_err *e)
{
    static struct sync s; /* large; one call at a time in a process */
    lg_cleanup_fd int ns = open_ns(pid), root = ns < 0 ? -1 : open_root(pid);
    if (ns < 0)
        return 0;
    if (root < 0)
        return lg_fail(e, LG_CONFLICT, "the container has ended");
    if (n > MOUNTS_MAX)
        return lg_fail(e, LG_INVALID, "more volumes than an instance may have");
    s = (struct sync){.conf = ctx->conf, .want = want, .n = n, .ns = ns, .root = root};
    for (int i = 0; i < n; i++)
        s.tree[i] = -1;
    int rc = read_mounts(&s, pid, e);
    return rc ? rc : lg_with_host_mounts(go, &s, e);
}
