#include "driver/kvm/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/fd.h"
#include "base/json.h"
#include "driver/kvm/check.h"
#include "driver/kvm/files.h"
#include "driver/kvm/sandbox.h"

#define CHECK_MS  120000
#define COPY_MS   1800000
#define HASH_STEP ((size_t)1 << 20)
/* The name of a content's file: all digits of its checksum. Of two contents that share the first of them one
 * would stand for the other. */
#define CONTENT_FILE 96

/* ---- references: images/<name>.json, the reference with what a file name cannot hold written as %XX ---- */

static int ref_name(const char *ref, char out[NAME_MAX], struct lg_err *e)
{
    size_t n = 0;
    for (const char *p = ref; *p && n + 8 < NAME_MAX; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                     *p == '-' || *p == '_' || (*p == '.' && n);
        n += (size_t)snprintf(out + n, NAME_MAX - n, plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
    if (!n || n + 8 >= NAME_MAX)
        return lg_fail(e, LG_INVALID, "not an image's reference");
    memcpy(out + n, ".json", 6);
    return 0;
}

/* The note of a reference: {"ref","content","sha256","format","virtual"}; NULL when there is none. */
static json_t *load(const struct lg_engine *g, const char *ref, struct lg_err *e)
{
    char name[NAME_MAX], path[PATH_MAX];
    if (ref_name(ref, name, e))
        return NULL;
    json_t *o = json_load_file(lg_vm_image_path(g, name, path), 0, NULL);
    if (!o)
        lg_fail(e, LG_NOT_FOUND, "there is no disk image %s", ref);
    return o;
}

static int save(const struct lg_engine *g, const char *ref, const json_t *o, struct lg_err *e)
{
    char name[NAME_MAX], path[PATH_MAX], tmp[PATH_MAX];
    int rc = ref_name(ref, name, e);
    if (rc)
        return rc;
    lg_vm_image_path(g, name, path);
    snprintf(tmp, sizeof tmp, "%.4080s.new", path);
    if (json_dump_file(o, tmp, JSON_COMPACT) || rename(tmp, path))
        return lg_fail_errno(e, LG_STORAGE, "cannot keep the image");
    return 0;
}

int lg_vm_image_template(const struct lg_engine *g, const char *ref, struct lg_image_info *info,
                         char path[PATH_MAX], struct lg_err *e)
{
    char file[CONTENT_FILE];
    struct stat st;
    lg_cleanup_json json_t *o = load(g, ref, e);
    memset(info, 0, sizeof *info);
    if (!o)
        return e && e->code ? -(int)e->code : -(int)LG_NOT_FOUND;
    snprintf(file, sizeof file, "%.64s.qcow2", lg_json_text(o, "content"));
    if (stat(lg_vm_image_path(g, file, path), &st))
        return lg_fail(e, LG_NOT_FOUND, "the file of image %s is gone from the host", ref);
    snprintf(info->id, sizeof info->id, "sha256:%.64s", lg_json_text(o, "sha256"));
    snprintf(info->digest, sizeof info->digest, "%.80s", info->id);
    snprintf(info->format, sizeof info->format, "%.7s", lg_json_text(o, "format"));
    info->virtual_bytes = json_integer_value(json_object_get(o, "virtual"));
    info->size_bytes = (int64_t)st.st_blocks * 512;
    return 0;
}

int lg_vm_image_find(struct lg_engine *g, const char *ref, struct lg_image_info *info, struct lg_err *e)
{
    char path[PATH_MAX];
    return lg_vm_image_template(g, ref, info, path, e);
}

/* ---- import ---- */

static int checksum(struct lg_engine *g, int fd, lg_progress_fn *fn, void *arg, char hex[65],
                    struct lg_err *e)
{
    static unsigned char tmp[HASH_STEP];
    crypto_hash_sha256_state h;
    unsigned char sum[crypto_hash_sha256_BYTES];
    struct stat st = {0};
    int64_t done = 0;
    crypto_hash_sha256_init(&h);
    if (fstat(fd, &st) || lseek(fd, 0, SEEK_SET))
        return lg_fail_errno(e, LG_INVALID, "cannot read the image file");
    for (ssize_t n; (n = read(fd, tmp, sizeof tmp)) != 0;) {
        if (lg_vm_cancelled(g))
            return lg_vm_cancel_error(e);
        if (n < 0)
            return lg_fail_errno(e, LG_INVALID, "cannot read the image file");
        crypto_hash_sha256_update(&h, tmp, (unsigned long long)n);
        done += n;
        if (fn)
            fn(arg, 0.2 * (double)done / (double)(st.st_size ? st.st_size : 1), "reading");
    }
    crypto_hash_sha256_final(&h, sum);
    lg_hex(sum, sizeof sum, hex);
    return 0;
}

/* One line for a person out of what qemu-img said. */
static int tool_error(int rc, const struct lg_buf *said, struct lg_err *e)
{
    char line[256];
    const char *s = lg_buf_cstr(said);
    if (!strncmp(s, "qemu-img: ", 10))
        s += 10;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(s, "\n"), s);
    if (strstr(line, "No space left"))
        return lg_fail(e, LG_STORAGE, "the disk image cannot be kept: the host's disk is full");
    if (rc >= 125)
        return lg_fail(e, LG_UNAVAILABLE, "the disk image cannot be looked at: %s", line);
    return lg_fail(e, LG_INVALID, "the disk image cannot be used: %s", *line ? line : "it is damaged");
}

static int run(struct lg_sandbox *s, const char *const *argv, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf said = {.max = 65536};
    int rc = lg_sandbox_run(s, argv, &said, e);
    if (rc == -(int)LG_INTERNAL) { /* killed by a limit: the image made it do too much */
        lg_err_clear(e);
        return lg_fail(e, LG_INVALID, "the disk image cannot be used: it asks for too much memory or time");
    }
    /* check answers 3 for clusters that are lost but do no harm */
    return rc <= 0 || (rc == 3 && !strcmp(argv[1], "check")) ? (rc < 0 ? rc : 0) : tool_error(rc, &said, e);
}

struct scaled {
    lg_progress_fn *fn;
    void *arg;
};

static void rest(void *arg, double fraction, const char *step)
{
    const struct scaled *s = arg;
    s->fn(s->arg, 0.2 + 0.8 * fraction, step);
}

/*
 * Everything is converted, qcow2 too: what comes out holds nothing but the disk's content, whatever
 * extensions, snapshots or bitmaps were in the file.
 */
static int convert(struct lg_engine *g, const struct lg_import *im, const struct lg_disk_facts *facts,
                   const char *tmp, lg_progress_fn *fn, void *arg, struct lg_err *e)
{
    struct scaled scaled = {fn, arg};
    struct lg_sandbox s = {
        .in = im->path, .max_bytes = 1, .timeout_ms = CHECK_MS, .cancel = g->ctx.cancel, .step = "copying"};
    const char *const check[] = {"qemu-img", "check", "-q", "-f", "qcow2", "/tmp/in", NULL};
    const char *const copy[] = {"qemu-img", "convert", "-p",      "-f",       facts->format,
                                "-O",       "qcow2",   "/tmp/in", "/tmp/out", NULL};
    int rc = strcmp(facts->format, "qcow2") ? 0 : run(&s, check, e);
    if (rc)
        return rc;
    s.out = tmp;
    s.max_bytes = facts->virtual_bytes + facts->virtual_bytes / 16 + ((int64_t)16 << 20);
    s.timeout_ms = COPY_MS;
    s.fn = fn ? rest : NULL;
    s.arg = &scaled;
    return run(&s, copy, e);
}

/* A new empty file that only the sandbox's user can write; its folder lets nobody else in to it meanwhile. */
static int make_target(const char *tmp, struct lg_err *e)
{
    lg_cleanup_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fchown(fd, 65534, 65534))
        return lg_fail_errno(e, errno == ENOSPC ? LG_STORAGE : LG_INTERNAL, "cannot make %s", tmp);
    return 0;
}

