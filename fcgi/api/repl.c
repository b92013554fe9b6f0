/*
 * The repl dialect: code in, what it printed out. A worker hands the code to the sandbox pool by a private
 * socket, gets the run's id, and hands the client on to lodge-stream, which waits for the end or passes the
 * output on as it comes. Unknown fields of a body are ignored.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/compute.h"
#include "api/page.h"
#include "api/sandbox.h"
#include "http/auth.h"
#include "store/code_network.h"
#include "store/code_run.h"
#include "store/quota.h"

#define BODY_MAX   ((size_t)24 << 20)
#define CODE_MAX   (10 << 20)
#define INPUT_MAX  (4 << 20)
#define FILES_MAX  64
#define PATH_BYTES 512

struct body {
    const char *language, *code, *input, *session; /* the last is of the path */
    json_t *files, *args, *limits;
    struct lg_opt_bool interactive;
    bool network;          /* the tenant's */
    bool again;            /* its stream may be opened a second time */
    struct lg_quota quota; /* the tenant's */
};

static const struct lg_field body_fields[] = {
    {.name = "language",
     .type = LG_T_STRING,
     .required = true,
     .min = 1,
     .max = 64,
     .offset = offsetof(struct body, language)},
    {.name = "code",
     .type = LG_T_TEXT,
     .required = true,
     .max = CODE_MAX,
     .offset = offsetof(struct body, code)},
    {.name = "stdin", .type = LG_T_TEXT, .max = INPUT_MAX, .offset = offsetof(struct body, input)},
    {.name = "files", .type = LG_T_ARRAY, .max = FILES_MAX, .offset = offsetof(struct body, files)},
    {.name = "args", .type = LG_T_STRINGS, .max = 256, .offset = offsetof(struct body, args)},
    {.name = "limits", .type = LG_T_OBJECT, .offset = offsetof(struct body, limits)},
    {.name = "interactive", .type = LG_T_BOOL, .offset = offsetof(struct body, interactive)},
    {0}};

static const struct lg_field snippet_fields[] = {
    {.name = "code",
     .type = LG_T_TEXT,
     .required = true,
     .max = CODE_MAX,
     .offset = offsetof(struct body, code)},
    {.name = "stdin", .type = LG_T_TEXT, .max = INPUT_MAX, .offset = offsetof(struct body, input)},
    {.name = "args", .type = LG_T_STRINGS, .max = 256, .offset = offsetof(struct body, args)},
    {.name = "limits", .type = LG_T_OBJECT, .offset = offsetof(struct body, limits)},
    {.name = "interactive", .type = LG_T_BOOL, .offset = offsetof(struct body, interactive)},
    {0}};

struct limits {
    struct lg_opt_int time_ms, compile_ms, memory, output, file, cpu, processes;
};

/* What one piece of code may use, whether it has its sandbox to itself or shares a session's. */
#define COMMON_LIMITS                                                                                        \
    {.name = "timeMs",                                                                                       \
     .type = LG_T_INT,                                                                                       \
     .min = 1,                                                                                               \
     .max = 3600000,                                                                                         \
     .offset = offsetof(struct limits, time_ms)},                                                            \
        {.name = "memoryBytes",                                                                              \
         .type = LG_T_INT,                                                                                   \
         .min = 8 << 20,                                                                                     \
         .max = 1e12,                                                                                        \
         .offset = offsetof(struct limits, memory)},                                                         \
    {                                                                                                        \
        .name = "outputBytes", .type = LG_T_INT, .min = 1, .max = 8 << 20,                                   \
        .offset = offsetof(struct limits, output)                                                            \
    }

static const struct lg_field limit_fields[] = {
    COMMON_LIMITS,
    {.name = "compileTimeMs",
     .type = LG_T_INT,
     .min = 1,
     .max = 3600000,
     .offset = offsetof(struct limits, compile_ms)},
    {.name = "fileBytes", .type = LG_T_INT, .min = 1, .max = 1e12, .offset = offsetof(struct limits, file)},
    {.name = "cpuSeconds", .type = LG_T_INT, .min = 1, .max = 3600, .offset = offsetof(struct limits, cpu)},
    {.name = "processes",
     .type = LG_T_INT,
     .min = 1,
     .max = 4096,
     .offset = offsetof(struct limits, processes)},
    {0}};

