#include "driver/kvm/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "driver/kvm/image.h"

#define QEMU_IMG_MS 60000
#define COPY_MS     600000

char *lg_vm_path(const struct lg_engine *g, const char *id, const char *name, char out[PATH_MAX])
{
    char rel[128];
    snprintf(rel, sizeof rel, "vm/inst/%s%s%s", id, *name ? "/" : "", name);
    return lg_conf_path(g->ctx.conf, out, PATH_MAX, rel);
}

char *lg_vm_image_path(const struct lg_engine *g, const char *name, char out[PATH_MAX])
{
    char rel[NAME_MAX + 16];
    snprintf(rel, sizeof rel, "vm/images%s%s", *name ? "/" : "", name);
    return lg_conf_path(g->ctx.conf, out, PATH_MAX, rel);
}

char *lg_vm_console_path(const struct lg_engine *g, const char *id, char out[PATH_MAX])
{
    char run[64];
    lg_vm_run_dir(g->ctx.conf, run, sizeof run);
    snprintf(out, PATH_MAX, "%s/con/%s", run, id);
    return out;
}

static int make_dir(const char *path, mode_t mode, struct lg_err *e)
{
    if (mkdir(path, mode) && errno != EEXIST)
        return lg_fail_errno(e, errno == ENOSPC ? LG_STORAGE : LG_INTERNAL, "cannot make %s", path);
    return 0;
}

int lg_vm_make_dirs(const struct lg_engine *g, const char *id, struct lg_err *e)
{
    char path[PATH_MAX], run[64];
    int rc = make_dir(lg_conf_path(g->ctx.conf, path, sizeof path, "vm"), 0711, e);
    rc = rc ? rc : make_dir(lg_vm_image_path(g, "", path), 0711, e);
    rc = rc ? rc : make_dir(lg_conf_path(g->ctx.conf, path, sizeof path, "vm/inst"), 0711, e);
    rc = rc || !*id ? rc : make_dir(lg_vm_path(g, id, "", path), 0711, e);
    lg_vm_run_dir(g->ctx.conf, run, sizeof run);
    rc = rc ? rc : make_dir(run, 0711, e);
    snprintf(path, sizeof path, "%s/con", run);
    rc = rc ? rc : make_dir(path, 0711, e);
    if (!rc && g->own && (chown(path, g->uid, g->gid) || chmod(path, 0700)))
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot give %s away", path);
    return rc;
}

int lg_vm_remove_files(const struct lg_engine *g, const char *id, struct lg_err *e)
{
    char path[PATH_MAX], rel[128];
    unlink(lg_vm_console_path(g, id, path));
    snprintf(rel, sizeof rel, "vm/log/qemu/lodge-%s.log", id);
    if (g->own) /* what the private libvirtd noted of it */
        unlink(lg_conf_path(g->ctx.conf, path, sizeof path, rel));
    DIR *d = opendir(lg_vm_path(g, id, "", path));
    if (!d)
        return errno == ENOENT ? 0 : lg_fail_errno(e, LG_INTERNAL, "cannot open %s", path);
    for (const struct dirent *f; (f = readdir(d));)
        if (strcmp(f->d_name, ".") && strcmp(f->d_name, ".."))
            unlinkat(dirfd(d), f->d_name, 0);
    closedir(d);
    if (rmdir(path) && errno != ENOENT)
        return lg_fail_errno(e, LG_INTERNAL, "cannot remove %s", path);
    return 0;
}

