/*
 * The head of an HTTP/1.x request as nginx sends it over the unix socket. Strict: what nginx would not send
 * is an error. Fields point into the caller's bytes and live as long as those.
 */
#ifndef LG_STREAM_HTTP_HEAD_H
#define LG_STREAM_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#define LG_HEAD_MAX     16384 /* bytes, the empty line included */
#define LG_HEAD_HEADERS 100

struct lg_slice {
    const char *p; /* not NUL-terminated; NULL when the header is absent */
    size_t n;
};

struct lg_head {
    struct lg_slice method, target;
    int minor; /* HTTP/1.<minor> */
    /* The headers anybody here looks at. */
    struct lg_slice context, upgrade, connection, ws_key, ws_version;
};

/* Where the head ends (past its empty line), or 0 when it has not arrived. `*scanned` remembers how far
 * earlier calls looked; it starts at 0. */
size_t lg_head_end(const char *p, size_t n, size_t *scanned);

/* `n` is what lg_head_end returned. True when it is a request. */
bool lg_head_parse(struct lg_head *h, const char *p, size_t n);

bool lg_slice_is(struct lg_slice s, const char *text);        /* exactly */
bool lg_slice_has_token(struct lg_slice s, const char *text); /* in a comma-separated list, any case */

#endif