/* The others are of a process, and a session's interpreter outlives its snippets. */
static const struct lg_field snippet_limit_fields[] = {COMMON_LIMITS, {0}};

struct file {
    const char *path, *content;
};

static const struct lg_field file_fields[] = {{.name = "path",
                                               .type = LG_T_STRING,
                                               .required = true,
                                               .min = 1,
                                               .max = PATH_BYTES,
                                               .offset = offsetof(struct file, path)},
                                              {.name = "content",
                                               .type = LG_T_TEXT,
                                               .required = true,
                                               .max = CODE_MAX,
                                               .offset = offsetof(struct file, content)},
                                              {0}};

static const struct lg_body run_body[] = {
    {.where = "", .fields = body_fields}, {.where = "limits.", .fields = limit_fields}, {.where = NULL}};

/* Below the working directory, and no way out of it; the sandbox itself follows no links either. */
static int check_path(const char *path, struct lg_err *e)
{
    for (const char *p = path; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL) {
        size_t n = strcspn(p, "/");
        bool dots = (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
        if (!n || dots || n > 255) {
            lg_fail(e, LG_INVALID, "files.path must be relative, without empty, . or .. parts");
            return lg_err_detail(e, "field", "files.path");
        }
    }
    return 0;
}

static const struct lg_body snippet_body[] = {{.where = "", .fields = snippet_fields},
                                              {.where = "limits.", .fields = snippet_limit_fields},
                                              {.where = NULL}};

/* One request, as the pool wants it: what is long goes beside the JSON. */
struct request {
    struct lg_buf head;
    struct iovec part[FILES_MAX + 2];
    int parts;
};

static void add_part(struct request *rq, const char *text)
{
    rq->part[rq->parts++] = (struct iovec){(void *)(uintptr_t)text, strlen(text)};
}

static int add_files(struct request *rq, struct lg_json *j, const json_t *files, struct lg_err *e)
{
    size_t i;
    json_t *o;
    lg_json_arr(j, "files");
    json_array_foreach(files, i, o)
    {
        struct file f = {0};
        int rc = lg_body_fields(o, file_fields, false, "files.", &f, e);
        rc = rc ? rc : check_path(f.path, e);
        if (rc)
            return rc;
        lg_json_obj(j, NULL);
        lg_json_str(j, "path", f.path);
        lg_json_int(j, "size", (int64_t)strlen(f.content));
        lg_json_end_obj(j);
        add_part(rq, f.content);
    }
    lg_json_end_arr(j);
    return 0;
}

static int add_limits(struct lg_json *j, const struct lg_field *allowed, const json_t *given,
                      struct lg_err *e)
{
    struct limits l = {0};
    int rc = given ? lg_body_fields(given, allowed, true, "limits.", &l, e) : 0;
    lg_json_obj(j, "limits");
    for (const struct lg_field *f = allowed; f->name; f++) {
        struct lg_opt_int v;
        memcpy(&v, (char *)&l + f->offset, sizeof v);
        if (v.set)
            lg_json_int(j, f->name, v.v);
    }
    lg_json_end_obj(j);
    return rc;
}

static void add_args(struct lg_json *j, const json_t *args)
{
    size_t i;
    json_t *v;
    lg_json_arr(j, "args");
    json_array_foreach(args, i, v) lg_json_strn(j, NULL, json_string_value(v), json_string_length(v));
    lg_json_end_arr(j);
}

static int write_request(struct lg_req *q, const struct body *b, bool whole, struct request *rq,
                         struct lg_err *e)
{
    struct lg_json j;
    lg_json_init(&j, &rq->head);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "t", "run");
    lg_json_str(&j, "tenant", q->who.tenant_id);
    lg_json_str(&j, "user", q->who.user_id);
    lg_json_str(&j, "language", b->language ? b->language : "");
    lg_json_str(&j, "session", b->session ? b->session : "");
    lg_json_bool(&j, "whole", whole);
    lg_json_bool(&j, "interactive", b->interactive.v);
    lg_json_bool(&j, "again", b->again);
    lg_json_bool(&j, "network", b->network);
    lg_json_int(&j, "codeSize", (int64_t)strlen(b->code));
    lg_json_int(&j, "inputSize", b->input ? (int64_t)strlen(b->input) : 0);
    add_args(&j, b->args);
    lg_json_obj(&j, "ceilings");
    lg_ceilings_render(&j, &b->quota.code);
    lg_json_end_obj(&j);
    int rc = add_limits(&j, b->session ? snippet_limit_fields : limit_fields, b->limits, e);
    add_part(rq, b->code);
    rc = rc ? rc : add_files(rq, &j, b->files, e);
    if (b->input)
        add_part(rq, b->input);
    lg_json_end_obj(&j);
    return rc;
}

