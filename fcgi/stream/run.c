#include "stream/run.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "model/frame.h"
#include "model/run_frame.h"
#include "stream/client.h"
#include "stream/frame.h"
#include "stream/sse.h"

enum {
    ANSWER_TIMEOUT_MS = 10000,
    RETRY_MS = 50,
    ATTEMPTS = 100,
    READ_MAX = 16384,
    ANSWER_MAX = 64 << 20, /* a whole answer; the pool keeps below it */
};

static void fail(struct lg_client *c, enum lg_code code, const char *msg)
{
    struct lg_err e = {0};
    lg_fail(&e, code, "%s", msg);
    lg_client_fail(c, &e);
}

static void close_both(struct lg_client *c)
{
    lg_loop_close(&c->server->loop, &c->u.run.pool);
    lg_loop_close(&c->server->loop, &c->u.run.source);
}

static void end(struct lg_client *c)
{
    close_both(c);
    lg_buf_done(&c->u.run.text);
    lg_buf_done(&c->u.run.typed);
}

static bool is_json(const struct lg_client *c)
{
    return c->context.proto == LG_PROTO_WS || !strcmp(c->context.format, "json");
}

/* ---- output ---- */

/* One event: each line of the text is a line of data, as the format wants it. */
static void sse_text(struct lg_client *c, const char *prefix, const char *p, size_t n)
{
    lg_cleanup_buf struct lg_buf b = {.max = 1 << 20};
    lg_buf_fmt(&b, "id: %lld\ndata: %s", (long long)++c->u.run.events, prefix);
    for (size_t i = 0; i < n; i++)
        if (p[i] == '\n' || p[i] == '\r') {
            i += p[i] == '\r' && i + 1 < n && p[i + 1] == '\n';
            lg_buf_fmt(&b, "\ndata: %s", i + 1 < n ? prefix : "");
        } else {
            lg_buf_char(&b, p[i]);
        }
    lg_buf_str(&b, "\n\n");
    lg_client_send_buf(c, &b);
}

static void send_json(struct lg_client *c, const char *event, const struct lg_buf *data)
{
    lg_cleanup_buf struct lg_buf b = {.max = 1 << 20};
    if (c->context.proto == LG_PROTO_WS)
        lg_ws_frame(&b, LG_WS_TEXT, lg_buf_cstr(data), data->len);
    else
        lg_sse_event(&b, ++c->u.run.events, event, lg_buf_cstr(data), data->len);
    lg_client_send_buf(c, &b);
}

static void emit(struct lg_client *c, int stream, const char *p, size_t n)
{
    if (!is_json(c)) {
        sse_text(c, stream == LG_RUN_FRAME_ERR ? "ERROR: " : "", p, n);
        return;
    }
    lg_cleanup_buf struct lg_buf data = {.max = 1 << 20};
    struct lg_json j;
    lg_json_init(&j, &data);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "stream", stream == LG_RUN_FRAME_ERR ? "stderr" : "stdout");
    lg_json_strn(&j, "text", p, n);
    lg_json_end_obj(&j);
    send_json(c, "output", &data);
}

/* Whole characters only; `last` sends an unfinished one too. */
static void output(struct lg_client *c, int stream, const uint8_t *p, size_t n, bool last)
{
    uint8_t whole[READ_MAX + 4];
    size_t len = lg_utf8_whole(&c->u.run.carry[stream - 1], p, n, last, whole);
    if (len)
        emit(c, stream, (const char *)whole, len);
}

static void finish(struct lg_client *c, const char *event)
{
    struct lg_run_stream *r = &c->u.run;
    lg_cleanup_json json_t *j = lg_json_parse(lg_buf_cstr(&r->text), r->text.len, 8, NULL);
    output(c, LG_RUN_FRAME_OUT, NULL, 0, true);
    output(c, LG_RUN_FRAME_ERR, NULL, 0, true);
    const char *why = json_string_value(json_object_get(json_object_get(j, "error"), "message"));
    const char *limit = json_string_value(json_object_get(j, "limit"));
    lg_cleanup_buf struct lg_buf said = {.max = 1024};
    if (why)
        lg_buf_str(&said, why);
    else if (limit)
        lg_buf_fmt(&said, "the run was ended: %s", limit);
    if (said.len && !is_json(c))
        sse_text(c, "ERROR: ", said.data, said.len);
    if (c->context.proto == LG_PROTO_WS) {
        lg_cleanup_buf struct lg_buf b = {.max = 1 << 20};
        lg_buf_fmt(&b, "{\"%s\":%s}", why ? "failed" : "done", lg_buf_cstr(&r->text));
        send_json(c, NULL, &b);
        lg_client_ws_close(c, why ? LG_WS_FAILED : LG_WS_NORMAL, "");
    } else {
        send_json(c, event, &r->text);
        lg_client_finish(c);
    }
    close_both(c);
}