int lg_vm_note(const struct lg_engine *g, const char *id, const char *name, const char *text,
               struct lg_err *e)
{
    char path[PATH_MAX];
    size_t n = strlen(text);
    lg_cleanup_fd int fd =
        open(lg_vm_path(g, id, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        return lg_fail_errno(e, errno == ENOSPC ? LG_STORAGE : LG_INTERNAL, "cannot write %s", path);
    return 0;
}

bool lg_vm_noted(const struct lg_engine *g, const char *id, const char *name, char *out, size_t cap)
{
    char path[PATH_MAX];
    lg_cleanup_fd int fd = open(lg_vm_path(g, id, name, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : out ? read(fd, out, cap - 1) : 0;
    if (n < 0)
        return false;
    if (out)
        out[n] = 0;
    return true;
}

int lg_vm_give(const struct lg_engine *g, const char *path, mode_t mode, struct lg_err *e)
{
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fchmod(fd, mode) || (g->own && fchown(fd, g->uid, g->gid)))
        return lg_fail_errno(e, LG_INTERNAL, "cannot give %s to the virtual machine", path);
    return 0;
}

int lg_vm_qemu_img(const char *const *argv, int timeout_ms, struct lg_buf *out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf said = {.max = 2048};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1, .die_with_parent = 1};
    int rc = lg_proc_run(&p, timeout_ms, out, &said, e);
    if (rc <= 0)
        return rc;
    if (rc == 127)
        return lg_fail(e, LG_UNAVAILABLE, "qemu-img is not there (Debian: qemu-utils)");
    bool full = strstr(lg_buf_cstr(&said), "No space left") != NULL;
    for (size_t i = 0; i < said.len; i++)
        if (said.data[i] == '\n')
            said.data[i] = ' ';
    return lg_fail(e, full ? LG_STORAGE : LG_BACKEND, "%.300s", lg_buf_cstr(&said));
}

const char *lg_vm_disk_format(const struct lg_inst_spec *s)
{
    return s->vm && s->vm->disk_format && !strcmp(s->vm->disk_format, "raw") ? "raw" : "qcow2";
}

/* An overlay refers to the template by its whole path: the daemon and we see the same one. */
static int make_at(const char *tmp, const char *template, const char *format, int64_t bytes, struct lg_err *e)
{
    char size[24];
    snprintf(size, sizeof size, "%lld", (long long)bytes);
    const char *const overlay[] = {"qemu-img", "create", "-q",    "-f", "qcow2", "-b",
                                   template,   "-F",     "qcow2", tmp,  size,    NULL};
    const char *const copy[] = {"qemu-img", "convert", "-q", "-f", "qcow2", "-O", "raw", template, tmp, NULL};
    const char *const grow[] = {"qemu-img", "resize", "-q", "-f", "raw", tmp, size, NULL};
    if (strcmp(format, "raw"))
        return lg_vm_qemu_img(overlay, QEMU_IMG_MS, NULL, e);
    int rc = lg_vm_qemu_img(copy, COPY_MS, NULL, e);
    return rc ? rc : lg_vm_qemu_img(grow, QEMU_IMG_MS, NULL, e);
}

int lg_vm_disk_make(const struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char path[PATH_MAX], tmp[PATH_MAX], template[PATH_MAX];
    struct lg_image_info info;
    if (!access(lg_vm_path(g, s->id, "root.disk", path), F_OK))
        return 0;
    int rc = lg_vm_image_template(g, s->image, &info, template, e);
    if (rc == -LG_NOT_FOUND) {
        lg_err_clear(e);
        return lg_fail(e, LG_NOT_FOUND, "cannot create: no such image: %s", s->image);
    }
    int64_t want = s->vm && s->vm->disk_bytes > info.virtual_bytes ? s->vm->disk_bytes : info.virtual_bytes;
    lg_vm_path(g, s->id, "root.new", tmp);
    unlink(tmp);
    rc = rc ? rc : make_at(tmp, template, lg_vm_disk_format(s), want, e);
    rc = rc ? rc : lg_vm_give(g, tmp, 0600, e);
    rc = rc ? rc : lg_vm_note(g, s->id, "image", s->image, e);
    if (!rc && rename(tmp, path))
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot keep the disk");
    if (rc)
        unlink(tmp);
    return rc;
}

int lg_vm_disk_bytes(const struct lg_engine *g, const char *id, const char *format, int64_t *bytes,
                     struct lg_err *e)
{
    char path[PATH_MAX];
    lg_cleanup_buf struct lg_buf out = {.max = 65536};
    lg_vm_path(g, id, "root.disk", path);
    const char *const info[] = {"qemu-img", "info", "-U", "-f", format, "--output=json", path, NULL};
    int rc = lg_vm_qemu_img(info, QEMU_IMG_MS, &out, e);
    if (rc)
        return rc;
    lg_cleanup_json json_t *o = lg_json_parse(lg_buf_cstr(&out), out.len, 16, e);
    *bytes = json_integer_value(json_object_get(o, "virtual-size"));
    return 0;
}

int lg_vm_disk_grow_off(const struct lg_engine *g, const char *id, const char *format, int64_t bytes,
                        struct lg_err *e)
{
    char path[PATH_MAX], size[24];
    int64_t have;
    int rc = lg_vm_disk_bytes(g, id, format, &have, e);
    if (rc)
        return rc;
    lg_vm_path(g, id, "root.disk", path);
    snprintf(size, sizeof size, "%lld", (long long)bytes);
    const char *const grow[] = {"qemu-img", "resize", "-q", "-f", format, path, size, NULL};
    if (have == bytes || have <= 0)
        return 0;
    return bytes < have
               ? lg_fail(e, LG_INVALID, "a disk never shrinks: it has %lld MiB", (long long)(have >> 20))
               : lg_vm_qemu_img(grow, QEMU_IMG_MS, NULL, e);
}