static int finish_target(const char *tmp, const char *path, struct lg_err *e)
{
    lg_cleanup_fd int fd = open(tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fchown(fd, 0, 0) || fchmod(fd, 0444) || fsync(fd) || rename(tmp, path))
        return lg_fail_errno(e, LG_STORAGE, "cannot keep the image");
    return 0;
}

/* The content's file, made unless the same content is there already. */
static int keep(struct lg_engine *g, const struct lg_import *im, const struct lg_disk_facts *facts,
                const char *hex, lg_progress_fn *fn, void *arg, struct lg_err *e)
{
    char file[CONTENT_FILE], path[PATH_MAX], tmp[PATH_MAX];
    snprintf(file, sizeof file, "%.64s.qcow2", hex);
    if (!access(lg_vm_image_path(g, file, path), F_OK))
        return 0;
    snprintf(file, sizeof file, "%.64s.%d.new", hex, (int)getpid());
    unlink(lg_vm_image_path(g, file, tmp));
    int rc = make_target(tmp, e);
    rc = rc ? rc : convert(g, im, facts, tmp, fn, arg, e);
    rc = rc ? rc : finish_target(tmp, path, e);
    if (rc)
        unlink(tmp);
    return rc;
}

int lg_vm_image_import(struct lg_engine *g, const struct lg_import *im, lg_progress_fn *fn, void *arg,
                       struct lg_image_info *info, struct lg_err *e)
{
    char hex[65], name[NAME_MAX];
    struct lg_disk_facts facts = {0};
    int rc = ref_name(im->ref, name, e);
    rc = rc ? rc : lg_vm_make_dirs(g, "", e);
    lg_cleanup_fd int fd = rc ? -1 : open(im->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (!rc && fd < 0)
        rc = lg_fail_errno(e, LG_INVALID, "cannot read the image file");
    rc = rc ? rc : lg_disk_check(fd, im->format, (int64_t)g->ctx.conf->vm_disk_max_gib << 30, &facts, e);
    rc = rc ? rc : checksum(g, fd, fn, arg, hex, e);
    if (!rc && im->sha256 && *im->sha256 && strcasecmp(hex, im->sha256))
        rc =
            lg_fail(e, LG_INVALID, "the disk image's checksum is sha256:%s, not the one that was named", hex);
    if (!rc && fchmod(fd, 0444)) /* for the sandbox's user; its folder lets nobody in */
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot open the image file for the sandbox");
    rc = rc ? rc : keep(g, im, &facts, hex, fn, arg, e);
    if (rc)
        return rc;
    lg_cleanup_json json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:I}", "ref", im->ref, "content", hex, "sha256", hex, "format",
                  facts.format, "virtual", (json_int_t)facts.virtual_bytes);
    rc = save(g, im->ref, o, e);
    return rc ? rc : lg_vm_image_find(g, im->ref, info, e);
}

