/* The catalogue's images: pulled, adopted from an upload, deleted. */
#include "job/image_use.h"
#include "job/job.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/fetch.h"

/* Out of the engine, unless others need what the reference names there. */
static int drop(struct lg_job *j, struct lg_err *e)
{
    int64_t sharers = lg_image_sharers(j->db, &j->im);
    if (sharers < 0)
        return lg_fail(e, LG_STORAGE, "the database does not answer");
    if (sharers) { /* one tenant's entry goes; what others' stand for stays */
        lg_job_log(j, "%s stays in the engine: others use it", j->im.reference);
        return 0;
    }
    return LG_VERB(j->d, image_remove, e, j->g, j->im.reference);
}

/* How large it is is known now. What its tenant may not have is not kept. */
static int admit(struct lg_job *j, struct lg_err *e)
{
    int rc = lg_tx_write(j->db, e);
    rc = rc ? rc : lg_image_take_size(j->db, &j->im, j->info.size_bytes, e);
    rc = rc ? rc : lg_tx_commit(j->db, e);
    lg_tx_rollback(j->db);
    if (rc != -LG_LIMIT)
        return rc;
    struct lg_err why = {0};
    if (drop(j, &why))
        lg_job_log(j, "it stays in the engine: %s", why.msg);
    return rc;
}

int lg_run_pull(struct lg_job *j, struct lg_err *e)
{
    lg_job_log(j, "pulling %s", j->im.reference);
    int rc = lg_image_room(j->runner->conf, e);
    if (!rc)
        rc = LG_VERB(j->d, image_pull, e, j->g, j->im.reference, lg_job_progress, j, &j->info);
    return rc ? rc : admit(j, e);
}

/* Where the file lies below uploads/, whether the catalogue names it absolutely or not; NULL when elsewhere.
 */
static const char *below_uploads(const struct lg_conf *c, const char *file)
{
    char dir[PATH_MAX];
    lg_conf_path(c, dir, sizeof dir, "uploads/");
    size_t n = strlen(dir);
    if (!strncmp(file, dir, n))
        return file + n;
    if (!strncmp(file, "uploads/", 8))
        return file + 8;
    return *file == '/' ? NULL : file;
}

/* Opens a folder below `dir_fd` without following anything out of it. */
static int open_beneath(int dir_fd, const char *rel, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, dir_fd, rel, &how, sizeof how);
}

static int regular(int dir_fd, const char *name, struct lg_err *e)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return lg_fail_errno(e, LG_NOT_FOUND, "the uploaded file is gone");
    return S_ISREG(st.st_mode) && st.st_nlink == 1
               ? 0
               : lg_fail(e, LG_INVALID, "the uploaded file is not a regular file of its own");
}

/*
 * Moves the upload into the runner's own folder (0700), where nobody can swap it any more, and checks it
 * there. Adopted already by an attempt that died: fine.
 */
static int adopt(struct lg_job *j, const char *own_name, int own, struct lg_err *e)
{
    char dir[PATH_MAX], rel[sizeof j->im.file + 2], base[sizeof j->im.file];
    if (!regular(own, own_name, NULL))
        return 0;
    const char *at = below_uploads(j->runner->conf, j->im.file);
    if (!at || !*at)
        return lg_fail(e, LG_INVALID, "the uploaded file does not lie in the folder for uploads");
    lg_conf_path(j->runner->conf, dir, sizeof dir, "uploads");
    lg_cleanup_fd int uploads = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *slash = strrchr(at, '/');
    snprintf(rel, sizeof rel, "./%.*s", slash ? (int)(slash - at) : 0, at);
    snprintf(base, sizeof base, "%s", slash ? slash + 1 : at);
    lg_cleanup_fd int folder = uploads < 0 ? -1 : open_beneath(uploads, rel, O_PATH | O_DIRECTORY);
    if (folder < 0)
        return lg_fail_errno(e, LG_INVALID, "the uploaded file does not lie in the folder for uploads");
    int rc = regular(folder, base, e);
    if (rc)
        return rc;
    if (renameat(folder, base, own, own_name))
        return lg_fail_errno(e, LG_INTERNAL, "cannot adopt the uploaded file");
    rc = regular(own, own_name, e);
    if (rc)
        unlinkat(own, own_name, 0);
    return rc;
}

static int own_folder(const struct lg_runner *r, char *dir, size_t cap, struct lg_err *e)
{
    lg_conf_path(r->conf, dir, cap, "import");
    if (mkdir(dir, 0700) && errno != EEXIST)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? lg_fail_errno(e, LG_INTERNAL, "cannot open %s", dir) : fd;
}

