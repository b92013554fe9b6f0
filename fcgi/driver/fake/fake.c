#include "driver/fake/fake.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "driver/fake/life.h"
#include "driver/fake/state.h"
#include "driver/fake/verbs.h"

static int open_at(const struct lg_driver_ctx *ctx, const char *folder, struct lg_engine **out,
                   struct lg_err *e)
{
    struct lg_engine *g = calloc(1, sizeof *g);
    *out = g;
    if (!g)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    g->ctx = *ctx;
    lg_conf_path(ctx->conf, g->dir, sizeof g->dir, folder);
    return 0;
}

static int fake_open(const struct lg_driver_ctx *ctx, struct lg_engine **out, struct lg_err *e)
{
    return open_at(ctx, "fake", out, e);
}

static int fake_vm_open(const struct lg_driver_ctx *ctx, struct lg_engine **out, struct lg_err *e)
{
    int rc = open_at(ctx, "fake-vm", out, e);
    if (!rc)
        (*out)->vm = true;
    return rc;
}

static void fake_close(struct lg_engine *g)
{
    free(g);
}

static int fake_probe(struct lg_engine *g, struct lg_engine_info *info, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "probe", e);
    if (!rc && info)
        *info = (struct lg_engine_info){.type = "fake", .version = "1", .api_version = "1"};
    if (!rc && info && g->vm)
        snprintf(info->accel, sizeof info->accel, "tcg");
    return lg_fake_after(g, "probe", rc, e);
}

static int find(struct lg_engine *g, const char *ref, struct lg_image_info *info, struct lg_err *e)
{
    lg_cleanup_json json_t *o = lg_fake_load(g, "image", ref);
    memset(info, 0, sizeof *info);
    if (!o)
        return lg_fail(e, LG_NOT_FOUND, "the fake engine has no image %s", ref);
    snprintf(info->id, sizeof info->id, "%s", lg_json_text(o, "id"));
    snprintf(info->digest, sizeof info->digest, "%s", lg_json_text(o, "digest"));
    info->size_bytes = lg_fake_int(o, "size");
    if (g->vm) {
        snprintf(info->format, sizeof info->format, "%s", lg_json_text(o, "format"));
        info->virtual_bytes = (int64_t)64 << 20;
    }
    return 0;
}

static int fake_image_find(struct lg_engine *g, const char *ref, struct lg_image_info *info, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "image_find", e);
    return lg_fake_after(g, "image_find", rc ? rc : find(g, ref, info, e), e);
}

static int add_image(struct lg_engine *g, const char *ref, int64_t size, struct lg_image_info *info,
                     struct lg_err *e)
{
    char id[LG_ID_LEN];
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    lg_id_new(id);
    lg_cleanup_json json_t *o = json_pack("{s:s, s:s+, s:s+, s:I}", "ref", ref, "id", "sha256:", id, "digest",
                                          "sha256:", id, "size", (json_int_t)size);
    int rc = lg_fake_save(g, "image", ref, o, e);
    return rc ? rc : find(g, ref, info, e);
}

static int fake_image_pull(struct lg_engine *g, const char *ref, lg_progress_fn *fn, void *arg,
                           struct lg_image_info *info, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "image_pull", e);
    if (!rc && strstr(ref, "missing"))
        rc = lg_fail(e, LG_BACKEND, "cannot pull the image: manifest of %s unknown", ref);
    for (int i = 0; !rc && fn && i <= 4; i++)
        fn(arg, i / 4.0, i < 4 ? "pulling" : "complete");
    return lg_fake_after(g, "image_pull", rc ? rc : add_image(g, ref, 1 << 20, info, e), e);
}

/* A disk is known by its first bytes, everything else is a raw one. */
static const char *disk_format(const struct lg_import *im)
{
    char magic[4] = "";
    if (im->format && *im->format)
        return im->format;
    lg_cleanup_fd int fd = open(im->path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, magic, 4) == 4 && !memcmp(magic, "QFI\xfb", 4) ? "qcow2" : "raw";
}

static int check_sum(const struct lg_import *im, struct lg_err *e)
{
    unsigned char block[65536], sum[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof sum + 1];
    crypto_hash_sha256_state s;
    lg_cleanup_fd int fd = open(im->path, O_RDONLY | O_CLOEXEC);
    crypto_hash_sha256_init(&s);
    for (ssize_t n; fd >= 0 && (n = read(fd, block, sizeof block)) > 0;)
        crypto_hash_sha256_update(&s, block, (unsigned long long)n);
    crypto_hash_sha256_final(&s, sum);
    sodium_bin2hex(hex, sizeof hex, sum, sizeof sum);
    return strcasecmp(hex, im->sha256)
               ? lg_fail(e, LG_INVALID, "the file's checksum is %s, not %s", hex, im->sha256)
               : 0;
}

