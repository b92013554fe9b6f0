#include "driver/container/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"

#define META_MAX ((size_t)4 << 20) /* manifest.json and index.json are a few hundred bytes */

enum kind { ROOT_FS, DOCKER_SAVE, OCI_LAYOUT };

struct lg_archive {
    enum kind kind;
    const char *ref; /* borrowed */
    int fd;          /* a root file system: sent byte for byte, with all its attributes */
    struct archive *in, *out;
    struct lg_buf ready; /* bytes of the rewritten tar, not sent yet */
    size_t sent;
    bool inside, end; /* an entry's data is being copied; nothing more will come */
};

static struct archive *open_in(const char *path)
{
    struct archive *in = archive_read_new();
    /* Not all there are: some run programs of the host. */
    archive_read_support_filter_gzip(in);
    archive_read_support_filter_bzip2(in);
    archive_read_support_filter_xz(in);
    archive_read_support_filter_zstd(in);
    archive_read_support_format_tar(in);
    if (archive_read_open_filename(in, path, 65536) == ARCHIVE_OK)
        return in;
    archive_read_free(in);
    return NULL;
}

static const char *entry_name(struct archive_entry *en)
{
    const char *name = archive_entry_pathname(en);
    return !name ? "" : !strncmp(name, "./", 2) ? name + 2 : name;
}

