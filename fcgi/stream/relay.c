#include "stream/relay.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "stream/client.h"
#include "stream/sse.h"

enum {
    READ_MAX = 16384, /* bytes read at once, and per turn */
    READ_MIN = 256,
    LOGS_PER_TENANT = 64, /* the runner serves 256 in all, a process each */
};

static void close_both(struct lg_client *c)
{
    lg_ask_close(c);
    lg_loop_close(&c->server->loop, &c->u.relay.source);
}

/* ---- output ---- */

static void emit_json(struct lg_client *c, const char *stream, const uint8_t *p, size_t n)
{
    lg_cleanup_buf struct lg_buf data = {.max = 1 << 20};
    lg_cleanup_buf struct lg_buf b = {.max = 1 << 20};
    struct lg_json j;
    lg_json_init(&j, &data);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "stream", stream);
    lg_json_strn(&j, "text", (const char *)p, n);
    lg_json_end_obj(&j);
    if (c->context.proto == LG_PROTO_WS)
        lg_ws_frame(&b, LG_WS_TEXT, data.data, data.len);
    else
        lg_sse_event(&b, -1, "log", data.data, data.len);
    lg_client_send_buf(c, &b);
}

/* Text goes out in whole characters: an unfinished one waits for its other bytes. */
static void emit_text(struct lg_client *c, int stream, const uint8_t *p, size_t n, bool last)
{
    uint8_t whole[READ_MAX + 4];
    size_t len = lg_utf8_whole(&c->u.relay.carry[stream - 1], p, n, last, whole);
    if (len)
        emit_json(c, stream == 1 ? "stdout" : "stderr", whole, len);
}

static void emit(struct lg_client *c, const struct lg_piece *piece)
{
    if (c->context.proto != LG_PROTO_TEXT) {
        emit_text(c, piece->stream, piece->p, piece->n, false);
        return;
    }
    lg_cleanup_buf struct lg_buf b = {.max = READ_MAX + 64};
    lg_buf_fmt(&b, "%zx\r\n", piece->n);
    lg_buf_add(&b, piece->p, piece->n);
    lg_buf_str(&b, "\r\n");
    lg_client_send_buf(c, &b);
}

static void finish(struct lg_client *c)
{
    static const char end[] = "{\"end\":true}";
    lg_cleanup_buf struct lg_buf b = {.max = 256};
    close_both(c);
    if (c->context.proto == LG_PROTO_TEXT) {
        lg_client_send(c, "0\r\n\r\n", 5);
        lg_client_finish(c);
        return;
    }
    emit_text(c, 1, NULL, 0, true);
    emit_text(c, 2, NULL, 0, true);
    if (c->context.proto == LG_PROTO_WS) {
        lg_ws_frame(&b, LG_WS_TEXT, end, sizeof end - 1);
        lg_client_send_buf(c, &b);
        lg_client_ws_close(c, LG_WS_NORMAL, "");
    } else {
        lg_sse_event(&b, -1, "end", end, sizeof end - 1);
        lg_client_send_buf(c, &b);
        lg_client_finish(c);
    }
}

/* The stream broke off: no "end", so that nobody takes it for whole. */
static void broken(struct lg_client *c, const char *why)
{
    lg_log(LG_WARN, "log stream broken", "instance", c->context.instance, "why", why, NULL);
    close_both(c);
    if (c->context.proto == LG_PROTO_WS)
        lg_client_ws_close(c, LG_WS_FAILED, "the log broke off");
    else
        lg_client_finish(c);
}

/* ---- the stream ---- */

/* Little enough that even its worst rendering (six times the size) fits what a half-full queue has left. */
static size_t read_size(const struct lg_client *c)
{
    size_t n = lg_client_cap(c) / 16;
    return n > READ_MAX ? READ_MAX : n < READ_MIN ? READ_MIN : n;
}

static void pause_when_full(struct lg_client *c)
{
    if (lg_client_pending(c) > lg_client_cap(c) / 2)
        lg_loop_want(&c->server->loop, &c->u.relay.source, 0);
}

static void drained(struct lg_client *c)
{
    lg_loop_want(&c->server->loop, &c->u.relay.source, EPOLLIN);
}

static void on_stream(struct lg_source *src, uint32_t events)
{
    static uint8_t bytes[READ_MAX];
    struct lg_client *c = lg_container_of(src, struct lg_client, u.relay.source);
    (void)events;
    ssize_t n = read(src->fd, bytes, read_size(c));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 || (!n && !lg_frames_whole(&c->u.relay.frames))) {
        broken(c, n < 0 ? strerror(errno) : "end in the middle of a frame");
        return;
    }
    if (!n) {
        finish(c);
        return;
    }
    const uint8_t *p = bytes;
    size_t left = (size_t)n;
    struct lg_piece piece;
    int rc;
    while ((rc = lg_frames_next(&c->u.relay.frames, &p, &left, &piece)) > 0 && c->state == LG_CLIENT_OPEN)
        emit(c, &piece);
    if (rc < 0 && c->state == LG_CLIENT_OPEN)
        broken(c, "not log frames");
    else if (c->state == LG_CLIENT_OPEN)
        pause_when_full(c);
    else
        close_both(c);
}

static void open_stream(struct lg_client *c, int fd)
{
    struct lg_relay *r = &c->u.relay;
    r->source = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_stream};
    if (lg_fd_nonblock(fd, true) || lg_loop_add(&c->server->loop, &r->source)) {
        close_both(c);
        lg_ask_fail(c, LG_BACKEND, "the backend's log stream cannot be watched");
        return;
    }
    lg_client_open(c);
}

/* ---- the question ---- */

static void write_request(struct lg_client *c, struct lg_json *j)
{
    const struct lg_context *x = &c->context;
    lg_json_str(j, "kind", "logs");
    lg_json_str(j, "instance", x->instance);
    lg_json_int(j, "tail", x->tail);
    lg_json_bool(j, "follow", x->follow);
    lg_json_int(j, "since", x->since);
}

/* Logs that are open for this client's tenant, its own included. */
static int logs_of_tenant(const struct lg_client *c)
{
    const struct lg_client *other;
    int n = 0;
    TAILQ_FOREACH(other, &c->server->clients, all)
    n += other->ops == &lg_relay_ops && other->state != LG_CLIENT_DEAD &&
         !strcmp(other->context.tenant, c->context.tenant);
    return n;
}

static void start(struct lg_client *c)
{
    c->u.relay = (struct lg_relay){
        .ask = {.runner = {.fd = -1}, .what = "log", .write = write_request, .opened = open_stream},
        .source = {.fd = -1}};
    if (logs_of_tenant(c) > LOGS_PER_TENANT)
        lg_ask_fail(c, LG_RATE, "too many logs of this tenant are being followed; close one");
    else
        lg_ask_start(c);
}

const struct lg_client_ops lg_relay_ops = {
    .start = start,
    .drained = drained,
    .timeout = lg_ask_timeout,
    .goodbye = lg_client_finish,
    .end = close_both,
};