static int fake_image_import(struct lg_engine *g, const struct lg_import *im, lg_progress_fn *fn, void *arg,
                             struct lg_image_info *info, struct lg_err *e)
{
    struct stat st;
    int rc = lg_fake_fault(g, "image_import", e);
    if (!rc && stat(im->path, &st))
        rc = lg_fail_errno(e, LG_INVALID, "cannot read the image file");
    if (!rc && st.st_size < 1024)
        rc = lg_fail(e, LG_INVALID,
                     g->vm ? "the file is not a complete disk image"
                           : "the file is not a complete tar archive");
    if (!rc && im->sha256 && *im->sha256)
        rc = check_sum(im, e);
    if (!rc && fn)
        fn(arg, 0.5, "copying");
    rc = rc ? rc : add_image(g, im->ref, st.st_size, info, e);
    if (!rc && g->vm) {
        lg_cleanup_json json_t *o = lg_fake_load(g, "image", im->ref);
        json_object_set_new(o, "format", json_string(disk_format(im)));
        rc = lg_fake_save(g, "image", im->ref, o, e);
        rc = rc ? rc : find(g, im->ref, info, e);
    }
    return lg_fake_after(g, "image_import", rc, e);
}

static int uses(void *arg, const json_t *inst)
{
    const char **ref = arg;
    if (strcmp(lg_json_text(inst, "image"), *ref) != 0)
        return 0;
    *ref = NULL;
    return 1;
}

static int fake_image_remove(struct lg_engine *g, const char *ref, struct lg_err *e)
{
    const char *left = ref;
    int rc = lg_fake_fault(g, "image_remove", e);
    if (!rc)
        lg_fake_each(g, "inst", uses, &left);
    if (!rc && !left)
        rc = lg_fail(e, LG_CONFLICT, "an instance uses the image");
    if (!rc)
        lg_fake_delete(g, "image", ref);
    return lg_fake_after(g, "image_remove", rc, e);
}

static int fake_network_ensure(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "network_ensure", e);
    lg_cleanup_fd int fd = rc ? -1 : lg_fake_lock(g, e);
    if (!rc && fd < 0)
        return fd;
    lg_cleanup_json json_t *o = json_pack("{s:s, s:s}", "name", net->name, "subnet", net->subnet);
    return lg_fake_after(g, "network_ensure", rc ? rc : lg_fake_save(g, "net", net->name, o, e), e);
}

static int fake_network_remove(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "network_remove", e);
    if (!rc)
        lg_fake_delete(g, "net", net->name);
    return lg_fake_after(g, "network_remove", rc, e);
}

const struct lg_driver lg_driver_fake = {
    .name = "fake",
    .backend = "docker",
    .open = fake_open,
    .close = fake_close,
    .probe = fake_probe,
    .image_find = fake_image_find,
    .image_pull = fake_image_pull,
    .image_import = fake_image_import,
    .image_remove = fake_image_remove,
    .network_ensure = fake_network_ensure,
    .network_remove = fake_network_remove,
    .create = lg_fake_create,
    .start = lg_fake_start,
    .stop = lg_fake_stop,
    .pause = lg_fake_pause,
    .unpause = lg_fake_unpause,
    .remove = lg_fake_remove,
    .inspect = lg_fake_inspect,
    .update = lg_fake_update,
    .usage = lg_fake_usage,
    .layer = lg_fake_layer,
    .list = lg_fake_list,
    .exec_open = lg_fake_exec_open,
    .exec_size = lg_fake_exec_size,
    .exec_end = lg_fake_exec_end,
    .log_tail = lg_fake_log_tail,
    .log_stream = lg_fake_log_stream,
    .watch = lg_fake_watch,
};

const struct lg_driver lg_driver_fake_vm = {
    .name = "fake-vm",
    .backend = "kvm",
    .open = fake_vm_open,
    .close = fake_close,
    .probe = fake_probe,
    .image_find = fake_image_find,
    .image_import = fake_image_import,
    .image_remove = fake_image_remove,
    .network_ensure = fake_network_ensure,
    .network_remove = fake_network_remove,
    .create = lg_fake_create,
    .start = lg_fake_start,
    .stop = lg_fake_stop,
    .pause = lg_fake_pause,
    .unpause = lg_fake_unpause,
    .remove = lg_fake_remove,
    .inspect = lg_fake_inspect,
    .update = lg_fake_update,
    .disk_size = lg_fake_disk_size,
    .devices = lg_fake_devices,
    .suspend = lg_fake_suspend,
    .wake = lg_fake_wake,
    .reset = lg_fake_reset,
    .console_open = lg_fake_console_open,
    .screenshot = lg_fake_screenshot,
    .usage = lg_fake_usage,
    .list = lg_fake_list,
    .log_tail = lg_fake_log_tail,
    .log_stream = lg_fake_log_stream,
    .watch = lg_fake_watch,
};
