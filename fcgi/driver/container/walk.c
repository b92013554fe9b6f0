#include "driver/container/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define DEPTH_MAX   128 /* folders open at a time; what lies deeper waits for its turn */
#define WAITING_MAX 256
#define BLOCK_BYTES 512 /* of st_blocks, whatever the file system's own are */

struct walk {
    const volatile sig_atomic_t *cancel;
    dev_t device;
    int waiting[WAITING_MAX], waiting_count; /* folders, owned */
    int64_t bytes;
};

static bool cancelled(const struct walk *w)
{
    return w->cancel && *w->cancel;
}

static void add(struct walk *w, const struct stat *st)
{
    int64_t n = (int64_t)st->st_blocks * BLOCK_BYTES;
    w->bytes += S_ISDIR(st->st_mode) || st->st_nlink < 2 ? n : n / (int64_t)st->st_nlink;
}

static void folder(struct walk *w, int fd, int depth);

static void enter(struct walk *w, int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return; /* gone since */
    if (depth < DEPTH_MAX)
        folder(w, fd, depth + 1);
    else if (w->waiting_count < WAITING_MAX)
        w->waiting[w->waiting_count++] = fd;
    else
        close(fd);
}

/* Takes the descriptor. */
static void folder(struct walk *w, int fd, int depth)
{
    struct stat st;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return;
    }
    for (struct dirent *f; !cancelled(w) && (f = readdir(d));) {
        if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..") ||
            fstatat(fd, f->d_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != w->device)
            continue;
        add(w, &st);
        if (S_ISDIR(st.st_mode))
            enter(w, fd, f->d_name, depth);
    }
    closedir(d);
}

int lg_walk_bytes(const char *path, const volatile sig_atomic_t *cancel, int64_t *bytes, struct lg_err *e)
{
    struct walk w = {.cancel = cancel};
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        enum lg_code code = errno == ENOENT ? LG_NOT_FOUND : LG_INTERNAL;
        if (fd >= 0)
            close(fd);
        return lg_fail_errno(e, code, "cannot look into %s", path);
    }
    w.device = st.st_dev;
    add(&w, &st);
    folder(&w, fd, 0);
    while (w.waiting_count)
        folder(&w, w.waiting[--w.waiting_count], 0);
    *bytes = w.bytes;
    return cancelled(&w) ? lg_fail(e, LG_CANCELLED, "cancelled while a layer was measured") : 0;
}

static bool is_new(struct lg_unlinked *s, uint64_t inode)
{
    for (int i = 0; i < s->count; i++)
        if (s->inode[i] == inode)
            return false;
    if (s->count == LG_WALK_UNLINKED_MAX)
        return false;
    s->inode[s->count++] = inode;
    return true;
}

/* Open files, and those that are only mapped any more. */
void lg_walk_unlinked(int64_t pid, struct lg_unlinked *seen)
{
    static const char *const folders[] = {"fd", "map_files"};
    char path[64];
    struct stat root, st;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/root", pid);
    if (stat(path, &root))
        return;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, folders[i]);
        DIR *d = opendir(path);
        for (struct dirent *f; d && (f = readdir(d));)
            if (f->d_name[0] != '.' && !fstatat(dirfd(d), f->d_name, &st, 0) && S_ISREG(st.st_mode) &&
                !st.st_nlink && st.st_dev == root.st_dev && is_new(seen, st.st_ino))
                seen->bytes += (int64_t)st.st_blocks * BLOCK_BYTES;
        if (d)
            closedir(d);
    }
}
