/*
 * The NoCloud seed: what cloud-init in the guest reads at its first boot. The tenant's user-data and ours are
 * parts of one multipart message; theirs comes first, which is the one that counts where both say something.
 * https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
#include "driver/kvm/spec.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "model/vm.h"

#define BOUNDARY   "==lodge-part=="
#define LINE_BYTES 57 /* of a base64 line of 76 characters */

/* ---- meta-data: JSON, which is YAML too ---- */

static json_t *key_list(const struct lg_inst_spec *s)
{
    json_t *list = json_array();
    for (const char *const *k = s->vm ? s->vm->ssh_keys : NULL; k && *k; k++)
        json_array_append_new(list, json_string(*k));
    return list;
}

static int meta_data(const struct lg_inst_spec *s, struct lg_buf *out, struct lg_err *e)
{
    const char *theirs = s->vm && s->vm->meta_data ? s->vm->meta_data : "";
    lg_cleanup_json json_t *o = *theirs ? lg_json_parse(theirs, strlen(theirs), 16, e) : json_object();
    if (!json_is_object(o))
        return lg_fail(e, LG_INVALID, "cloud-init's metaData must be a JSON object");
    json_object_set_new(o, "instance-id", json_string(s->id));
    if (!json_object_get(o, "local-hostname"))
        json_object_set_new(o, "local-hostname", json_string(s->name));
    json_object_set_new(o, "public-keys", key_list(s));
    char *text = json_dumps(o, JSON_COMPACT);
    lg_buf_str(out, text ? text : "");
    lg_buf_char(out, '\n');
    free(text);
    return 0;
}

/* ---- user-data ---- */

/* In base64, so that no text can end its own part. */
static void part(struct lg_buf *out, const char *type, const char *text)
{
    size_t n = strlen(text);
    lg_buf_fmt(out,
               "--" BOUNDARY "\nContent-Type: %s; charset=\"utf-8\"\nMIME-Version: 1.0\n"
               "Content-Transfer-Encoding: base64\n\n",
               type);
    for (size_t at = 0; at < n; at += LINE_BYTES) {
        char line[LINE_BYTES * 2];
        size_t len = n - at < LINE_BYTES ? n - at : LINE_BYTES;
        sodium_bin2base64(line, sizeof line, (const unsigned char *)text + at, len,
                          sodium_base64_VARIANT_ORIGINAL);
        lg_buf_str(out, line);
        lg_buf_char(out, '\n');
    }
}

/* Defaults that a tenant may overrule; keys, as a YAML list of JSON strings. */
static void our_config(const struct lg_inst_spec *s, struct lg_buf *out)
{
    lg_buf_str(out, "#cloud-config\nlocale: false\nssh_genkeytypes: [ed25519]\nssh_pwauth: false\n");
    if (s->vm && s->vm->ssh_keys && *s->vm->ssh_keys)
        lg_buf_str(out, "ssh_authorized_keys:\n");
    for (const char *const *k = s->vm ? s->vm->ssh_keys : NULL; k && *k; k++) {
        lg_buf_str(out, "  - \"");
        lg_json_escape(out, *k, strlen(*k));
        lg_buf_str(out, "\"\n");
    }
}

static int user_data(const struct lg_inst_spec *s, struct lg_buf *out, struct lg_err *e)
{
    const char *theirs = s->vm && s->vm->user_data ? s->vm->user_data : "";
    lg_cleanup_buf struct lg_buf ours = {.max = LG_SEED_TEXT_MAX};
    const char *type = lg_user_data_type(theirs);
    if (strlen(theirs) > LG_SEED_TEXT_MAX)
        return lg_fail(e, LG_TOO_LARGE, "cloud-init's userData is larger than %zu KiB",
                       LG_SEED_TEXT_MAX >> 10);
    if (*theirs && !type)
        return lg_fail(e, LG_INVALID,
                       "cloud-init's userData must begin with #cloud-config, #! or another of its headers");
    lg_buf_str(out, "Content-Type: multipart/mixed; boundary=\"" BOUNDARY "\"\nMIME-Version: 1.0\n\n");
    if (type && !strcmp(type, "multipart"))
        lg_buf_fmt(out, "--" BOUNDARY "\n%s\n", theirs);
    else if (*theirs)
        part(out, type, theirs);
    our_config(s, &ours);
    part(out, "text/cloud-config", lg_buf_cstr(&ours));
    lg_buf_str(out, "--" BOUNDARY "--\n");
    return 0;
}

