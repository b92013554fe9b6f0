#include "driver/volume/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define ATTEMPTS 64 /* others take free devices at the same time */

int lg_loop_backing(unsigned minor_number, char *out, size_t cap)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/block/loop%u/loop/backing_file", minor_number);
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
    if (n <= 0)
        return 0;
    out[n] = 0;
    out[strcspn(out, "\n")] = 0;
    return 1;
}

/* Opens a device and looks whether it shows this file: its name may be old, the file's number is not. */
static int open_if_shows(unsigned n, const struct stat *file, dev_t *dev)
{
    char path[32];
    struct loop_info64 info;
    struct stat st;
    snprintf(path, sizeof path, "/dev/loop%u", n);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (!ioctl(fd, LOOP_GET_STATUS64, &info) && info.lo_inode == file->st_ino &&
        info.lo_device == file->st_dev && !fstat(fd, &st)) {
        *dev = st.st_rdev;
        return fd;
    }
    close(fd);
    return -1;
}

int lg_loop_find(const char *path, dev_t *dev)
{
    char backing[4352];
    struct stat st;
    int found = -1;
    DIR *d = stat(path, &st) ? NULL : opendir("/sys/block");
    for (const struct dirent *f; d && found < 0 && (f = readdir(d));) {
        if (strncmp(f->d_name, "loop", 4))
            continue;
        unsigned n = (unsigned)strtoul(f->d_name + 4, NULL, 10);
        if (lg_loop_backing(n, backing, sizeof backing) && !strcmp(backing, path))
            found = open_if_shows(n, &st, dev);
    }
    if (d)
        closedir(d);
    return found;
}

/* 1 made, 0 somebody else was faster, or a negative code. */
static int configure(int ctl, int image, const char *path, int *out, dev_t *dev, struct lg_err *e)
{
    char name[32];
    struct stat st;
    int n = ioctl(ctl, LOOP_CTL_GET_FREE);
    if (n < 0)
        return lg_fail_errno(e, LG_BACKEND, "the host has no free loop device");
    snprintf(name, sizeof name, "/dev/loop%d", n);
    lg_cleanup_fd int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return lg_fail_errno(e, LG_BACKEND, "cannot open %s", name);
    struct loop_config c = {.fd = (unsigned)image, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
    snprintf((char *)c.info.lo_file_name, LO_NAME_SIZE, "%.*s", LO_NAME_SIZE - 1, path);
    if (ioctl(fd, LOOP_CONFIGURE, &c))
        return errno == EBUSY ? 0 : lg_fail_errno(e, LG_BACKEND, "cannot set up %s", name);
    if (fstat(fd, &st))
        return lg_fail_errno(e, LG_BACKEND, "cannot look at %s", name);
    *dev = st.st_rdev;
    *out = fd;
    fd = -1;
    return 1;
}

int lg_loop_attach(const char *path, dev_t *dev, struct lg_err *e)
{
    int fd = lg_loop_find(path, dev);
    if (fd >= 0)
        return fd;
    lg_cleanup_fd int image = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW),
                      ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (image < 0 || ctl < 0)
        return lg_fail_errno(e, LG_BACKEND, "cannot open %s", image < 0 ? path : "/dev/loop-control");
    for (int i = 0, rc = 0; i < ATTEMPTS; i++)
        if ((rc = configure(ctl, image, path, &fd, dev, e)))
            return rc < 0 ? rc : fd;
    return lg_fail(e, LG_BACKEND, "others take every loop device");
}