/* Reads the body and gives it to the pool; what it says of the run in *out. */
static int submit(struct lg_req *q, bool whole, bool interactive, const char *session, json_t **out,
                  struct lg_err *e)
{
    struct request rq = {.head.max = (size_t)1 << 20};
    struct body b = {0};
    json_t *json;
    int rc = lg_req_json(q, &json, e);
    rc = rc ? rc : lg_body_fields(json, session ? snippet_fields : body_fields, false, "", &b, e);
    b.session = session;
    b.interactive.v = b.interactive.v && interactive;
    b.again = interactive;
    rc = rc ? rc : lg_gateway_settle(q, e);
    rc = rc ? rc : lg_code_network_allowed(q->db, q->who.tenant_id, &b.network, e);
    rc = rc ? rc : lg_quota_get(q->db, q->who.tenant_id, &b.quota, e);
    rc = rc ? rc : write_request(q, &b, whole, &rq, e);
    rc = rc ? rc : lg_sandbox_ask(&q->app->conf, &rq.head, rq.part, rq.parts, out, e);
    lg_buf_done(&rq.head);
    return rc;
}

static int hand_on(struct lg_req *q, struct lg_resp *r, const char *proto, const char *run, struct lg_err *e)
{
    struct lg_handoff h = {.k = "run", .proto = proto, .run = run};
    h.format = !strcmp(lg_req_query(q, "format", ""), "json") ? "json" : "";
    h.again = !strcmp(lg_req_query(q, "again", ""), "true");
    return lg_handoff(q, r, &h, e);
}

static int execute_as(struct lg_req *q, struct lg_resp *r, const char *proto, const char *session,
                      struct lg_err *e)
{
    lg_cleanup_json json_t *run = NULL;
    int rc = submit(q, !strcmp(proto, "text"), false, session, &run, e);
    return rc ? rc : hand_on(q, r, proto, json_string_value(json_object_get(run, "id")), e);
}

static int execute(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return execute_as(q, r, "text", NULL, e);
}

static int execute_stream(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return execute_as(q, r, "sse", NULL, e);
}

/* ---- runs ---- */

static int answer_json(struct lg_resp *r, int status, const json_t *j, struct lg_err *e)
{
    char *text = json_dumps(j, JSON_COMPACT);
    r->status = status;
    if (text)
        lg_buf_str(&r->body, text);
    free(text);
    return text ? 0 : lg_fail(e, LG_INTERNAL, "out of memory");
}

/* Its output is listened to, and may be listened to again, at a path of its own. */
static int create_as(struct lg_req *q, struct lg_resp *r, const char *session, struct lg_err *e)
{
    char path[64];
    lg_cleanup_json json_t *run = NULL;
    int rc = submit(q, false, true, session, &run, e);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "/api/repl/runs/%s/stream", json_string_value(json_object_get(run, "id")));
    json_object_set_new(run, "stream", json_string(path));
    return answer_json(r, 201, run, e);
}