/* For clients that read lines: what is being fetched, apart from the output by its name. */
static void send_progress(struct lg_client *c)
{
    lg_cleanup_json json_t *j = lg_json_parse(lg_buf_cstr(&c->u.run.text), c->u.run.text.len, 8, NULL);
    const char *text = json_string_value(json_object_get(j, "text"));
    lg_cleanup_buf struct lg_buf b = {.max = 1 << 16};
    if (!text)
        return;
    lg_sse_event(&b, ++c->u.run.events, "progress", text, strlen(text));
    lg_client_send_buf(c, &b);
}

/* A frame of JSON is whole. */
static void said(struct lg_client *c)
{
    struct lg_run_stream *r = &c->u.run;
    int type = r->head[0];
    bool error = type == LG_RUN_FRAME_ERROR;
    if (type == LG_RUN_FRAME_STATE) {
        if (c->opened && is_json(c))
            send_json(c, "state", &r->text);
        else if (c->opened)
            send_progress(c);
    } else if (c->opened) {
        finish(c, "done");
    } else if (error) {
        lg_cleanup_json json_t *j = lg_json_parse(lg_buf_cstr(&r->text), r->text.len, 8, NULL);
        const json_t *o = json_object_get(j, "error");
        const char *code = json_string_value(json_object_get(o, "code"));
        const char *msg = json_string_value(json_object_get(o, "message"));
        const char *retry = json_string_value(json_object_get(json_object_get(o, "details"), "retryAfter"));
        struct lg_err e = {0};
        close_both(c);
        lg_fail(&e, code ? lg_code_of(code) : LG_BACKEND, "%s", msg ? msg : "the code could not be run");
        if (retry)
            lg_err_detail(&e, "retryAfter", "%s", retry);
        lg_client_fail(c, &e);
    } else {
        close_both(c);
        lg_client_answer(c, 200, &r->text);
    }
    lg_buf_reset(&r->text);
}

/* ---- the stream ---- */

static void pause_when_full(struct lg_client *c)
{
    if (lg_client_pending(c) > lg_client_cap(c) / 2)
        lg_loop_want(&c->server->loop, &c->u.run.source, 0);
}

static void drained(struct lg_client *c)
{
    lg_loop_want(&c->server->loop, &c->u.run.source, EPOLLIN);
}

/* True while there is more to do with these bytes. */
static bool take(struct lg_client *c, const uint8_t **p, size_t *n)
{
    struct lg_run_stream *r = &c->u.run;
    if (r->have < sizeof r->head) {
        r->head[r->have++] = **p;
        ++*p;
        --*n;
        if (r->have < sizeof r->head)
            return *n > 0;
        r->left =
            (uint32_t)r->head[4] << 24 | (uint32_t)r->head[5] << 16 | (uint32_t)r->head[6] << 8 | r->head[7];
    }
    size_t k = *n < r->left ? *n : r->left;
    int type = r->head[0];
    bool bytes = type == LG_RUN_FRAME_OUT || type == LG_RUN_FRAME_ERR;
    if (bytes && k)
        output(c, type, *p, k, false);
    else if (k)
        lg_buf_add(&r->text, *p, k);
    r->left -= (uint32_t)k;
    *p += k;
    *n -= k;
    if (!r->left) {
        r->have = 0;
        if (!bytes)
            said(c);
    }
    return *n && c->state == LG_CLIENT_OPEN;
}

static void on_stream(struct lg_source *src, uint32_t events)
{
    static uint8_t bytes[READ_MAX];
    struct lg_client *c = lg_container_of(src, struct lg_client, u.run.source);
    size_t most = lg_client_cap(c) / 16;
    (void)events;
    ssize_t n = read(src->fd, bytes, c->opened && most < sizeof bytes ? most : sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        static const char why[] =
            "{\"error\":{\"code\":\"BACKEND_UNAVAILABLE\",\"message\":\"the runner ended in the "
            "middle of the run\",\"details\":{}}}";
        lg_buf_reset(&c->u.run.text);
        lg_buf_str(&c->u.run.text, why);
        c->u.run.head[0] = LG_RUN_FRAME_ERROR;
        said(c);
        return;
    }
    const uint8_t *p = bytes;
    size_t left = (size_t)n;
    while (take(c, &p, &left))
        ;
    if (c->state == LG_CLIENT_OPEN && c->opened)
        pause_when_full(c);
    else if (c->state == LG_CLIENT_DEAD)
        close_both(c);
}

static void open_stream(struct lg_client *c, int fd)
{
    struct lg_run_stream *r = &c->u.run;
    r->source = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_stream};
    lg_timer_cancel(&c->server->loop.timers, &c->timer);
    if (lg_fd_nonblock(fd, true) || lg_loop_add(&c->server->loop, &r->source)) {
        close_both(c);
        fail(c, LG_INTERNAL, "the run's stream cannot be watched");
        return;
    }
    if (c->context.proto != LG_PROTO_TEXT)
        lg_client_open(c);
}

