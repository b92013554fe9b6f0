#include "driver/volume/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define LOCKS 64 /* several volumes share one: it is held for milliseconds */

/* Guests' disks are opened by processes with fewer rights, by their full path: the folders can be passed. */
static int make_folders(const struct lg_conf *c, struct lg_err *e)
{
    static const char *const folders[] = {"volumes", "volumes/files", "volumes/locks"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (!mkdir(lg_conf_path(c, path, sizeof path, folders[i]), 0711))
            chmod(path, 0711); /* whatever the umask */
        else if (errno != EEXIST)
            return lg_fail_errno(e, errno == ENOSPC ? LG_LIMIT : LG_BACKEND, "cannot make %s", path);
    }
    return 0;
}

int lg_volume_lock(const struct lg_conf *c, const char *id, struct lg_err *e)
{
    char path[PATH_MAX], name[40];
    unsigned sum = 0;
    if (!lg_id_valid(id))
        return lg_fail(e, LG_INVALID, "not an id");
    for (const char *p = id; *p; p++)
        sum = sum * 31 + (unsigned char)*p;
    int rc = make_folders(c, e);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "volumes/locks/%u", sum % LOCKS);
    int fd = open(lg_conf_path(c, path, sizeof path, name), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return lg_fail_errno(e, errno == ENOSPC ? LG_LIMIT : LG_BACKEND, "cannot open %s", path);
    while (flock(fd, LOCK_EX))
        if (errno != EINTR) {
            rc = lg_fail_errno(e, LG_BACKEND, "cannot lock %s", path);
            close(fd);
            return rc;
        }
    return fd;
}

int lg_sync_dir(const char *dir)
{
    lg_cleanup_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}
