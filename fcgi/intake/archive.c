/*
 * An archive on its way into the engine. A root file system passes as it is, past us; an image archive
 * ("docker save" or OCI layout) is given our own name on the way, because the one inside is the uploader's
 * word and would replace another image of that name in the engine.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "intake/intake.h"
#include "intake/wire.h"

#define META_MAX ((size_t)4 << 20) /* manifest.json and index.json are a few hundred bytes */

enum kind { ROOT_FS, DOCKER_SAVE, OCI_LAYOUT };
static const char *const kind_words[] = {
    [ROOT_FS] = LG_INTAKE_ROOT, [DOCKER_SAVE] = LG_INTAKE_DOCKER, [OCI_LAYOUT] = LG_INTAKE_OCI};

/* Standard input, from its beginning. */
static struct archive *open_in(void)
{
    struct archive *in = archive_read_new();
    /* Not all there are: some run programs of the host. */
    archive_read_support_filter_gzip(in);
    archive_read_support_filter_bzip2(in);
    archive_read_support_filter_xz(in);
    archive_read_support_filter_zstd(in);
    archive_read_support_format_tar(in);
    if (!lseek(STDIN_FILENO, 0, SEEK_SET) && archive_read_open_fd(in, STDIN_FILENO, 65536) == ARCHIVE_OK)
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

/* Looks through all names: the telling ones may be last. What is wrong with the file, or NULL. */
static const char *find_kind(enum kind *kind)
{
    struct archive *in = open_in();
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
        return "the file is not a complete tar archive";
    return *kind != ROOT_FS && !plain ? "the image archive has names that no image has, such as a second list"
                                      : NULL;
}

int lg_intake_kind(void)
{
    enum kind kind;
    const char *wrong = find_kind(&kind);
    fputs(wrong ? wrong : kind_words[kind], stdout);
    return fflush(stdout) || wrong ? EXIT_FAILURE : EXIT_SUCCESS;
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

struct rewrite {
    enum kind kind;
    const char *ref;
    struct archive *in, *out;
};

/* Sends the file with the names, with our name in it. */
static bool send_renamed(const struct rewrite *r, struct archive_entry *en)
{
    lg_cleanup_buf struct lg_buf old = {.max = META_MAX};
    if (!read_whole(r->in, &old))
        return false;
    lg_cleanup_json json_t *o = json_loadb(lg_buf_cstr(&old), old.len, JSON_REJECT_DUPLICATES, NULL);
    lg_cleanup_json json_t *ours = (r->kind == DOCKER_SAVE ? docker_list : oci_list)(o, r->ref);
    char *text = ours ? json_dumps(ours, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0;
    archive_entry_set_size(en, (la_int64_t)n);
    bool ok = text && archive_write_header(r->out, en) == ARCHIVE_OK &&
              archive_write_data(r->out, text, n) == (la_ssize_t)n;
    free(text);
    return ok;
}

static bool send_data(const struct rewrite *r)
{
    char tmp[65536];
    la_ssize_t n;
    while ((n = archive_read_data(r->in, tmp, sizeof tmp)) > 0)
        if (archive_write_data(r->out, tmp, (size_t)n) != n)
            return false;
    return n == 0;
}

static bool send_entry(const struct rewrite *r, struct archive_entry *en)
{
    const char *name = entry_name(en);
    if (!strcmp(name, r->kind == DOCKER_SAVE ? "manifest.json" : "index.json"))
        return send_renamed(r, en);
    if (r->kind == DOCKER_SAVE &&
        (!strcmp(name, "repositories") || !strcmp(name, "index.json") || !strcmp(name, "oci-layout")))
        return true; /* the older and newer lists of the same names: left out */
    return archive_write_header(r->out, en) >= ARCHIVE_WARN && send_data(r);
}

static bool send_all(const struct rewrite *r)
{
    struct archive_entry *en;
    int rc;
    while ((rc = archive_read_next_header(r->in, &en)) != ARCHIVE_EOF)
        if (rc < ARCHIVE_WARN || !send_entry(r, en))
            return false;
    return archive_write_close(r->out) == ARCHIVE_OK;
}

int lg_intake_rewrite(const char *kind, const char *ref)
{
    struct rewrite r = {.kind = strcmp(kind, LG_INTAKE_DOCKER) ? OCI_LAYOUT : DOCKER_SAVE, .ref = ref};
    r.in = open_in();
    r.out = archive_write_new();
    archive_write_set_format_gnutar(r.out);
    archive_write_set_bytes_per_block(r.out, 0);
    bool ok = r.in && archive_write_open_fd(r.out, STDOUT_FILENO) == ARCHIVE_OK && send_all(&r);
    archive_write_free(r.out);
    archive_read_free(r.in);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
