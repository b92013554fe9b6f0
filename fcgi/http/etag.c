#include "http/etag.h"

#include <stdlib.h>
#include <string.h>

#define HASH_BYTES 8 /* of the representation: told apart, not proven */

void lg_etag(const struct lg_req *q, int64_t version, const void *p, size_t n, char out[LG_ETAG_LEN])
{
    uint8_t digest[LG_DIGEST_BYTES];
    char hex[2 * HASH_BYTES + 1];
    lg_digest(&q->app->context_key, p, n, digest); /* the same in every worker and after a restart */
    lg_hex(digest, HASH_BYTES, hex);
    if (version >= 0)
        snprintf(out, LG_ETAG_LEN, "\"%lld.%s\"", (long long)version, hex);
    else
        snprintf(out, LG_ETAG_LEN, "\"%s\"", hex);
}

void lg_resp_etag(const struct lg_req *q, struct lg_resp *r, int64_t version)
{
    char tag[LG_ETAG_LEN];
    lg_etag(q, version, lg_buf_cstr(&r->body), r->body.len, tag);
    lg_resp_header(r, "ETag", tag);
}

/* The next tag of a list, its opaque part without quotes; `weak` when it says W/. False at the end. */
static bool next_tag(const char **at, const char **tag, size_t *len, bool *weak)
{
    const char *p = *at + strspn(*at, " ,\t");
    *weak = !strncmp(p, "W/", 2);
    p += *weak ? 2 : 0;
    const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
    if (!end)
        return false;
    *tag = p + 1;
    *len = (size_t)(end - p - 1);
    *at = end + 1;
    return true;
}

static bool is_any(const char *list)
{
    list += strspn(list, " ");
    return list[0] == '*' && !list[1 + strspn(list + 1, " ")];
}

static int changed(struct lg_err *e, const char *now)
{
    lg_fail(e, LG_PRECONDITION, "it has changed since you read it; read it again");
    return lg_err_detail(e, "now", "%s", now);
}

/* "12" and "12.9f86…" both name version 12: a change asks for the version, not for what was measured. */
int lg_if_match_version(const struct lg_req *q, int64_t version, struct lg_err *e)
{
    const char *list = lg_req_header(q, "HTTP_IF_MATCH"), *tag;
    size_t len;
    bool weak;
    char now[24];
    if (!list || is_any(list))
        return 0;
    while (next_tag(&list, &tag, &len, &weak)) {
        char *end;
        if (!weak && len && strtoll(tag, &end, 10) == version && end > tag && (*end == '.' || *end == '"'))
            return 0;
    }
    snprintf(now, sizeof now, "\"%lld\"", (long long)version);
    return changed(e, now);
}

int lg_if_match_bytes(const struct lg_req *q, const void *p, size_t n, struct lg_err *e)
{
    const char *list = lg_req_header(q, "HTTP_IF_MATCH"), *tag;
    char now[LG_ETAG_LEN];
    size_t len;
    bool weak;
    if (!list || is_any(list))
        return 0;
    lg_etag(q, LG_NO_VERSION, p, n, now);
    while (next_tag(&list, &tag, &len, &weak))
        if (!weak && len == strlen(now) - 2 && !strncmp(tag, now + 1, len))
            return 0;
    return changed(e, now);
}

bool lg_if_none_match(const struct lg_req *q, const char *etag)
{
    const char *list = lg_req_header(q, "HTTP_IF_NONE_MATCH"), *tag;
    size_t len;
    bool weak;
    if (!list)
        return false;
    if (is_any(list))
        return true;
    while (next_tag(&list, &tag, &len, &weak))
        if (len + 2 == strlen(etag) && !strncmp(tag, etag + 1, len))
            return true;
    return false;
}
