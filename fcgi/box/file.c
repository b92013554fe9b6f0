/* Files of a run. The kernel keeps every path below the working directory: no links, no "..", no mounts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box/box.h"

#define ENTRIES_MAX 1000
#define DEPTH_MAX   16
#define PATH_LEN    1024

static int open_below(int dir, const char *path, int flags, mode_t mode)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
                                      RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

/* Makes the folders on the way, each opened by the rules above. Returns the last one, now the caller's. */
static int folders(const char *path, const char **last)
{
    char name[256];
    int dir = open(LG_BOX_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        size_t n = (size_t)(slash - path);
        if (!n || n >= sizeof name) {
            close(dir);
            return n ? -ENAMETOOLONG : -EINVAL;
        }
        memcpy(name, path, n);
        name[n] = 0;
        int next = strcmp(name, "..") && strcmp(name, ".") ? 0 : -EINVAL;
        if (!next && mkdirat(dir, name, 0755) && errno != EEXIST)
            next = -errno;
        if (!next)
            next = open_below(dir, name, O_PATH | O_DIRECTORY, 0);
        close(dir);
        if (next < 0)
            return next;
        dir = next;
    }
    *last = path;
    return dir;
}

int lg_file_create(const char *path)
{
    const char *name = path;
    int dir = folders(path, &name);
    if (dir < 0)
        return dir;
    int fd = *name && strcmp(name, "..") && strcmp(name, ".")
                 ? open_below(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0755)
                 : -EINVAL;
    close(dir);
    return fd;
}

void lg_file_get(const char *path)
{
    char bytes[LG_BOX_FRAME_MAX];
    struct stat st;
    int dir = open(LG_BOX_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -errno : open_below(dir, path, O_RDONLY | O_NONBLOCK, 0);
    if (dir >= 0)
        close(dir);
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        lg_sayf(LG_BOX_REFUSED, "%s", fd < 0 ? strerror(-fd) : "that is no file");
        if (fd >= 0)
            close(fd);
        return;
    }
    size_t left = LG_BOX_GET_MAX + 1;
    ssize_t n;
    while ((n = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes)) > 0) {
        lg_say(LG_BOX_CONTENT, bytes, (size_t)n);
        left -= (size_t)n;
    }
    close(fd);
    lg_say(LG_BOX_OK, NULL, 0);
}

static int list_folder(int dir, const char *prefix, int depth, int left)
{
    struct stat st;
    DIR *d = fdopendir(dir);
    if (!d) {
        close(dir);
        return left;
    }
    for (struct dirent *f; left > 0 && (f = readdir(d));) {
        char path[PATH_LEN];
        if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..") ||
            fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        int n = snprintf(path, sizeof path, "%s%s", prefix, f->d_name);
        if (n < 0 || (size_t)n >= sizeof path - 1)
            continue;
        if (S_ISREG(st.st_mode)) {
            lg_sayf(LG_BOX_ENTRY, "%lld %lld %s", (long long)st.st_size,
                    (long long)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000, path);
            left--;
        } else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
            int sub = open_below(dirfd(d), f->d_name, O_RDONLY | O_DIRECTORY, 0);
            path[n] = '/';
            path[n + 1] = 0;
            if (sub >= 0)
                left = list_folder(sub, path, depth + 1, left);
        }
    }
    closedir(d);
    return left;
}

void lg_file_list(void)
{
    int dir = open(LG_BOX_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        list_folder(dir, "", 0, ENTRIES_MAX);
    lg_say(LG_BOX_OK, NULL, 0);
}

bool lg_file_full(void)
{
    struct statvfs v;
    return !statvfs(LG_BOX_DIR, &v) && v.f_bavail * v.f_bsize < 4096 * 4;
}
