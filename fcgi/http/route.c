#include "http/route.h"

#include <string.h>

#define SEGMENT_MAX 256

/* Is `method` one of "GET|POST"? */
static bool has_method(const char *list, const char *method)
{
    size_t n = strlen(method);
    for (const char *p = list; *p; p += strcspn(p, "|"), p += *p == '|')
        if (!strncmp(p, method, n) && (!p[n] || p[n] == '|'))
            return true;
    return false;
}

/* Matches the path against the pattern; :names are recorded as pointers into `path` with their lengths. */
static bool matches(const char *pattern, const char *path, const char **at, size_t *len, int *count)
{
    *count = 0;
    while (*pattern && *path) {
        if (*pattern != ':') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t n = strcspn(path, "/");
        if (!n || n >= SEGMENT_MAX || *count == LG_PARAMS_MAX)
            return false;
        at[*count] = path;
        len[(*count)++] = n;
        pattern += strcspn(pattern, "/");
        path += n;
    }
    return !*pattern && !*path;
}

static void allow(char *out, size_t cap, const char *methods)
{
    size_t n = strlen(out);
    snprintf(out + n, cap - n, "%s%s", n ? "|" : "", methods);
}

/* Copies the values behind the path in the scratch area, NUL-terminated. */
static void keep_params(struct lg_req *q, const char **at, const size_t *len, int count)
{
    char *to = q->scratch;
    for (int i = 0; i < count; i++) {
        memcpy(to, at[i], len[i]);
        to[len[i]] = 0;
        q->param[i] = to;
        to += len[i] + 1;
    }
}

int lg_route_find(const struct lg_route *const *tables, struct lg_req *q, struct lg_err *e)
{
    const char *at[LG_PARAMS_MAX];
    size_t len[LG_PARAMS_MAX];
    int count;
    char allowed[96] = "";
    const char *method = !strcmp(q->method, "HEAD") ? "GET" : q->method;
    for (; *tables; tables++) {
        for (const struct lg_route *r = *tables; r->method; r++) {
            if (!matches(r->pattern, q->path, at, len, &count))
                continue;
            if (has_method(r->method, method)) {
                q->route = r;
                keep_params(q, at, len, count);
                return 0;
            }
            allow(allowed, sizeof allowed, r->method);
        }
    }
    if (!allowed[0])
        return lg_fail(e, LG_NOT_FOUND, "there is nothing at %.200s", q->path);
    lg_fail(e, LG_METHOD, "%.16s is not possible here", q->method);
    for (char *p = allowed; *p; p++)
        if (*p == '|')
            *p = ',';
    return lg_err_detail(e, "allow", "%s", allowed);
}