/* ---- removal ---- */

/* Is a machine's disk an overlay of what this reference names? */
static bool in_use(struct lg_engine *g, const char *ref)
{
    char path[PATH_MAX], used[LG_REF_LEN];
    bool found = false;
    DIR *d = opendir(lg_conf_path(g->ctx.conf, path, sizeof path, "vm/inst"));
    for (const struct dirent *f; d && !found && (f = readdir(d));)
        found = lg_id_valid(f->d_name) && lg_vm_noted(g, f->d_name, "image", used, sizeof used) &&
                !strcmp(used, ref);
    if (d)
        closedir(d);
    return found;
}

/* Does another reference name the same content? */
static bool shared(struct lg_engine *g, const char *content)
{
    char dir[PATH_MAX], path[PATH_MAX];
    bool found = false;
    DIR *d = opendir(lg_vm_image_path(g, "", dir));
    for (const struct dirent *f; d && !found && (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n < 5 || strcmp(f->d_name + n - 5, ".json"))
            continue;
        lg_cleanup_json json_t *o = json_load_file(lg_vm_image_path(g, f->d_name, path), 0, NULL);
        found = !strcmp(lg_json_text(o, "content"), content);
    }
    if (d)
        closedir(d);
    return found;
}

int lg_vm_image_remove(struct lg_engine *g, const char *ref, struct lg_err *e)
{
    char name[NAME_MAX], path[PATH_MAX], file[CONTENT_FILE];
    int rc = ref_name(ref, name, e);
    lg_cleanup_json json_t *o = rc ? NULL : load(g, ref, NULL);
    if (rc || !o)
        return rc;
    if (in_use(g, ref))
        return lg_fail(e, LG_CONFLICT, "a virtual machine is made of this image; delete it first");
    if (unlink(lg_vm_image_path(g, name, path)) && errno != ENOENT)
        return lg_fail_errno(e, LG_STORAGE, "cannot remove the image");
    snprintf(file, sizeof file, "%.64s.qcow2", lg_json_text(o, "content"));
    if (!shared(g, lg_json_text(o, "content")))
        unlink(lg_vm_image_path(g, file, path));
    return 0;
}