static int create_run(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return create_as(q, r, NULL, e);
}

static void question(struct lg_req *q, const char *what, struct lg_json *j, struct lg_buf *head)
{
    lg_json_init(j, head);
    lg_json_obj(j, NULL);
    lg_json_str(j, "t", what);
    lg_json_str(j, "tenant", q->who.tenant_id);
}

static int about_run(struct lg_req *q, bool stop, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf head = {.max = 4096};
    lg_cleanup_json json_t *answer = NULL;
    struct lg_json j;
    question(q, "stop", &j, &head);
    lg_json_str(&j, "id", q->param[0]);
    lg_json_bool(&j, "stop", stop);
    lg_json_end_obj(&j);
    return lg_sandbox_ask(&q->app->conf, &head, NULL, 0, &answer, e);
}

static int stream_run(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    const char *proto;
    int rc = lg_handoff_proto(q, &proto, e);
    rc = rc ? rc : about_run(q, false, e);
    return rc ? rc : hand_on(q, r, strcmp(proto, "text") ? proto : "sse", q->param[0], e);
}

static int stop_run(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    int rc = about_run(q, true, e);
    lg_resp_empty(r, 204);
    return rc;
}

/* ---- history ---- */

static void add_row(void *arg, const struct lg_code_run *r)
{
    struct lg_list *l = arg;
    struct lg_json *j = &l->j;
    if (!lg_page_take(&l->p, r->seq, ""))
        return;
    lg_json_obj(j, NULL);
    lg_json_str(j, "id", r->id);
    lg_json_str(j, "user", r->user_id);
    lg_json_str(j, "language", r->language);
    lg_json_bool(j, "success", r->success);
    if (r->exit_code >= 0)
        lg_json_int(j, "exitCode", r->exit_code);
    else
        lg_json_null(j, "exitCode");
    lg_json_str(j, "limit", *r->limit ? r->limit : NULL);
    lg_json_str(j, "error", *r->error ? r->error : NULL);
    lg_json_int(j, "timeMs", r->time_ms);
    lg_json_int(j, "memoryBytes", r->memory_bytes);
    lg_json_int(j, "queueMs", r->queue_ms);
    lg_json_int(j, "codeBytes", r->code_bytes);
    lg_json_str(j, "code", r->code);
    lg_json_str(j, "output", r->output);
    lg_json_time(j, "createdAt", r->created_at);
    lg_json_end_obj(j);
}

static int list_runs(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    struct lg_page *p = &l.p;
    int rc = lg_list_begin(&l, q, r, "runs", e);
    if (rc)
        return rc;
    rc = lg_code_run_each(q->db, q->who.tenant_id, p->keyed ? p->key_n : INT64_MAX, p->size + 1, p->offset,
                          &p->total, add_row, &l, e);
    return lg_list_end(&l, rc);
}

/* ---- languages ---- */

static int pass_on(struct lg_req *q, struct lg_resp *r, const char *what, int status, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf head = {.max = 4096};
    lg_cleanup_json json_t *answer = NULL;
    struct lg_json j;
    question(q, what, &j, &head);
    lg_json_str(&j, "language", q->param[0] ? q->param[0] : "");
    lg_json_end_obj(&j);
    int rc = lg_sandbox_ask(&q->app->conf, &head, NULL, 0, &answer, e);
    return rc ? rc : answer_json(r, status, answer, e);
}

static int languages(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return pass_on(q, r, "languages", 200, e);
}

static int prepare(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return pass_on(q, r, "prepare", 202, e);
}

static int status(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return pass_on(q, r, "status", 200, e);
}

/* ---- sessions ---- */

struct session_body {
    const char *language;
    struct lg_opt_int ttl;
};