/* How large a fetched file may be: what uploads may, and not more than leaves the host some room. */
static int64_t fetch_room(const struct lg_job *j, int own)
{
    struct statvfs fs;
    int64_t max = (int64_t)j->runner->conf->upload_max_mib << 20;
    if (fstatvfs(own, &fs))
        return max;
    int64_t room = lg_image_space(&fs) / 2; /* it is stored, then imported */
    return room < max ? room : max;
}

/* Into the runner's own folder under `name`; there already by an attempt that died: fine. */
static int fetch(struct lg_job *j, const char *name, int own, struct lg_err *e)
{
    char part[LG_ID_LEN + 8];
    if (!regular(own, name, NULL))
        return 0;
    snprintf(part, sizeof part, "%s.part", j->im.id);
    unlinkat(own, part, 0);
    lg_cleanup_fd int fd = openat(own, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    const struct lg_fetch f = {
        .conf = j->runner->conf, .url = j->im.vm.url, .fd = fd, .max_bytes = fetch_room(j, own)};
    if (fd < 0)
        return lg_fail_errno(e, LG_STORAGE, "cannot store the file");
    if (f.max_bytes <= 0)
        return lg_fail(e, LG_LIMIT, "the host's disk has no room for an image");
    lg_job_log(j, "fetching %s", j->im.vm.url);
    int rc = lg_fetch(&f, j->cancel, lg_job_progress, j, e);
    if (!rc && renameat(own, part, own, name))
        rc = lg_fail_errno(e, LG_STORAGE, "cannot keep the fetched file");
    if (rc)
        unlinkat(own, part, 0);
    return rc;
}

static int import(struct lg_job *j, int (*get)(struct lg_job *j, const char *name, int own, struct lg_err *e),
                  struct lg_err *e)
{
    char dir[PATH_MAX - 64], path[PATH_MAX], name[LG_ID_LEN + 8];
    snprintf(name, sizeof name, "%s.tar", j->im.id);
    lg_cleanup_fd int own = own_folder(j->runner, dir, sizeof dir, e);
    int rc = own < 0 ? own : get(j, name, own, e);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    lg_job_log(j, "importing the file as %s", j->im.reference);
    struct lg_import im = {
        .path = path, .ref = j->im.reference, .format = j->im.vm.format, .sha256 = j->im.vm.sha256};
    rc = LG_VERB(j->d, image_import, e, j->g, &im, lg_job_progress, j, &j->info);
    if (rc != -LG_UNAVAILABLE) /* kept for the next attempt */
        unlinkat(own, name, 0);
    return rc ? rc : admit(j, e);
}

int lg_run_import(struct lg_job *j, struct lg_err *e)
{
    return import(j, adopt, e);
}

int lg_run_fetch(struct lg_job *j, struct lg_err *e)
{
    return import(j, fetch, e);
}

int lg_run_image_delete(struct lg_job *j, struct lg_err *e)
{
    int64_t users = lg_image_users(j->db, j->im.id);
    if (users > 0)
        return lg_fail(e, LG_CONFLICT, "%lld instances are made of this image; delete them first",
                       (long long)users);
    return users < 0 ? lg_fail(e, LG_STORAGE, "the database does not answer") : drop(j, e);
}

/* What the file turned out to be. */
static int settle_disk(struct lg_job *j, struct lg_err *e)
{
    if (*j->info.format)
        snprintf(j->im.vm.format, sizeof j->im.vm.format, "%s", j->info.format);
    j->im.vm.virtual_bytes = j->info.virtual_bytes;
    return lg_image_set_vm(j->db, j->im.id, &j->im.vm, e);
}

int lg_settle_image(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    int rc = lg_image_get(j->db, j->im.id, &j->im, e);
    if (rc == -LG_NOT_FOUND) {
        lg_err_clear(e);
        return 0;
    }
    bool deletes = j->kind->run == lg_run_image_delete;
    if (!rc && deletes && !why)
        return lg_image_remove(j->db, j->im.id, e);
    if (rc)
        return rc;
    if (deletes) /* it stays as it was */
        return lg_image_set_state(j->db, j->im.id, "ready", j->im.digest, j->im.size_bytes, "", e);
    if (!why && !strcmp(j->im.kind, "vm") && (rc = settle_disk(j, e)))
        return rc;
    const char *digest = j->info.digest[0] ? j->info.digest : j->info.id;
    return lg_image_set_state(j->db, j->im.id, why ? "error" : "ready", digest, why ? 0 : j->info.size_bytes,
                              why ? why->msg : "", e);
}
