/*
 * Entity tags. A resource with a counter is tagged by it and by what its representation is: "12.9f86d081…";
 * one without by the representation alone. What a client has seen is the same while both are; a change is
 * refused when its If-Match names another version than the one at hand.
 */
#ifndef LG_HTTP_ETAG_H
#define LG_HTTP_ETAG_H

#include "http/request.h"

#define LG_ETAG_LEN   48
#define LG_NO_VERSION (-1)

/* The tag of `n` bytes of representation. */
void lg_etag(const struct lg_req *q, int64_t version, const void *p, size_t n, char out[LG_ETAG_LEN]);
/* Tags the answer whose whole body has been written. */
void lg_resp_etag(const struct lg_req *q, struct lg_resp *r, int64_t version);

/* LG_PRECONDITION when If-Match is there and names neither this version nor "*". */
int lg_if_match_version(const struct lg_req *q, int64_t version, struct lg_err *e);
/* The same by the representation as it is now, for what has no version. */
int lg_if_match_bytes(const struct lg_req *q, const void *p, size_t n, struct lg_err *e);
/* Does If-None-Match name this tag? */
bool lg_if_none_match(const struct lg_req *q, const char *etag);

#endif
