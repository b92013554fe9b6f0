/*
 * One HTTP request as a handler sees it, and the answer it fills. Runs in lodge-api's workers only. All
 * pointers in a request live until its answer is sent.
 */
#ifndef LG_HTTP_REQUEST_H
#define LG_HTTP_REQUEST_H

#include <fcgiapp.h>

#include "base/conf.h"
#include "base/crypto.h"
#include "base/json.h"
#include "http/rate.h"
#include "model/dialect.h"
#include "store/db.h"
#include "store/identity.h"

struct lg_route;
struct lg_idem;

/* What a worker owns for its whole life. */
struct lg_app {
    struct lg_conf conf;
    struct lg_db *db;
    struct lg_key token_key, context_key, cookie_key, env_key;
};

#define LG_PARAMS_MAX 4
#define LG_QUERY_MAX  32

struct lg_req {
    struct lg_app *app;
    struct lg_db *db; /* app->db */
    FCGX_Request *fcgx;
    const char *method, *path; /* path: decoded by nginx' rules, without query */
    const char *address;       /* the client's, from nginx */
    const char *request_id;    /* 32 hex digits, in logs, operations and Lodge-Request-Id */
    const struct lg_route *route;
    enum lg_dialect dialect;          /* the caller's wish, then what the route found for it speaks */
    bool gateway;                     /* by a listener on which X-Tenant-ID stands for the tenant */
    const char *param[LG_PARAMS_MAX]; /* values of :names in the pattern, in order */
    struct lg_identity who;           /* zeroed when nobody signed in */
    bool signed_in, by_cookie;
    char *body; /* owned by the loop; NUL-terminated */
    size_t body_len;
    json_t *json; /* of lg_req_json; freed by the loop */
    struct {
        const char *name, *value;
    } query[LG_QUERY_MAX];
    int query_count;
    char *scratch; /* path and query text the pointers above point into */
    bool in_tx;
    struct lg_idem *idem; /* idempotency.h; NULL: no key */
    struct lg_rate rate;
};

struct lg_resp {
    int status;            /* 200 unless set */
    const char *type;      /* Content-Type of the body, "application/json" unless set */
    const char *cache;     /* Cache-Control, "no-store" unless set */
    struct lg_buf headers; /* further lines, each ended by \r\n: use lg_resp_header */
    struct lg_buf body;
};

/* Header of the request by its CGI name ("HTTP_ACCEPT") or any FastCGI parameter; NULL when absent. */
const char *lg_req_header(const struct lg_req *q, const char *cgi_name);
/* Query parameter, decoded; `absent` when it is not there. */
const char *lg_req_query(const struct lg_req *q, const char *name, const char *absent);
/* Whole number in min…max, `absent` when it is not there; LG_INVALID otherwise. */
int lg_req_query_int(const struct lg_req *q, const char *name, int64_t min, int64_t max, int64_t absent,
                     int64_t *out, struct lg_err *e);
/* "true"/"1" or "false"/"0"; false when absent; LG_INVALID otherwise. */
int lg_req_query_bool(const struct lg_req *q, const char *name, bool *out, struct lg_err *e);
/* Epoch milliseconds of 2024-06-04T10:00:00[.123]Z or of whole seconds since the epoch; `absent` when it is
 * not there or empty; LG_INVALID otherwise. */
int lg_req_query_time(const struct lg_req *q, const char *name, int64_t absent, int64_t *ms,
                      struct lg_err *e);
/* ?page=&pageSize= → limit 1…500 (default 50) and offset. */
int lg_req_page(const struct lg_req *q, int64_t *page, int64_t *page_size, struct lg_err *e);

/*
 * The body as one JSON object (an absent body is an empty one). LG_MEDIA_TYPE when it is not
 * application/json, LG_INVALID when it does not parse, nests deeper than 32 or is no object. Borrowed.
 */
int lg_req_json(struct lg_req *q, json_t **out, struct lg_err *e);

/* The file that nginx stored instead of a body; NULL when there is none. Only names below uploads/ are
 * believed. */
const char *lg_req_upload(const struct lg_req *q);

/* Seconds the caller is willing to wait: Prefer: wait=N (at most `max`), `absent` without one. */
int lg_req_wait(const struct lg_req *q, int absent, int max);

/*
 * The handler's transaction. commit writes the audit line (the route's action; `subject` an id or name;
 * `details` a sentence or NULL, never a secret) and commits; with an Idempotency-Key the loop does that when
 * the answer is written (idempotency.h), so no transaction may follow. What a handler leaves open is rolled
 * back.
 */
int lg_req_begin(struct lg_req *q, struct lg_err *e);
int lg_req_commit(struct lg_req *q, const char *subject, const char *details, struct lg_err *e);
int lg_req_commit_quietly(struct lg_req *q, struct lg_err *e); /* without an audit line */

void lg_resp_header(struct lg_resp *r, const char *name, const char *value); /* CR, LF in value are dropped */
/* Starts a JSON object answer: `lg_resp_json(r, 200, &j); … lg_json_end_obj(&j);` */
void lg_resp_json(struct lg_resp *r, int status, struct lg_json *j);
void lg_resp_empty(struct lg_resp *r, int status); /* 204, redirects */

#endif