static const struct lg_field session_fields[] = {{.name = "language",
                                                  .type = LG_T_STRING,
                                                  .required = true,
                                                  .min = 1,
                                                  .max = 64,
                                                  .offset = offsetof(struct session_body, language)},
                                                 {.name = "ttlSeconds",
                                                  .type = LG_T_INT,
                                                  .min = 5,
                                                  .max = 86400,
                                                  .offset = offsetof(struct session_body, ttl)},
                                                 {0}};

static int create_session(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf head = {.max = 4096};
    lg_cleanup_json json_t *answer = NULL;
    struct session_body b = {0};
    json_t *json;
    struct lg_json j;
    bool network = false;
    int rc = lg_req_json(q, &json, e);
    rc = rc ? rc : lg_body_fields(json, session_fields, false, "", &b, e);
    rc = rc ? rc : lg_gateway_settle(q, e);
    rc = rc ? rc : lg_code_network_allowed(q->db, q->who.tenant_id, &network, e);
    if (rc)
        return rc;
    question(q, "session", &j, &head);
    lg_json_str(&j, "user", q->who.user_id);
    lg_json_str(&j, "language", b.language);
    lg_json_bool(&j, "network", network);
    lg_json_int(&j, "ttl", b.ttl.set ? b.ttl.v : 0);
    lg_json_end_obj(&j);
    rc = lg_sandbox_ask(&q->app->conf, &head, NULL, 0, &answer, e);
    return rc ? rc : answer_json(r, 201, answer, e);
}

/* Asks about the session of the path; `path` and `body` of a file, or NULL. */
static int ask_session(struct lg_req *q, const char *what, const char *path, const char *body, size_t n,
                       json_t **out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf head = {.max = 8192};
    struct iovec part = {(void *)(uintptr_t)body, n};
    struct lg_json j;
    int rc = path ? check_path(path, e) : 0;
    if (rc)
        return rc;
    question(q, "of-session", &j, &head);
    lg_json_str(&j, "id", q->param[0]);
    lg_json_str(&j, "what", what);
    lg_json_str(&j, "path", path ? path : "");
    lg_json_end_obj(&j);
    return lg_sandbox_ask(&q->app->conf, &head, &part, body != NULL, out, e);
}

static int show(struct lg_req *q, struct lg_resp *r, const char *what, const char *path, struct lg_err *e)
{
    lg_cleanup_json json_t *answer = NULL;
    int rc = ask_session(q, what, path, NULL, 0, &answer, e);
    return rc ? rc : answer_json(r, 200, answer, e);
}

static int sessions(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return pass_on(q, r, "sessions", 200, e);
}

static int get_session(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return show(q, r, "show", NULL, e);
}

static int end_session(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_json json_t *answer = NULL;
    lg_resp_empty(r, 204);
    return ask_session(q, "end", NULL, NULL, 0, &answer, e);
}

static int interrupt_session(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_json json_t *answer = NULL;
    lg_resp_empty(r, 204);
    return ask_session(q, "interrupt", NULL, NULL, 0, &answer, e);
}

static int execute_in(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return execute_as(q, r, "text", q->param[0], e);
}

static int execute_in_stream(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return execute_as(q, r, "sse", q->param[0], e);
}

static int create_in(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return create_as(q, r, q->param[0], e);
}

static int list_files(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return show(q, r, "list", NULL, e);
}

static int get_file(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_json json_t *answer = NULL;
    int rc = ask_session(q, "get", lg_req_query(q, "path", ""), NULL, 0, &answer, e);
    if (rc)
        return rc;
    const json_t *text = json_object_get(answer, "base64");
    size_t cap = json_string_length(text) / 4 * 3 + 4, n = 0;
    if (!lg_buf_reserve(&r->body, cap) ||
        sodium_base642bin((unsigned char *)r->body.data, cap, json_string_value(text),
                          json_string_length(text), NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL))
        return lg_fail(e, LG_INTERNAL, "the file cannot be handed on");
    r->body.len = n;
    r->type = "application/octet-stream";
    return 0;
}

static int put_file(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_json json_t *answer = NULL;
    int rc =
        ask_session(q, "put", lg_req_query(q, "path", ""), q->body ? q->body : "", q->body_len, &answer, e);
    return rc ? rc : answer_json(r, 200, answer, e);
}

