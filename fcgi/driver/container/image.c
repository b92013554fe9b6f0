#include "driver/container/image.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/container/archive.h"
#include "driver/container/quirks.h"

/* A reference goes into URLs: characters of references only, no path tricks. */
static int check_ref(const char *ref, struct lg_err *e)
{
    bool bad = !*ref || strlen(ref) >= LG_REF_LEN || !isalnum((unsigned char)*ref) || strstr(ref, "..") ||
               strstr(ref, "//");
    for (const char *p = ref; *p && !bad; p++)
        bad = !isalnum((unsigned char)*p) && !strchr("._-/:@", *p);
    return bad ? lg_fail(e, LG_INVALID, "not an image reference") : 0;
}

static void read_info(const json_t *o, struct lg_image_info *info)
{
    const char *first = json_string_value(json_array_get(json_object_get(o, "RepoDigests"), 0));
    const char *at = first ? strchr(first, '@') : NULL;
    snprintf(info->id, sizeof info->id, "%s", lg_json_text(o, "Id"));
    snprintf(info->digest, sizeof info->digest, "%s", at ? at + 1 : "");
    info->size_bytes = lg_member_int(o, "Size");
}

int lg_ct_image_find(struct lg_engine *g, const char *ref, struct lg_image_info *info, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    memset(info, 0, sizeof *info);
    int rc = check_ref(ref, e);
    if (rc)
        return rc;
    int status = lg_callf(g, &reply, e, "GET", NULL, "/images/%s/json", ref);
    if (status < 0)
        return status;
    if (status == 404)
        return lg_fail(e, LG_NOT_FOUND, "the container engine has no image %s", ref);
    if (status != 200)
        return lg_call_fail(status, &reply, "cannot look at the image", e);
    lg_cleanup_json json_t *o = lg_call_json(&reply, e);
    if (!o)
        return -(int)LG_BACKEND;
    read_info(o, info);
    return 0;
}

/* The engine answers a pull with one JSON object a line: layers' progress, and at the end perhaps an error.
 */
struct pull {
    struct lg_buf line;
    lg_progress_fn *fn;
    void *arg;
    struct {
        char id[16];
        double done;
    } layer[128];
    int layers;
    char error[400];
};

static double pull_fraction(struct pull *p, const char *id, const json_t *detail, const char *status)
{
    double sum = 0, total = (double)lg_member_int(detail, "total");
    int i = 0;
    while (i < p->layers && strncmp(p->layer[i].id, id, sizeof p->layer[i].id - 1) != 0)
        i++;
    if (*id && i == p->layers && i < 128)
        snprintf(p->layer[p->layers++].id, sizeof p->layer[0].id, "%s", id);
    if (*id && i < p->layers && total > 0) {
        double done =
            (double)lg_member_int(detail, "current") / total; /* the engine's word, not a fraction yet */
        p->layer[i].done = done < 0 ? 0 : done > 1 ? 1 : done;
    }
    if (*id && i < p->layers && strstr(status, "complete"))
        p->layer[i].done = 1;
    for (i = 0; i < p->layers; i++)
        sum += p->layer[i].done;
    return p->layers ? sum / p->layers : -1;
}

static void pull_line(struct pull *p, const char *line, size_t n)
{
    char text[200];
    lg_cleanup_json json_t *o = json_loadb(line, n, 0, NULL);
    const char *status = lg_json_text(o, "status"), *id = lg_json_text(o, "id");
    if (*lg_json_text(o, "error"))
        snprintf(p->error, sizeof p->error, "%s", lg_json_text(o, "error"));
    if (!*status || !p->fn)
        return;
    snprintf(text, sizeof text, "%s%s%.12s", status, *id ? " " : "", id);
    p->fn(p->arg, pull_fraction(p, id, json_object_get(o, "progressDetail"), status), text);
}

static int pull_sink(void *arg, const char *s, size_t n)
{
    struct pull *p = arg;
    lg_buf_add(&p->line, s, n);
    for (char *end; p->line.len && (end = memchr(p->line.data, '\n', p->line.len));) {
        pull_line(p, p->line.data, (size_t)(end - p->line.data));
        lg_buf_drop(&p->line, (size_t)(end - p->line.data) + 1);
    }
    return p->line.failed;
}

int lg_ct_image_pull(struct lg_engine *g, const char *ref, lg_progress_fn *fn, void *arg,
                     struct lg_image_info *info, struct lg_err *e)
{
    struct pull p = {.line = {.max = 65536}, .fn = fn, .arg = arg};
    lg_cleanup_buf struct lg_buf path = {0}, reply = {0};
    int rc = check_ref(ref, e);
    if (rc)
        return rc;
    lg_buf_str(&path, "/images/create?fromImage=");
    lg_url_escape(&path, ref, "");
    struct lg_call c = {.method = "POST", .path = lg_buf_cstr(&path), .sink = pull_sink, .sink_arg = &p};
    int status = lg_call(g, &c, &reply, e);
    if (p.line.len && status > 0)
        pull_line(&p, p.line.data, p.line.len);
    lg_buf_done(&p.line);
    if (status < 0)
        return status;
    if (status >= 400)
        return lg_call_fail(status == 404 ? 500 : status, &reply, "cannot pull the image", e);
    if (*p.error)
        return lg_fail(e, LG_BACKEND, "cannot pull the image: %s", p.error);
    return lg_ct_image_find(g, ref, info, e);
}

/* What a bare root file system lacks: without a PATH nothing is found in it. */
static const char *const bare[] = {"ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                   "CMD [\"/bin/sh\"]"};

static void import_path(struct lg_buf *path, const char *ref, bool image_archive)
{
    if (image_archive) {
        lg_buf_str(path, "/images/load?quiet=1");
        return;
    }
    lg_buf_str(path, "/images/create?fromSrc=-&repo=");
    lg_url_escape(path, ref, "");
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++) {
        lg_buf_str(path, "&changes=");
        lg_url_escape(path, bare[i], "");
    }
}

int lg_ct_image_import(struct lg_engine *g, const struct lg_import *im, lg_progress_fn *fn, void *arg,
                       struct lg_image_info *info, struct lg_err *e)
{
    (void)fn;
    (void)arg;
    const char *ref = im->ref;
    lg_cleanup_buf struct lg_buf path = {0}, reply = {0};
    struct lg_archive *a = NULL;
    int rc = check_ref(ref, e);
    if (!rc)
        rc = lg_archive_open(&g->ctx, im->path, ref, &a, e);
    if (rc)
        return rc;
    import_path(&path, ref, lg_archive_is_image(a));
    struct lg_call c = {
        .method = "POST", .path = lg_buf_cstr(&path), .source = lg_archive_read, .source_arg = a};
    int status = lg_call(g, &c, &reply, e);
    lg_archive_close(a);
    if (status < 0)
        return status;
    if (status >= 300 || strstr(lg_buf_cstr(&reply), "\"error\""))
        return lg_call_fail(status >= 400 ? status : 500, &reply, "cannot import the image", e);
    return lg_ct_image_find(g, ref, info, e);
}

int lg_ct_image_remove(struct lg_engine *g, const char *ref, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int rc = check_ref(ref, e);
    if (rc)
        return rc;
    int status = lg_callf(g, &reply, e, "DELETE", NULL, "/images/%s", ref);
    if (status < 0)
        return status;
    if (status < 300 || status == 404)
        return 0;
    return lg_call_fail(lg_quirk_conflict(status, &reply) ? 409 : status, &reply, "cannot remove the image",
                        e);
}
