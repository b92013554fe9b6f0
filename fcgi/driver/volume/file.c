/* Volumes' files: made whole or not at all, grown, erased. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "driver/volume/lock.h"
#include "driver/volume/volume.h"

#define TOOL_MS       300000
#define RESERVE_BYTES ((uint64_t)64 << 20) /* left for the database and the engine */

char *lg_volume_file(const struct lg_conf *c, const char *id, bool block, char out[LG_VOLUME_PATH_LEN])
{
    *out = 0;
    if (lg_id_valid(id))
        snprintf(out, LG_VOLUME_PATH_LEN, "%s/volumes/files/%s.%s", c->state_dir, id, block ? "raw" : "ext4");
    return out;
}

/* Runs one of e2fsprogs' tools; exit codes up to `fine` are success. */
static int tool(const char *const *argv, int fine, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf out = {.max = 2000}, said = {.max = 2000};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1, .die_with_parent = 1};
    int rc = lg_proc_run(&p, TOOL_MS, &out, &said, e);
    if (rc <= fine)
        return rc < 0 ? rc : 0;
    const char *text = said.len ? lg_buf_cstr(&said) : lg_buf_cstr(&out);
    if (rc == 127)
        return lg_fail(e, LG_BACKEND, "%s is not installed on this host (package e2fsprogs)", argv[0]);
    return lg_fail(e, strstr(text, "No space left") ? LG_LIMIT : LG_BACKEND, "%s: %.300s", argv[0], text);
}

static int check_room(const char *dir, struct lg_err *e)
{
    struct statvfs fs;
    if (statvfs(dir, &fs))
        return lg_fail_errno(e, LG_BACKEND, "cannot look at %s", dir);
    if ((uint64_t)fs.f_bavail * fs.f_frsize >= RESERVE_BYTES)
        return 0;
    lg_fail(e, LG_LIMIT, "the host's disk is full");
    return lg_err_detail(e, "limit", "disk");
}

static int make_file_system(const char *path, struct lg_err *e)
{
    const char *const argv[] = {"mkfs.ext4",
                                "-q",
                                "-F",
                                "-b",
                                "4096",
                                "-m",
                                "0",
                                "-J",
                                "size=4",
                                "-E",
                                "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
                                path,
                                NULL};
    return tool(argv, 0, e);
}

/* Makes it under another name; only what is whole and on the disk gets its own. */
static int make_new(const char *dir, const char *path, const char *fresh, const struct lg_volume_of *v,
                    struct lg_err *e)
{
    int rc = check_room(dir, e);
    lg_cleanup_fd int fd = rc ? -1 : open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (!rc && (fd < 0 || ftruncate(fd, v->size_bytes)))
        rc = lg_fail_errno(e, errno == ENOSPC || errno == EFBIG ? LG_LIMIT : LG_BACKEND,
                           "cannot make the volume's file of %lld bytes", (long long)v->size_bytes);
    if (!rc && !v->block)
        rc = make_file_system(fresh, e);
    if (!rc && (fsync(fd) || rename(fresh, path) || lg_sync_dir(dir)))
        rc = lg_fail_errno(e, errno == ENOSPC ? LG_LIMIT : LG_BACKEND, "cannot keep the volume's file");
    if (rc)
        unlink(fresh);
    return rc;
}

int lg_volume_make_locked(const struct lg_conf *c, const struct lg_volume_of *v, struct lg_err *e)
{
    char path[LG_VOLUME_PATH_LEN], other[LG_VOLUME_PATH_LEN], fresh[LG_VOLUME_PATH_LEN + 8], dir[PATH_MAX];
    if (!*lg_volume_file(c, v->id, v->block, path))
        return lg_fail(e, LG_INVALID, "not a volume's id");
    if (!access(path, F_OK))
        return 0;
    if (!access(lg_volume_file(c, v->id, !v->block, other), F_OK))
        return lg_fail(e, LG_CONFLICT, "the volume is of the other kind");
    if (v->made)
        return lg_fail(e, LG_NOT_FOUND, "the volume's file %s is lost; it is not made anew, empty", path);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    return make_new(lg_conf_path(c, dir, sizeof dir, "volumes/files"), path, fresh, v, e);
}

