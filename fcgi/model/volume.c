#include "model/volume.h"

#include <stdio.h>
#include <string.h>

#include "model/validate.h"

#define BLOCK_BYTES 4096

int lg_check_volume_size(const char *field, int64_t bytes, struct lg_err *e)
{
    if (bytes < LG_VOLUME_MIN_BYTES || bytes > LG_VOLUME_MAX_BYTES)
        return lg_invalid(e, field, "must be from 16 MiB to 64 TiB");
    return bytes % BLOCK_BYTES ? lg_invalid(e, field, "must be a multiple of 4096 bytes") : 0;
}

/* Absolute, printable, without a part that is empty, "." or "..". */
static bool plain_path(const char *s, size_t n)
{
    if (n < 2 || n >= LG_MOUNT_PATH_LEN || s[0] != '/')
        return false;
    for (size_t from = 1, i = 1; i <= n; i++) {
        if (i < n && ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == ':' || s[i] == '\\'))
            return false;
        if (i < n && s[i] != '/')
            continue;
        size_t part = i - from;
        if (!part || (part == 1 && s[from] == '.') || (part == 2 && s[from] == '.' && s[from + 1] == '.'))
            return false;
        from = i + 1;
    }
    return true;
}

static bool below(const char *root, size_t n, const char *path)
{
    return !strncmp(root, path, n) && (!path[n] || path[n] == '/');
}

int lg_check_mount_path(const char *field, const char *s, char out[LG_MOUNT_PATH_LEN], struct lg_err *e)
{
    static const char *const engines[] = {"/proc", "/sys", "/dev"};
    size_t n = strlen(s);
    if (n > 1 && s[n - 1] == '/')
        n--;
    if (!plain_path(s, n))
        return lg_invalid(e, field, "must name an absolute path in the instance, without . and .. in it");
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (below(engines[i], strlen(engines[i]), s))
            return lg_invalid(e, field, "must not be /proc, /sys or /dev");
    snprintf(out, LG_MOUNT_PATH_LEN, "%.*s", (int)n, s);
    return 0;
}

/* The part before the first colon: a name, /name, or a path of the host. */
static int parse_source(const char *field, const char *s, size_t n, struct lg_mount *out, struct lg_err *e)
{
    const char *name = s + (*s == '/');
    size_t len = n - (*s == '/');
    if (!memchr(name, '/', len) && len && len < sizeof out->name) {
        snprintf(out->name, sizeof out->name, "%.*s", (int)len, name);
        if (!lg_check_name(field, out->name, NULL))
            return 0;
        return lg_invalid(
            e, field,
            "must begin with a volume's name: 1 to 63 of a-z, 0-9 and -, with a letter or digit at both "
            "ends");
    }
    if (!plain_path(s, n))
        return lg_invalid(e, field, "must be volume:/path, with :ro if wanted");
    snprintf(out->host_path, sizeof out->host_path, "%.*s", (int)n, s);
    return 0;
}

int lg_parse_mount(const char *field, const char *s, struct lg_mount *out, struct lg_err *e)
{
    const char *colon = strchr(s, ':'), *end = colon ? strchr(colon + 1, ':') : NULL;
    char path[LG_MOUNT_PATH_LEN + 2];
    memset(out, 0, sizeof *out);
    if (!colon || colon == s || (end && strcmp(end, ":ro") && strcmp(end, ":rw")))
        return lg_invalid(e, field, "must be volume:/path, with :ro if wanted");
    size_t n = end ? (size_t)(end - colon - 1) : strlen(colon + 1);
    if (n >= sizeof path)
        return lg_invalid(e, field, "has a path longer than 255 bytes");
    snprintf(path, sizeof path, "%.*s", (int)n, colon + 1);
    out->read_only = end && !strcmp(end, ":ro");
    int rc = lg_check_mount_path(field, path, out->path, e);
    return rc ? rc : parse_source(field, s, (size_t)(colon - s), out, e);
}

bool lg_path_under(const char *roots, const char *path)
{
    for (const char *p = roots; *p; p += strcspn(p, ","), p += *p == ',') {
        size_t n = strcspn(p, ",");
        while (n > 1 && p[n - 1] == '/')
            n--;
        if (n > 1 && *p == '/' && below(p, n, path))
            return true;
    }
    return false;
}