/* ---- network-config, version 1: each card known by its MAC ---- */

static void card(struct lg_buf *out, int n, const char *mac, const char *address, int prefix)
{
    lg_buf_fmt(out, "  - type: physical\n    name: eth%d\n    mac_address: '%s'\n", n, mac);
    if (*address)
        lg_buf_fmt(out, "    subnets:\n      - type: static\n        address: %s/%d\n", address, prefix);
}

static void network_config(const struct lg_inst_spec *s, struct lg_buf *out)
{
    int n = 0;
    const char *slash = s->net.subnet ? strchr(s->net.subnet, '/') : NULL;
    lg_buf_str(out, "version: 1\nconfig:\n");
    if (!s->no_network) {
        card(out, n++, s->mac, s->address, slash ? atoi(slash + 1) : 24);
        lg_buf_fmt(out, "        gateway: %s\n        dns_nameservers: [%s]\n", s->net.gateway,
                   s->net.gateway);
    }
    for (int i = 0; i < s->nic_count; i++)
        card(out, n++, s->nics[i].mac, s->nics[i].address, s->nics[i].prefix);
    if (!n)
        lg_buf_str(out, "  []\n");
}

int lg_vm_seed_text(const struct lg_inst_spec *s, struct lg_buf *meta, struct lg_buf *user,
                    struct lg_buf *net, struct lg_err *e)
{
    int rc = meta_data(s, meta, e);
    rc = rc ? rc : user_data(s, user, e);
    if (rc)
        return rc;
    network_config(s, net);
    return meta->failed || user->failed || net->failed ? lg_fail(e, LG_TOO_LARGE, "the seed is too large")
                                                       : 0;
}

/* ---- the image ---- */

static bool add(struct archive *a, const char *name, const struct lg_buf *b)
{
    struct archive_entry *f = archive_entry_new();
    bool ok = f != NULL;
    if (ok) {
        archive_entry_set_pathname(f, name);
        archive_entry_set_filetype(f, AE_IFREG);
        archive_entry_set_perm(f, 0444);
        archive_entry_set_size(f, (la_int64_t)b->len);
        ok = archive_write_header(a, f) == ARCHIVE_OK &&
             archive_write_data(a, lg_buf_cstr(b), b->len) == (la_ssize_t)b->len;
    }
    archive_entry_free(f);
    return ok;
}

static int write_iso(int fd, const struct lg_buf *meta, const struct lg_buf *user, const struct lg_buf *net,
                     struct lg_err *e)
{
    struct archive *a = archive_write_new();
    bool ok = a && archive_write_set_format_iso9660(a) == ARCHIVE_OK &&
              archive_write_set_options(a, "iso9660:volume-id=cidata,iso9660:pad,iso9660:rockridge=useful") ==
                  ARCHIVE_OK &&
              archive_write_open_fd(a, fd) == ARCHIVE_OK && add(a, "meta-data", meta) &&
              add(a, "user-data", user) && add(a, "network-config", net) &&
              archive_write_close(a) == ARCHIVE_OK;
    int rc = ok ? 0
                : lg_fail(e, a && archive_errno(a) == ENOSPC ? LG_STORAGE : LG_INTERNAL,
                          "cannot write the seed: %.200s",
                          a && archive_error_string(a) ? archive_error_string(a) : "out of memory");
    archive_write_free(a);
    return rc;
}

int lg_vm_seed(const struct lg_inst_spec *s, const char *path, struct lg_err *e)
{
    char tmp[PATH_MAX];
    lg_cleanup_buf struct lg_buf meta = {.max = 1 << 20}, user = {.max = 2 << 20}, net = {.max = 65536};
    int rc = lg_vm_seed_text(s, &meta, &user, &net, e);
    if (rc)
        return rc;
    snprintf(tmp, sizeof tmp, "%.4080s.new", path);
    lg_cleanup_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return lg_fail_errno(e, errno == ENOSPC ? LG_STORAGE : LG_INTERNAL, "cannot write %s", tmp);
    rc = write_iso(fd, &meta, &user, &net, e);
    if (!rc && rename(tmp, path))
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot keep the seed");
    if (rc)
        unlink(tmp);
    return rc;
}