#define BASE "/api/repl"
#define READ(path, fn, text)                                                                                 \
    {                                                                                                        \
        .method = "GET", .pattern = path, .perm = LG_PERM_MEMBER, .handler = fn, .doc = text                 \
    }
/* Runs are kept as history by the pool, in batches, and not one by one in the audit record. */
#define RUN(path, fn, text)                                                                                  \
    {                                                                                                        \
        .method = "POST", .pattern = path, .perm = LG_PERM_MEMBER, .body_max = BODY_MAX, .handler = fn,      \
        .doc = text, .body = run_body                                                                        \
    }

#define SNIPPET(path, fn, text)                                                                              \
    {                                                                                                        \
        .method = "POST", .pattern = path, .perm = LG_PERM_MEMBER, .body_max = BODY_MAX, .handler = fn,      \
        .doc = text, .body = snippet_body                                                                    \
    }

const struct lg_route lg_routes_repl[] = {
    READ(BASE "/languages", languages, "Repl dialect: the languages that are ready, and details of all"),
    {.method = "POST",
     .pattern = BASE "/languages/:name/prepare",
     .perm = LG_PERM_MEMBER,
     .handler = prepare,
     .doc = "Builds what a language needs, in the background; GET /api/repl/languages shows how far it is"},
    RUN(BASE "/execute", execute, "Repl dialect: runs code and answers when it has ended"),
    RUN(BASE "/execute/stream", execute_stream,
        "Repl dialect: runs code; server-sent events of what it prints"),
    RUN(BASE "/runs", create_run,
        "Runs code whose output and input come over the stream that is named in the answer"),
    READ(BASE "/runs", list_runs, "History of the tenant's code runs, newest first"),
    READ(BASE "/runs/:id/stream", stream_run,
         "A run's output as it comes: WebSocket (which takes input too) or SSE"),
    {.method = "DELETE",
     .pattern = BASE "/runs/:id",
     .perm = LG_PERM_MEMBER,
     .handler = stop_run,
     .doc = "Stops a run that waits or goes on"},
    READ(BASE "/sessions", sessions, "The tenant's sessions"),
    {.method = "POST",
     .pattern = BASE "/sessions",
     .perm = LG_PERM_MEMBER,
     .body_max = LG_BODY_SMALL,
     .handler = create_session,
     .doc = "An interpreter that keeps its state between snippets",
     .body = LG_BODY_OF(session_fields)},
    READ(BASE "/sessions/:id", get_session, "One session"),
    {.method = "DELETE",
     .pattern = BASE "/sessions/:id",
     .perm = LG_PERM_MEMBER,
     .handler = end_session,
     .doc = "Ends a session"},
    {.method = "POST",
     .pattern = BASE "/sessions/:id/interrupt",
     .perm = LG_PERM_MEMBER,
     .handler = interrupt_session,
     .doc = "SIGINT to the snippet that runs in a session, which lives on if it can"},
    SNIPPET(BASE "/sessions/:id/execute", execute_in,
            "Runs a snippet in a session and answers when it has ended"),
    SNIPPET(BASE "/sessions/:id/execute/stream", execute_in_stream,
            "Runs a snippet in a session; server-sent events"),
    SNIPPET(BASE "/sessions/:id/runs", create_in,
            "Runs a snippet in a session whose output comes over the stream that is named in the answer"),
    READ(BASE "/sessions/:id/files", list_files, "The files of a session"),
    READ(BASE "/sessions/:id/file", get_file, "The bytes of one file, ?path="),
    {.method = "PUT",
     .pattern = BASE "/sessions/:id/file",
     .perm = LG_PERM_MEMBER,
     .body_max = BODY_MAX,
     .handler = put_file,
     .doc = "Puts a file, ?path=, with the body's bytes"},
    READ(BASE "/status", status, "How busy the sandboxes are"),
    {.method = NULL}};
