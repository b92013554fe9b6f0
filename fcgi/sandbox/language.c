#include "sandbox/language.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"

#define FILE_MAX ((size_t)1 << 20)

static int read_table(const char *path, json_t **out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf text = {.max = FILE_MAX};
    char piece[8192];
    ssize_t n;
    *out = NULL;
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : lg_fail_errno(e, LG_INVALID, "cannot read %s", path);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        lg_buf_add(&text, piece, (size_t)n);
    struct lg_err why = {0};
    *out = text.failed ? NULL : lg_json_parse(lg_buf_cstr(&text), text.len, 6, &why);
    if (!json_is_array(*out))
        return lg_fail(e, LG_INVALID, "%s must be a JSON array of languages: %s", path, why.msg);
    return 0;
}

static bool words(const json_t *o, const char *key, const json_t **out)
{
    const json_t *v = json_object_get(o, key), *s;
    size_t i;
    *out = v;
    if (!v)
        return true;
    json_array_foreach(v, i, s) if (!json_is_string(s) || !json_string_length(s)) return false;
    return json_is_array(v) && json_array_size(v) <= 64;
}

static const char *text(const json_t *o, const char *key, const char *absent)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : absent;
}

/* A name goes into URLs and into the names of files. */
static bool plain(const char *s)
{
    return *s && strlen(s) < 64 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._+-") == strlen(s) &&
           *s != '.';
}

static int64_t number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) && json_integer_value(v) > 0 ? json_integer_value(v) : 0;
}

static int add(struct lg_languages *l, const char *path, const json_t *o, struct lg_err *e)
{
    struct lg_language n = {.name = text(o, "name", ""),
                            .image = text(o, "image", "run"),
                            .file = text(o, "file", "main"),
                            .example = text(o, "example", ""),
                            .memory_mib = number(o, "memoryMib"),
                            .time_ms = number(o, "timeMs"),
                            .warm = number(o, "warm")};
    n.title = text(o, "title", n.name);
    snprintf(n.version, sizeof n.version, "%s", text(o, "version", ""));
    bool good = words(o, "aliases", &n.aliases) && words(o, "run", &n.run) &&
                words(o, "compile", &n.compile) && words(o, "host", &n.host) &&
                words(o, "session", &n.session);
    if (!good || !plain(n.name) || !json_array_size(n.run) || strchr(n.file, '/') || !*n.file)
        return lg_fail(e, LG_INVALID,
                       "%s: language \"%s\" is not right (a plain name, arrays of words, a file name)", path,
                       n.name);
    struct lg_language *old = NULL;
    for (int i = 0; i < l->count; i++)
        if (!strcmp(l->lang[i].name, n.name))
            old = &l->lang[i];
    if (!old && l->count == LG_LANGUAGES_MAX)
        return lg_fail(e, LG_INVALID, "%s: more than %d languages", path, LG_LANGUAGES_MAX);
    *(old ? old : &l->lang[l->count++]) = n;
    return 0;
}

static int add_all(struct lg_languages *l, const char *path, json_t **keep, struct lg_err *e)
{
    size_t i;
    json_t *o;
    int rc = read_table(path, keep, e);
    if (!rc)
        json_array_foreach(*keep, i, o)
        {
            if ((rc = add(l, path, o, e)))
                break;
        }
    return rc;
}

int lg_languages_load(struct lg_languages *l, const struct lg_conf *c, struct lg_err *e)
{
    char path[PATH_MAX + 64];
    *l = (struct lg_languages){0};
    snprintf(path, sizeof path, "%s/fcgi/driver/images/languages.json", c->share_dir);
    int rc = add_all(l, path, &l->builtin, e);
    struct lg_err own = {0};
    if (!rc && add_all(l, lg_conf_path(c, path, sizeof path, "languages.json"), &l->own, &own)) {
        snprintf(l->notice, sizeof l->notice, "%.255s", own.msg);
        lg_log_err(LG_ERROR, "not all of the administrator's languages can be had", &own);
    }
    return rc;
}

struct lg_language *lg_language_find(struct lg_languages *l, const char *name)
{
    size_t k;
    json_t *alias;
    for (int i = 0; i < l->count; i++)
        if (!strcasecmp(l->lang[i].name, name))
            return &l->lang[i];
    for (int i = 0; i < l->count; i++) {
        json_array_foreach(l->lang[i].aliases, k, alias)
        {
            if (!strcasecmp(json_string_value(alias), name))
                return &l->lang[i];
        }
    }
    return NULL;
}
