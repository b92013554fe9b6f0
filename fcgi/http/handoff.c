#include "http/handoff.h"

#include <string.h>

#include "base/clock.h"
#include "http/auth.h"
#include "http/idempotency.h"

#define HANDOFF_MS 30000
#define RENDER_MS  60000

/* The one list of fields, written and read by the same table. */
#define TEXT_FIELDS(X)                                                                                       \
    X(k)                                                                                                     \
    X(proto)                                                                                                 \
    X(op) X(view) X(id) X(scope) X(kinds) X(instance) X(format) X(subject) X(idem) X(type) X(run) X(command)
#define INT_FIELDS(X) X(until) X(after) X(tail) X(since) X(columns) X(rows)

static void write_context(const struct lg_req *q, const struct lg_handoff *h, struct lg_buf *out)
{
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_int(&j, "exp", lg_clock_ms() + HANDOFF_MS);
    lg_json_str(&j, "user", q->who.user_id);
    lg_json_str(&j, "username", q->who.username);
    lg_json_bool(&j, "isAdmin", q->who.admin);
    lg_json_str(&j, "tenant", q->who.tenant_id);
    lg_json_str(&j, "slug", q->who.tenant_slug);
    lg_json_str(&j, "token", q->who.token_id);
    lg_json_str(&j, "session", q->who.session_id);
#define X(f) lg_json_str(&j, #f, h->f ? h->f : "");
    TEXT_FIELDS(X)
#undef X
#define X(f) lg_json_int(&j, #f, h->f);
    INT_FIELDS(X)
#undef X
    lg_json_bool(&j, "follow", h->follow);
    lg_json_bool(&j, "again", h->again);
    lg_json_bool(&j, "readonly", h->read_only);
    lg_json_end_obj(&j);
}

int lg_handoff(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf plain = {.max = 8192}, signed_text = {.max = 16384};
    struct lg_handoff with_key = *h;
    if (q->idem) {
        lg_idem_parked(q, h);
        with_key.idem = q->idem->row.key;
    }
    write_context(q, &with_key, &plain);
    lg_sign(&q->app->context_key, plain.data, plain.len, &signed_text);
    if (plain.failed || signed_text.failed)
        return lg_fail(e, LG_INVALID, "the request has too many details to hand on");
    lg_resp_empty(r, 200);
    lg_resp_header(r, "X-Accel-Redirect", "@stream");
    lg_resp_header(r, "X-Lodge-Context", signed_text.data);
    return 0;
}

int lg_handoff_proto(const struct lg_req *q, const char **proto, struct lg_err *e)
{
    const char *upgrade = lg_req_header(q, "HTTP_UPGRADE"), *accept = lg_req_header(q, "HTTP_ACCEPT");
    *proto = "text";
    if (accept && strcasestr(accept, "text/event-stream"))
        *proto = "sse";
    if (!upgrade || strcasecmp(upgrade, "websocket"))
        return 0;
    *proto = "ws";
    if (q->by_cookie && (!lg_req_header(q, "HTTP_ORIGIN") || !lg_same_origin(q)))
        return lg_fail(e, LG_FORBIDDEN, "the WebSocket comes from another site");
    return 0;
}

static void copy(char *out, size_t cap, const json_t *j, const char *key)
{
    snprintf(out, cap, "%s", lg_json_text(j, key));
}

int lg_handoff_open(struct lg_req *q, struct lg_handoff *h, struct lg_err *e)
{
    const char *context = lg_req_header(q, "LODGE_CONTEXT");
    lg_cleanup_buf struct lg_buf plain = {.max = 16384};
    if (!context || !lg_open_signed(&q->app->context_key, context, strlen(context), &plain))
        return lg_fail(e, LG_FORBIDDEN, "this is reached by a hand-off only");
    json_decref(q->json);
    q->json = lg_json_parse(plain.data, plain.len, 4, e);
    if (!q->json)
        return -(int)LG_INTERNAL;
#define X(f) h->f = lg_json_text(q->json, #f);
    TEXT_FIELDS(X)
#undef X
#define X(f) h->f = json_integer_value(json_object_get(q->json, #f));
    INT_FIELDS(X)
#undef X
    /* What is no wait comes here when lodge-stream is gone: only to be told so. */
    int64_t until = h->until ? h->until : json_integer_value(json_object_get(q->json, "exp"));
    if (lg_clock_ms() > until + RENDER_MS)
        return lg_fail(e, LG_FORBIDDEN, "the hand-off is too old");
    copy(q->who.user_id, sizeof q->who.user_id, q->json, "user");
    copy(q->who.username, sizeof q->who.username, q->json, "username");
    copy(q->who.tenant_id, sizeof q->who.tenant_id, q->json, "tenant");
    copy(q->who.tenant_slug, sizeof q->who.tenant_slug, q->json, "slug");
    copy(q->who.token_id, sizeof q->who.token_id, q->json, "token");
    copy(q->who.session_id, sizeof q->who.session_id, q->json, "session");
    q->who.admin = json_is_true(json_object_get(q->json, "isAdmin"));
    q->signed_in = true;
    return 0;
}
