#include "http/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/auth.h"
#include "http/etag.h"
#include "http/idempotency.h"
#include "http/metrics.h"

#define TURNS_MAX 64      /* requests in a row on one connection while others wait */
#define GRACE_NS  500000L /* what an idle connection gets while others wait */
#define SLOW_MS   1000
#define BODY_HARD ((int64_t)32 << 20) /* no route may have more */

static const char *param(const FCGX_Request *r, const char *name)
{
    const char *v = FCGX_GetParam(name, r->envp);
    return v ? v : "";
}

/* nginx names a script for what it wants itself; a client's request has "" there and its path in
 * DOCUMENT_URI. */
static const char *path_of(const FCGX_Request *r)
{
    const char *script = param(r, "SCRIPT_NAME");
    return *script ? script : param(r, "DOCUMENT_URI");
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX and + in place; false for broken escapes, NUL and other control characters. */
static bool decode(char *s)
{
    char *to = s;
    for (; *s; s++, to++) {
        int v = (unsigned char)*s;
        if (*s == '%') {
            int a = hex(s[1]), b = a < 0 ? -1 : hex(s[2]);
            if (b < 0)
                return false;
            v = a << 4 | b;
            s += 2;
        } else if (*s == '+') {
            v = ' ';
        }
        if (v < 0x20 || v == 0x7f)
            return false;
        *to = (char)v;
    }
    *to = 0;
    return true;
}

static int parse_query(struct lg_req *q, char *text, struct lg_err *e)
{
    for (char *p = text; *p;) {
        size_t n = strcspn(p, "&");
        char *next = p + n + (p[n] == '&');
        p[n] = 0;
        if (n) {
            if (q->query_count == LG_QUERY_MAX)
                return lg_fail(e, LG_INVALID, "more than %d query parameters", LG_QUERY_MAX);
            char *eq = strchr(p, '=');
            if (eq)
                *eq++ = 0;
            if (!decode(p) || (eq && !decode(eq)))
                return lg_fail(e, LG_INVALID, "the query string is not validly encoded");
            q->query[q->query_count].name = p;
            q->query[q->query_count++].value = eq ? eq : "";
        }
        p = next;
    }
    return 0;
}

/* In a sub-request of nginx' own the query is that of the original target. */
static const char *query_of(const FCGX_Request *r)
{
    const char *query = param(r, "QUERY_STRING"), *target = param(r, "REQUEST_URI");
    if (*query || !*param(r, "SCRIPT_NAME"))
        return query;
    const char *mark = strchr(target, '?');
    return mark ? mark + 1 : "";
}

/* The scratch area holds the route's parameters, then the decoded query. */
static int parse_target(struct lg_req *q, struct lg_err *e)
{
    const char *query = query_of(q->fcgx);
    size_t path_len = strlen(q->path) + 1;
    q->scratch = malloc(path_len + strlen(query) + 1);
    if (!q->scratch)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    char *text = q->scratch + path_len;
    memcpy(text, query, strlen(query) + 1);
    return parse_query(q, text, e);
}

static int read_body(struct lg_req *q, struct lg_err *e)
{
    int64_t len = strtoll(param(q->fcgx, "CONTENT_LENGTH"), NULL, 10);
    if (len <= 0)
        return 0;
    size_t max = q->route->body_max;
    if (!max)
        return lg_fail(e, LG_INVALID, "this request takes no body");
    if (len > (int64_t)max || len > BODY_HARD)
        return lg_fail(e, LG_TOO_LARGE, "the body is larger than %zu bytes", max);
    q->body = malloc((size_t)len + 1);
    if (!q->body)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    int got = FCGX_GetStr(q->body, (int)len, q->fcgx->in);
    if (got != len || FCGX_GetError(q->fcgx->in))
        return lg_fail(e, LG_INVALID, "the body ended early");
    q->body[len] = 0;
    q->body_len = (size_t)len;
    return 0;
}

static int permit(const struct lg_req *q, struct lg_err *e)
{
    enum lg_perm p = q->route->perm;
    if (p == LG_PERM_PUBLIC)
        return 0;
    if (!q->signed_in)
        return lg_fail(e, LG_UNAUTHENTICATED, "sign in, or send a token as Authorization: Bearer");
    if (p == LG_PERM_ADMIN && !q->who.admin)
        return lg_fail(e, LG_FORBIDDEN, "only administrators may do this");
    if ((p == LG_PERM_MEMBER || p == LG_PERM_OWNER) && !q->who.tenant_id[0])
        return lg_fail(e, LG_FORBIDDEN, "you are in no tenant; ask an administrator to add you to one");
    if (p == LG_PERM_OWNER && !q->who.owner)
        return lg_fail(e, LG_FORBIDDEN, "only owners of the tenant may do this");
    return 0;
}

/* The listener decides, else the header that only this dialect knows. */
static void choose_dialect(struct lg_req *q)
{
    const char *listener = param(q->fcgx, "LODGE_LISTENER");
    bool tenant = !strcmp(listener, "tenant"), repl = !strcmp(listener, "repl");
    q->gateway = tenant || repl;
    q->dialect =
        tenant || (!repl && lg_req_header(q, "HTTP_X_TENANT_ID")) ? LG_DIALECT_TENANT : LG_DIALECT_NATIVE;
}

static const struct lg_route *const *tables_of(const struct lg_req *q, const struct lg_pool *pool)
{
    static const struct lg_route *const nothing[] = {NULL};
    const struct lg_route *const *gateway =
        q->dialect == LG_DIALECT_TENANT ? pool->gateway_tables : pool->repl_tables;
    if (q->gateway)
        return gateway ? gateway : nothing;
    return q->dialect == LG_DIALECT_TENANT && pool->tenant_tables ? pool->tenant_tables : pool->tables;
}

/* Value of a header line of the answer, up to its CR; NULL when there is none. */
static const char *answered(const struct lg_resp *r, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = lg_buf_cstr(&r->headers); *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (!strncasecmp(at, name, n) && at[n] == ':')
            return at + n + 1 + strspn(at + n + 1, " ");
    return NULL;
}

/* What the caller has already is not sent again. */
static void spare(const struct lg_req *q, struct lg_resp *r)
{
    char tag[LG_ETAG_LEN];
    if (!lg_req_header(q, "HTTP_IF_NONE_MATCH") || (r->status && r->status != 200) ||
        (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0))
        return;
    const char *at = answered(r, "ETag");
    snprintf(tag, sizeof tag, "%.*s", at ? (int)strcspn(at, "\r") : 0, at ? at : "");
    if (at && lg_if_none_match(q, tag))
        lg_resp_empty(r, 304);
}

/* The tenant dialect knows no conflicts: what its client could have seen coming is a bad request. */
static int status_of(const struct lg_req *q, enum lg_code code)
{
    int status = lg_code_http(code);
    return q->dialect == LG_DIALECT_TENANT && status == 409 && code != LG_IN_FLIGHT ? 400 : status;
}

static void error_answer(const struct lg_req *q, struct lg_resp *r, const struct lg_err *e)
{
    lg_buf_reset(&r->body);
    r->status = status_of(q, e->code);
    r->type = r->cache = NULL;
    lg_json_error(&r->body, e);
    if (*param(q->fcgx, "SCRIPT_NAME")) /* nginx asked for itself and drops the body */
        lg_resp_header(r, "X-Lodge-Error", lg_buf_cstr(&r->body));
    if (e->code == LG_UNAUTHENTICATED)
        lg_resp_header(r, "WWW-Authenticate", "Bearer");
    for (int i = 0; i < e->details; i++) {
        if (!strcmp(e->detail[i].key, "allow"))
            lg_resp_header(r, "Allow", e->detail[i].value);
        else if (!strcmp(e->detail[i].key, "retryAfter"))
            lg_resp_header(r, "Retry-After", e->detail[i].value);
    }
}

static int view(struct lg_req *q, const struct lg_pool *pool, struct lg_resp *r, const struct lg_handoff *h,
                struct lg_err *e)
{
    for (const struct lg_view_entry *v = pool->views; v && v->name; v++)
        if (!strcmp(v->name, h->view)) {
            q->dialect = v->dialect;
            int rc = lg_tx_read(q->db, e);
            if (!rc)
                rc = v->fn(q, r, h, e);
            lg_tx_rollback(q->db);
            return rc;
        }
    return lg_fail(e, LG_UNAVAILABLE, "the stream service does not answer; try again in a moment");
}

/* The result of an operation as an answer, whatever it is. */
static void show(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, void *arg)
{
    struct lg_err e = {0};
    if (view(q, arg, r, h, &e))
        error_answer(q, r, &e);
}

/* Somebody with the same key was faster: what it did is the answer. */
static int answer_as_first(struct lg_req *q, struct lg_pool *pool, struct lg_resp *r, struct lg_err *e)
{
    lg_tx_rollback(q->db);
    q->in_tx = false;
    q->idem = NULL;
    lg_err_clear(e);
    lg_buf_reset(&r->headers);
    lg_buf_reset(&r->body);
    int rc = lg_idem_open(q, r, show, pool, e);
    return rc ? rc : lg_fail(e, LG_IN_FLIGHT, "the request with this Idempotency-Key is at work");
}

/* Runs the handler, for an Idempotency-Key once. */
static int perform(struct lg_req *q, const struct lg_pool *pool, struct lg_resp *r, struct lg_err *e)
{
    void *arg = (void *)(uintptr_t)pool;
    int rc = lg_idem_open(q, r, show, arg, e);
    if (rc)
        return rc < 0 ? rc : 0;
    rc = q->route->handler(q, r, e);
    if (!rc && q->idem && q->idem->deferred)
        rc = lg_idem_commit(q, r, e);
    if (rc && q->idem && q->idem->raced)
        rc = answer_as_first(q, arg, r, e);
    if (rc < 0)
        return rc;
    spare(q, r);
    return 0;
}

/* By whom requests are counted. */
static const char *caller(const struct lg_identity *who)
{
    return *who->token_id ? who->token_id : *who->user_id ? who->user_id : who->tenant_slug;
}

/*
 * What may be asked of this path; to a page of an allowed other site also with which headers. Whether the
 * site is one of them nginx knows (cors_origins), and says so in every answer.
 */
static int options(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    const char *allow = "";
    for (int i = 0; i < e->details; i++)
        if (!strcmp(e->detail[i].key, "allow"))
            allow = e->detail[i].value;
    lg_resp_empty(r, 204);
    lg_resp_header(r, "Allow", allow);
    if (!*param(q->fcgx, "LODGE_CORS") || !lg_req_header(q, "HTTP_ACCESS_CONTROL_REQUEST_METHOD"))
        return 0;
    lg_resp_header(r, "Access-Control-Allow-Methods", allow);
    lg_resp_header(r, "Access-Control-Allow-Headers",
                   "Authorization, X-API-Key, Content-Type, Accept, Prefer, Idempotency-Key, If-Match, "
                   "If-None-Match, Last-Event-ID, Lodge-Tenant, X-Tenant-ID");
    lg_resp_header(r, "Access-Control-Max-Age", "600");
    return 0;
}

static int handle(struct lg_req *q, const struct lg_pool *pool, struct lg_resp *r, struct lg_err *e)
{
    int rc = parse_target(q, e);
    if (!rc)
        rc = lg_route_find(tables_of(q, pool), q, e);
    if (rc == -(int)LG_METHOD && !strcmp(q->method, "OPTIONS"))
        return options(q, r, e);
    if (!rc) {
        q->dialect = q->route->dialect;
        rc = q->gateway ? lg_gateway_enter(q, e) : lg_authenticate(q, e);
        /* A public page (sign-in above all) stays reachable with a stale cookie. */
        if (rc == -(int)LG_UNAUTHENTICATED && q->route->perm == LG_PERM_PUBLIC)
            rc = 0;
    }
    if (!rc && q->signed_in)
        rc = lg_rate_take(caller(&q->who), &q->rate, e);
    if (!rc)
        rc = permit(q, e);
    if (!rc && q->route->if_match && !lg_req_header(q, "HTTP_IF_MATCH"))
        rc = lg_fail(e, LG_NO_PRECONDITION, "send If-Match with the ETag that a GET answers");
    if (!rc && q->by_cookie && q->signed_in)
        rc = lg_check_csrf(q, e);
    if (!rc)
        rc = read_body(q, e);
    return rc ? rc : perform(q, pool, r, e);
}

/* nginx sends /render here with the signed context of the original request. */
static int render(struct lg_req *q, const struct lg_pool *pool, struct lg_resp *r, struct lg_err *e)
{
    struct lg_handoff h = {0};
    int rc = lg_handoff_open(q, &h, e);
    if (rc)
        return rc;
    bool final = lg_idem_final(q, &h); /* asked before: it may end in between */
    rc = view(q, pool, r, &h, e);
    if (!final)
        return rc;
    if (rc)
        error_answer(q, r, e);
    lg_idem_keep(q, r, &h);
    return 0;
}

/* The fields of draft-ietf-httpapi-ratelimit-headers-06. */
static void add_rate(const struct lg_rate *rate, struct lg_buf *out)
{
    if (rate->limit)
        lg_buf_fmt(out,
                   "RateLimit-Limit: %lld\r\nRateLimit-Remaining: %lld\r\nRateLimit-Reset: %lld\r\n"
                   "RateLimit-Policy: %lld;w=%lld\r\n",
                   (long long)rate->limit, (long long)rate->remaining, (long long)rate->reset_s,
                   (long long)rate->limit, (long long)rate->window_s);
}

static void send_answer(struct lg_req *q, struct lg_resp *r, struct lg_buf *out)
{
    lg_buf_reset(out);
    lg_buf_fmt(out, "Status: %d\r\n", r->status ? r->status : 200);
    if (r->body.len || r->type)
        lg_buf_fmt(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", r->type ? r->type : "application/json",
                   r->body.len);
    lg_buf_str(out, "Cache-Control: ");
    lg_buf_str(out, r->cache ? r->cache : "no-store");
    lg_buf_str(out, "\r\nLodge-Request-Id: ");
    lg_buf_str(out, q->request_id);
    lg_buf_str(out, "\r\n");
    add_rate(&q->rate, out);
    lg_buf_add(out, lg_buf_cstr(&r->headers), r->headers.len);
    lg_buf_str(out, "\r\n");
    if (strcmp(q->method, "HEAD") != 0)
        lg_buf_add(out, lg_buf_cstr(&r->body), r->body.len);
    FCGX_PutStr(out->data, (int)out->len, q->fcgx->out);
}

static void note(const struct lg_req *q, const struct lg_err *e, int64_t started_us)
{
    int64_t ms = (lg_clock_mono_us() - started_us) / 1000;
    char took[24];
    snprintf(took, sizeof took, "%lld", (long long)ms);
    if (e->code && lg_code_http(e->code) >= 500)
        lg_log(LG_WARN, "request failed", "method", q->method, "path", q->path, "code", lg_code_name(e->code),
               "error", e->msg, "ms", took, NULL);
    else if (ms > SLOW_MS)
        lg_log(LG_WARN, "slow request", "method", q->method, "path", q->path, "ms", took, NULL);
}

/* Codes of changes that were asked for properly and refused; not what never became a request. */
static bool is_refusal(enum lg_code code)
{
    static const enum lg_code codes[] = {LG_UNSUPPORTED, LG_FORBIDDEN,       LG_LIMIT,      LG_NOT_FOUND,
                                         LG_NO_INSTANCE, LG_CONFLICT,        LG_STATE,      LG_PRECONDITION,
                                         LG_KEY_REUSED,  LG_NO_PRECONDITION, LG_UNAVAILABLE};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            return true;
    return false;
}

/* A user's change that was refused is in the audit record too. A courtesy: the answer does not depend on it.
 */
static void record_refusal(struct lg_req *q, const struct lg_err *why)
{
    if (!q->signed_in || !q->route || !q->route->action || !is_refusal(why->code) || lg_tx_write(q->db, NULL))
        return;
    const struct lg_audit a = {.who = &q->who,
                               .address = q->address,
                               .action = q->route->action,
                               .subject = q->param[0] ? q->param[0] : "",
                               .result = lg_code_name(why->code),
                               .details = why->msg};
    if (lg_audit_add(q->db, &a, NULL) || lg_tx_commit(q->db, NULL))
        lg_tx_rollback(q->db);
}

struct worker {
    struct lg_app *app;
    const struct lg_pool *pool;
    struct lg_buf headers, body, out; /* memory kept from request to request */
};

static void serve_one(struct worker *w, FCGX_Request *fr)
{
    struct lg_err e = {0};
    struct lg_req q = {.app = w->app,
                       .db = w->app->db,
                       .fcgx = fr,
                       .method = param(fr, "REQUEST_METHOD"),
                       .path = path_of(fr),
                       .address = param(fr, "REMOTE_ADDR"),
                       .request_id = param(fr, "REQUEST_ID")};
    struct lg_resp r = {.headers = w->headers, .body = w->body};
    int64_t started = lg_clock_mono_us();
    lg_db_moment(q.db);
    choose_dialect(&q);
    lg_log_request(q.request_id);
    int rc = !strcmp(q.path, "/render") && w->pool->views ? render(&q, w->pool, &r, &e)
                                                          : handle(&q, w->pool, &r, &e);
    if (q.in_tx)
        lg_tx_rollback(q.db);
    if (!rc && (r.body.failed || r.headers.failed))
        rc = lg_fail(&e, LG_INTERNAL, "the answer is too large");
    if (rc) {
        record_refusal(&q, &e);
        error_answer(&q, &r, &e);
    }
    /* Before it is sent: whoever has the answer finds it counted. */
    lg_metrics_count(q.route, q.method, r.status ? r.status : 200, lg_clock_mono_us() - started);
    send_answer(&q, &r, &w->out);
    note(&q, &e, started);
    lg_log_request(NULL);
    json_decref(q.json);
    free(q.body);
    free(q.scratch);
    w->headers = r.headers;
    w->body = r.body;
    lg_buf_reset(&w->headers);
    lg_buf_reset(&w->body);
}

void lg_loop_one(struct lg_app *app, const struct lg_pool *pool, FCGX_Request *fr)
{
    struct worker w = {.app = app, .pool = pool};
    serve_one(&w, fr);
    lg_buf_done(&w.headers);
    lg_buf_done(&w.body);
    lg_buf_done(&w.out);
}

/*
 * A connection goes on only when all of the request was taken off it: what a refused body left behind would
 * be read as the next request's records, and those are nginx' word for who asks and from where.
 */
static void take_leave(FCGX_Request *fr)
{
    if (FCGX_GetChar(fr->in) != EOF)
        fr->keepConnection = 0;
    FCGX_Finish_r(fr);
}

static bool ready(int fd, long ns)
{
    struct pollfd p = {fd, POLLIN, 0};
    return ppoll(&p, 1, &(struct timespec){.tv_nsec = ns}, NULL) > 0;
}

/* Without the lingering of FCGX_Free: nothing is on its way to an idle peer. nginx repeats a read that meets
 * this. */
static void give_up(FCGX_Request *fr)
{
    FCGX_Free(fr, 0);
    close(fr->ipcFd);
    fr->ipcFd = -1;
}

/*
 * Waits for the next request. A kept connection is preferred; when only the listening socket knocks while
 * ours idles, ours is given up after a moment (a busy client's next request is on its way already), so that a
 * pool never starves behind connections nginx merely keeps. False: stop.
 */
static bool next_request(FCGX_Request *fr, int listen_fd, const volatile sig_atomic_t *stop,
                         const sigset_t *unblocked)
{
    while (!*stop) {
        struct pollfd p[2] = {{listen_fd, POLLIN, 0}, {fr->ipcFd, POLLIN, 0}};
        if (ppoll(p, fr->ipcFd >= 0 ? 2 : 1, NULL, unblocked) < 0)
            continue;
        if (fr->ipcFd >= 0 && !p[1].revents && !ready(fr->ipcFd, GRACE_NS))
            give_up(fr);
        if (!FCGX_Accept_r(fr))
            return true;
    }
    return false;
}

int lg_loop(struct lg_app *app, const struct lg_pool *pool, int listen_fd, const volatile sig_atomic_t *stop,
            const sigset_t *unblocked)
{
    FCGX_Request fr;
    struct worker w = {.app = app,
                       .pool = pool,
                       .headers.max = 32768,
                       .body.max = (size_t)32 << 20,
                       .out.max = (size_t)33 << 20};
    if (FCGX_Init() || FCGX_InitRequest(&fr, listen_fd, FCGI_FAIL_ACCEPT_ON_INTR))
        return 1;
    for (int turns = 0; next_request(&fr, listen_fd, stop, unblocked);) {
        serve_one(&w, &fr);
        /* A busy connection keeps its worker only for so long while others wait. */
        turns = fr.keepConnection ? turns + 1 : 0;
        if (turns >= TURNS_MAX && ready(listen_fd, 0))
            turns = fr.keepConnection = 0;
        take_leave(&fr);
    }
    FCGX_Free(&fr, 1);
    lg_buf_done(&w.headers);
    lg_buf_done(&w.body);
    lg_buf_done(&w.out);
    return 0;
}