/* The files that tell an engine what its image is called. */
static bool is_list(const char *name, size_t n)
{
    static const char *const lists[] = {"manifest.json", "index.json", "oci-layout", "repositories"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (strlen(lists[i]) == n && !memcmp(lists[i], name, n))
            return true;
    return false;
}

/*
 * Engines clean names before they compare them, or unpack the archive and follow its links: whatever could so
 * become a second list, with names of its own choice, is no part of an image.
 */
static bool is_plain(const char *name)
{
    size_t n;
    for (const char *p = name; *p; p += n + 1) {
        n = strcspn(p, "/");
        bool last = !p[n] || !p[n + 1];
        if (!n || (n == 1 && *p == '.') || (n == 2 && !memcmp(p, "..", 2)))
            return false;
        if (last)
            return !is_list(p, n) || (p == name && !p[n]);
    }
    return true;
}

/* Looks through all names: the telling ones may be last. 0, or negative when it is no tar. */
static int find_kind(const char *path, enum kind *kind, struct lg_err *e)
{
    struct archive *in = open_in(path);
    struct archive_entry *en;
    int rc = ARCHIVE_FATAL, entries = 0;
    bool plain = true;
    *kind = ROOT_FS;
    while (in && (rc = archive_read_next_header(in, &en)) != ARCHIVE_EOF && rc >= ARCHIVE_WARN) {
        entries++;
        plain &= archive_entry_pathname(en) && is_plain(entry_name(en));
        if (!strcmp(entry_name(en), "manifest.json"))
            *kind = DOCKER_SAVE;
        else if (!strcmp(entry_name(en), "oci-layout") && *kind == ROOT_FS)
            *kind = OCI_LAYOUT;
    }
    archive_read_free(in);
    if (rc != ARCHIVE_EOF || !entries)
        return lg_fail(e, LG_INVALID, "the file is not a complete tar archive");
    if (*kind != ROOT_FS && !plain)
        return lg_fail(e, LG_INVALID, "the image archive has names that no image has, such as a second list");
    return 0;
}

static la_ssize_t on_write(struct archive *out, void *arg, const void *p, size_t n)
{
    struct lg_archive *a = arg;
    (void)out;
    lg_buf_add(&a->ready, p, n);
    return a->ready.failed ? -1 : (la_ssize_t)n;
}

static int start_rewrite(struct lg_archive *a, struct lg_err *e)
{
    a->out = archive_write_new();
    archive_write_set_format_gnutar(a->out);
    archive_write_set_bytes_per_block(a->out, 0);
    if (archive_write_open(a->out, a, NULL, on_write, NULL) != ARCHIVE_OK)
        return lg_fail(e, LG_INTERNAL, "libarchive failed");
    return 0;
}

int lg_archive_open(const char *path, const char *ref, struct lg_archive **out, struct lg_err *e)
{
    enum kind kind;
    *out = NULL;
    if (access(path, R_OK))
        return lg_fail_errno(e, LG_INVALID, "cannot read the image file");
    int rc = find_kind(path, &kind, e);
    if (rc)
        return rc;
    struct lg_archive *a = calloc(1, sizeof *a);
    if (!a)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    a->kind = kind;
    a->ref = ref;
    a->fd = open(path, O_RDONLY | O_CLOEXEC);
    a->in = kind == ROOT_FS ? NULL : open_in(path);
    if (a->fd < 0 || (kind != ROOT_FS && !a->in))
        rc = lg_fail(e, LG_INVALID, "cannot read the image file");
    else if (a->in)
        rc = start_rewrite(a, e);
    if (rc) {
        lg_archive_close(a);
        return rc;
    }
    *out = a;
    return 0;
}

bool lg_archive_is_image(const struct lg_archive *a)
{
    return a->kind != ROOT_FS;
}

/*
 * The lists are written anew, with our name and what else an engine needs: it takes a key in whatever case,
 * and the last one counts.
 */

/* manifest.json of docker save: a list with one image. */
static json_t *docker_list(const json_t *o, const char *ref)
{
    const json_t *im = json_array_size(o) == 1 ? json_array_get(o, 0) : NULL;
    return json_pack("[{s:O, s:[s], s:O}]", "Config", json_object_get(im, "Config"), "RepoTags", ref,
                     "Layers", json_object_get(im, "Layers"));
}

/* index.json of an OCI layout: one manifest, named by an annotation. */
static json_t *oci_list(const json_t *o, const char *ref)
{
    const json_t *all = json_object_get(o, "manifests"),
                 *m = json_array_size(all) == 1 ? json_array_get(all, 0) : NULL;
    const char *type = lg_json_text(m, "mediaType");
    return json_pack("{s:i, s:[{s:s, s:O, s:O, s:{s:s}}]}", "schemaVersion", 2, "manifests", "mediaType",
                     *type ? type : "application/vnd.oci.image.manifest.v1+json", "digest",
                     json_object_get(m, "digest"), "size", json_object_get(m, "size"), "annotations",
                     "org.opencontainers.image.ref.name", ref);
}

static bool read_whole(struct archive *in, struct lg_buf *b)
{
    char tmp[16384];
    la_ssize_t n;
    while ((n = archive_read_data(in, tmp, sizeof tmp)) > 0)
        lg_buf_add(b, tmp, (size_t)n);
    return n == 0 && !b->failed;
}

/* Sends the file with the names, with our name in it. */
static bool send_renamed(struct lg_archive *a, struct archive_entry *en)
{
    lg_cleanup_buf struct lg_buf old = {.max = META_MAX};
    if (!read_whole(a->in, &old))
        return false;
    lg_cleanup_json json_t *o = json_loadb(lg_buf_cstr(&old), old.len, JSON_REJECT_DUPLICATES, NULL);
    lg_cleanup_json json_t *ours = (a->kind == DOCKER_SAVE ? docker_list : oci_list)(o, a->ref);
    char *text = ours ? json_dumps(ours, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0;
    archive_entry_set_size(en, (la_int64_t)n);
    bool ok = text && archive_write_header(a->out, en) == ARCHIVE_OK &&
              archive_write_data(a->out, text, n) == (la_ssize_t)n;
    free(text);
    return ok;
}

/* Begins the next entry; false on failure. */
static bool next_entry(struct lg_archive *a)
{
    struct archive_entry *en;
    int rc = archive_read_next_header(a->in, &en);
    if (rc == ARCHIVE_EOF) {
        a->end = true;
        return archive_write_close(a->out) == ARCHIVE_OK;
    }
    if (rc < ARCHIVE_WARN)
        return false;
    const char *name = entry_name(en);
    if ((a->kind == DOCKER_SAVE && !strcmp(name, "manifest.json")) ||
        (a->kind == OCI_LAYOUT && !strcmp(name, "index.json")))
        return send_renamed(a, en);
    if (a->kind == DOCKER_SAVE &&
        (!strcmp(name, "repositories") || !strcmp(name, "index.json") || !strcmp(name, "oci-layout")))
        return true; /* the older and newer lists of the same names: left out */
    a->inside = true;
    return archive_write_header(a->out, en) >= ARCHIVE_WARN;
}

static bool next_data(struct lg_archive *a)
{
    char tmp[65536];
    la_ssize_t n = archive_read_data(a->in, tmp, sizeof tmp);
    a->inside = n > 0;
    return n == 0 || (n > 0 && archive_write_data(a->out, tmp, (size_t)n) == n);
}

ssize_t lg_archive_read(void *arg, char *p, size_t cap)
{
    struct lg_archive *a = arg;
    if (a->kind == ROOT_FS)
        return read(a->fd, p, cap);
    while (a->sent == a->ready.len && !a->end) {
        lg_buf_reset(&a->ready);
        a->sent = 0;
        if (!(a->inside ? next_data(a) : next_entry(a)))
            return -1;
    }
    size_t n = a->ready.len - a->sent;
    n = n < cap ? n : cap;
    if (n)
        memcpy(p, a->ready.data + a->sent, n);
    a->sent += n;
    return (ssize_t)n;
}

void lg_archive_close(struct lg_archive *a)
{
    if (!a)
        return;
    lg_fd_close(&a->fd);
    archive_write_free(a->out);
    archive_read_free(a->in);
    lg_buf_done(&a->ready);
    free(a);
}
