/*
 * HTTP to the engine over its unix socket, by libcurl. One handle is used by one process at a time; opened
 * after fork. A call gives up when the engine shows no progress for `engine_timeout_ms` (LG_TIMEOUT), when
 * `*cancel` is set (LG_CANCELLED, within 100 ms) and when nobody listens or the engine breaks off
 * (LG_UNAVAILABLE).
 */
#ifndef LG_DRIVER_CLIENT_H
#define LG_DRIVER_CLIENT_H

#include <curl/curl.h>

#include "base/json.h"
#include "driver/driver.h"

enum lg_engine_kind { LG_ENGINE_UNKNOWN, LG_ENGINE_PODMAN, LG_ENGINE_DOCKER };

#define LG_USAGE_CACHE 64

/* Where a running container was last time, so that the engine need not be asked again. */
struct lg_seen {
    char id[LG_ID_LEN];
    char ref[LG_REF_LEN];
    int64_t pid;
    char upper[512]; /* the folder it writes into; "" unknown */
};

enum lg_layers { LG_LAYERS_UNKNOWN, LG_LAYERS_HARD, LG_LAYERS_WATCHED };

struct lg_engine {
    struct lg_driver_ctx ctx;
    char socket[128];
    CURLM *multi;
    CURL *easy;
    enum lg_engine_kind kind; /* asked once, when first needed */
    struct lg_engine_info info;
    enum lg_layers layers;               /* asked once, when first needed */
    struct lg_seen seen[LG_USAGE_CACHE]; /* usage: where an instance's cgroup was last time */
    unsigned next_seen;
};

/* Gets a piece of the answer; non-zero ends the call early, which is not an error. */
typedef int lg_sink_fn(void *arg, const char *p, size_t n);
/* Gives up to `cap` bytes of the request's body; 0 at its end, negative on failure. */
typedef ssize_t lg_source_fn(void *arg, char *p, size_t cap);

struct lg_call {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *path; /* with query, already escaped; "/v4…" keeps its version, others get the common one */
    const char *body; /* JSON, or NULL */
    lg_source_fn *source; /* instead of body: an uploaded tar */
    void *source_arg;
    lg_sink_fn *sink; /* NULL: the answer is collected in `reply` */
    void *sink_arg;
    int64_t patience_ms; /* wait without progress: 0 engine_timeout_ms, -1 for ever once the head has come */
    int hangup_fd;       /* > 0: the call ends when this descriptor's other side is gone */
};

/* Does it. Returns the HTTP status (> 0) or a negative code. An answer of 400 and more is always put into
 * `reply`. */
int lg_call(struct lg_engine *g, const struct lg_call *c, struct lg_buf *reply, struct lg_err *e);
/* A short form: method, printf'ed path, JSON body or NULL. */
int lg_callf(struct lg_engine *g, struct lg_buf *reply, struct lg_err *e, const char *method,
             const char *body, const char *path, ...) __attribute__((format(printf, 6, 7)));

/* Turns a refusal (status >= 400) into an error with the engine's own sentence; always returns negative. */
int lg_call_fail(int status, const struct lg_buf *reply, const char *what, struct lg_err *e);
/* Parses an answer that must be JSON; NULL with LG_BACKEND. The caller's to decref. */
json_t *lg_call_json(const struct lg_buf *reply, struct lg_err *e);

/* Appends `s` percent-escaped; `keep` names further characters to leave alone ("/:@"). */
void lg_url_escape(struct lg_buf *b, const char *s, const char *keep);

/* Members of parsed answers; absent or of another type: "" or 0. */
int64_t lg_member_int(const json_t *o, const char *key);

static inline bool lg_engine_cancelled(const struct lg_engine *g)
{
    return g->ctx.cancel && *g->ctx.cancel;
}

#endif