/* ---- the pool's answer ---- */

static void on_pool(struct lg_source *src, uint32_t events)
{
    static char bytes[8192];
    struct lg_client *c = lg_container_of(src, struct lg_client, u.run.pool);
    lg_cleanup_fd int fd = -1;
    (void)events;
    ssize_t n = lg_recv_fd(src->fd, bytes, sizeof bytes, &fd);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    lg_loop_close(&c->server->loop, src);
    lg_cleanup_json json_t *j = n > 0 ? lg_json_parse(bytes, (size_t)n, 8, NULL) : NULL;
    if (fd < 0 || !json_is_true(json_object_get(j, "ok"))) {
        const json_t *o = json_object_get(j, "error");
        const char *code = json_string_value(json_object_get(o, "code"));
        const char *msg = json_string_value(json_object_get(o, "message"));
        fail(c, code ? lg_code_of(code) : LG_UNAVAILABLE,
             msg ? msg : "the runner ended before the run began");
        return;
    }
    int stream = fd;
    fd = -1;
    open_stream(c, stream);
}

static void ask_pool(struct lg_client *c)
{
    struct lg_run_stream *r = &c->u.run;
    struct lg_err e = {0};
    char path[PATH_MAX];
    lg_cleanup_buf struct lg_buf b = {.max = 1024};
    struct lg_json j;
    bool oneshot = c->context.kind == LG_KIND_ONESHOT;
    lg_conf_path(c->server->conf, path, sizeof path,
                 oneshot ? "run/oneshots.sock" : "run/sandbox-streams.sock");
    int fd = lg_unix_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, &e);
    if (fd < 0) {
        if (errno == EAGAIN && ++r->attempts < ATTEMPTS)
            lg_client_timer(c, RETRY_MS);
        else
            fail(c, LG_UNAVAILABLE, "the runner does not answer");
        return;
    }
    r->pool = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_pool};
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "run", c->context.run);
    lg_json_str(&j, "tenant", c->context.tenant);
    lg_json_bool(&j, "again", c->context.again);
    lg_json_end_obj(&j);
    if (b.failed || lg_send_fd(fd, b.data, b.len, -1, &e) || lg_loop_add(&c->server->loop, &r->pool)) {
        lg_loop_close(&c->server->loop, &r->pool);
        fail(c, LG_UNAVAILABLE, "the runner does not take the request");
        return;
    }
    lg_client_timer(c, ANSWER_TIMEOUT_MS);
}

static void start(struct lg_client *c)
{
    c->u.run = (struct lg_run_stream){.pool = {.fd = -1},
                                      .source = {.fd = -1},
                                      .text = {.max = ANSWER_MAX},
                                      .typed = {.max = LG_WS_MESSAGE_MAX}};
    ask_pool(c);
}

static void timeout(struct lg_client *c)
{
    if (c->u.run.pool.fd < 0) {
        ask_pool(c);
        return;
    }
    close_both(c);
    fail(c, LG_TIMEOUT, "the runner did not answer in time");
}

/* ---- what a client types ---- */

/* Small messages against a socket's buffer: a program that never reads its input loses what does not fit. */
static void tell(struct lg_client *c, int type, const char *p, size_t n)
{
    lg_cleanup_buf struct lg_buf b = {.max = LG_WS_MESSAGE_MAX + 64};
    lg_frame_add(&b, type, p, n);
    if (c->u.run.source.fd < 0)
        return;
    if (send(c->u.run.source.fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)b.len)
        lg_client_ws_close(c, LG_WS_SLOW, "the program does not read its input");
}

static const struct {
    const char *key;
    int type;
} words[] = {{"eof", LG_RUN_FRAME_EOF}, {"interrupt", LG_RUN_FRAME_INTERRUPT}, {"stop", LG_RUN_FRAME_STOP}};

static void message(struct lg_client *c, const struct lg_ws_event *ev)
{
    struct lg_run_stream *r = &c->u.run;
    if (ev->opcode == LG_WS_BINARY) {
        tell(c, LG_RUN_FRAME_INPUT, (const char *)ev->p, ev->n);
        return;
    }
    lg_buf_add(&r->typed, ev->p, ev->n);
    if (!ev->last)
        return;
    lg_cleanup_json json_t *j = lg_json_parse(lg_buf_cstr(&r->typed), r->typed.len, 4, NULL);
    lg_buf_reset(&r->typed);
    const json_t *input = json_object_get(j, "stdin");
    if (json_string_length(input))
        tell(c, LG_RUN_FRAME_INPUT, json_string_value(input), json_string_length(input));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (json_is_true(json_object_get(j, words[i].key)))
            tell(c, words[i].type, NULL, 0);
}

const struct lg_client_ops lg_run_ops = {
    .start = start,
    .drained = drained,
    .timeout = timeout,
    .message = message,
    .goodbye = lg_client_finish,
    .end = end,
};