int lg_volume_make(const struct lg_driver_ctx *ctx, const struct lg_volume_of *v, struct lg_err *e)
{
    lg_cleanup_fd int lock = lg_volume_lock(ctx->conf, v->id, e);
    return lock < 0 ? lock : lg_volume_make_locked(ctx->conf, v, e);
}

int lg_volume_check(const char *path, struct lg_err *e)
{
    const char *const argv[] = {"e2fsck", "-p", path, NULL};
    return tool(argv, 3, e); /* bits 1 and 2: it repaired something */
}

/* What an ext4 says of itself: of a longer file it uses no more. Whole file systems end with their file. */
static int64_t file_system_bytes(int fd)
{
    uint32_t super[256] = {0}; /* words 1 and 84: blocks; 6: their size; 14: the magic number */
    if (pread(fd, super, sizeof super, 1024) != (ssize_t)sizeof super ||
        (le32toh(super[14]) & 0xffff) != EXT4_SUPER_MAGIC || le32toh(super[6]) > 6)
        return 0;
    uint64_t blocks = (uint64_t)le32toh(super[84]) << 32 | le32toh(super[1]);
    return (int64_t)(blocks << (10 + le32toh(super[6])));
}

int64_t lg_volume_holds(const struct lg_driver_ctx *ctx, const struct lg_volume_of *v)
{
    char path[LG_VOLUME_PATH_LEN];
    struct stat st;
    lg_cleanup_fd int fd =
        open(lg_volume_file(ctx->conf, v->id, v->block, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st))
        return 0;
    int64_t bytes = v->block ? st.st_size : file_system_bytes(fd);
    return bytes < st.st_size ? bytes : st.st_size;
}

int lg_volume_grow(const struct lg_driver_ctx *ctx, const struct lg_volume_of *v, struct lg_err *e)
{
    char path[LG_VOLUME_PATH_LEN], size[24];
    struct stat st;
    lg_cleanup_fd int lock = lg_volume_lock(ctx->conf, v->id, e);
    if (lock < 0)
        return lock;
    lg_volume_file(ctx->conf, v->id, v->block, path);
    if (stat(path, &st))
        return v->made ? lg_fail_errno(e, LG_NOT_FOUND, "the volume's file %s is lost", path) : 0;
    int rc = lg_volume_release_locked(ctx, path, e);
    if (!rc && st.st_size < v->size_bytes && truncate(path, v->size_bytes))
        rc = lg_fail_errno(e, errno == ENOSPC || errno == EFBIG ? LG_LIMIT : LG_BACKEND, "cannot grow %s",
                           path);
    if (rc || v->block)
        return rc;
    if (lg_volume_holds(ctx, v) >= v->size_bytes) /* by an attempt before: it never shrinks */
        return 0;
    /* Named, for an attempt that failed may have left a longer file. */
    snprintf(size, sizeof size, "%lldK", (long long)v->size_bytes >> 10);
    const char *const whole[] = {"e2fsck", "-f", "-p", path, NULL}, *const grow[] = {"resize2fs", path, size,
                                                                                     NULL};
    rc = tool(whole, 3, e); /* resize2fs asks for a whole check */
    return rc ? rc : tool(grow, 0, e);
}

int lg_volume_erase(const struct lg_driver_ctx *ctx, const char *id, struct lg_err *e)
{
    char path[LG_VOLUME_PATH_LEN], fresh[LG_VOLUME_PATH_LEN + 8], dir[PATH_MAX];
    int rc = 0;
    lg_cleanup_fd int lock = lg_volume_lock(ctx->conf, id, e);
    if (lock < 0)
        return lock;
    for (int block = 0; !rc && block < 2; block++) {
        lg_volume_file(ctx->conf, id, block, path);
        snprintf(fresh, sizeof fresh, "%s.new", path);
        rc = lg_volume_release_locked(ctx, path, e);
        if (!rc && ((unlink(path) && errno != ENOENT) || (unlink(fresh) && errno != ENOENT)))
            rc = lg_fail_errno(e, LG_BACKEND, "cannot erase %s", path);
    }
    if (!rc && lg_sync_dir(lg_conf_path(ctx->conf, dir, sizeof dir, "volumes/files")))
        rc = lg_fail_errno(e, LG_BACKEND, "cannot write the folder of volumes");
    return rc;
}
