#include "stream/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "stream/sse.h"

enum {
    ACCEPTS_PER_TURN = 64,
    READ_PER_TURN = 65536, /* bytes */
    HEAD_TIMEOUT_MS = 10000,
    CLOSE_TIMEOUT_MS = 5000, /* and a millisecond more for each so many bytes that are yet to be taken: */
    CLOSE_BYTES_A_MS = 100,
    GOODBYE_TIMEOUT_MS = 600, /* all of them, when the process ends */
    STALL_TIMEOUT_MS = 60000, /* bytes are queued and none gets written */
    EXTRA_CONNECTIONS = 512,  /* above stream_clients_max, to say 503 on */
    ACCEPT_PAUSE_MS = 200,
};

static const struct lg_client_ops *const kinds[LG_KINDS] = {
    [LG_KIND_WAIT] = &lg_wait_ops, [LG_KIND_EVENTS] = &lg_events_ops, [LG_KIND_LOGS] = &lg_relay_ops,
    [LG_KIND_RUN] = &lg_run_ops,   [LG_KIND_ONESHOT] = &lg_run_ops,   [LG_KIND_CONSOLE] = &lg_console_ops,
};

size_t lg_client_pending(const struct lg_client *c)
{
    return c->out.len - c->sent;
}

size_t lg_client_cap(const struct lg_client *c)
{
    return (size_t)c->server->conf->stream_client_buffer;
}

static void make_dirty(struct lg_client *c)
{
    if (c->dirty || c->state == LG_CLIENT_DEAD)
        return;
    c->dirty = true;
    TAILQ_INSERT_TAIL(&c->server->dirty, c, queued);
}

void lg_client_timer(struct lg_client *c, int64_t in_ms)
{
    lg_timer_set(&c->server->loop.timers, &c->timer, lg_clock_mono() + in_ms);
}

/* Unread input makes the kernel answer a close with a reset, which could overtake our last bytes in the eyes
 * of a careless peer. Bounded: who keeps sending gets the reset. */
static void swallow_input(struct lg_client *c)
{
    static char sink[READ_PER_TURN];
    for (int i = 0; i < 4 && recv(c->source.fd, sink, sizeof sink, MSG_DONTWAIT) > 0; i++)
        ;
}

void lg_client_drop(struct lg_client *c)
{
    struct lg_server *s = c->server;
    if (c->state == LG_CLIENT_DEAD)
        return;
    swallow_input(c);
    if (c->ops) {
        s->streams--;
        if (c->ops->end)
            c->ops->end(c);
    }
    c->state = LG_CLIENT_DEAD;
    lg_feed_forget(c);
    lg_timer_cancel(&s->loop.timers, &c->timer);
    lg_loop_close(&s->loop, &c->source);
    if (c->dirty)
        TAILQ_REMOVE(&s->dirty, c, queued);
    c->dirty = false;
    TAILQ_INSERT_TAIL(&s->dead, c, queued);
    s->connections--;
}

static void destroy(struct lg_client *c)
{
    TAILQ_REMOVE(&c->server->clients, c, all);
    lg_buf_done(&c->in);
    lg_buf_done(&c->out);
    lg_context_done(&c->context);
    free(c->handoff);
    free(c);
}

/* ---- writing ---- */

static void advance_mark(struct lg_client *c)
{
    while (c->mark < c->sent) {
        size_t n = lg_ws_frame_size((const uint8_t *)c->out.data + c->mark, c->out.len - c->mark);
        if (!n || n > c->out.len - c->mark)
            break; /* cannot be: only whole frames are queued */
        c->mark += n;
    }
}

/* Gives back the memory of an empty queue: a client that rests costs nothing but itself. */
static void compact(struct lg_client *c)
{
    if (c->sent == c->out.len) {
        lg_buf_done(&c->out);
        c->sent = c->mark = 0;
    } else if (c->sent >= lg_client_cap(c) / 2) {
        lg_buf_drop(&c->out, c->sent);
        c->mark = c->mark > c->sent ? c->mark - c->sent : 0;
        c->sent = 0;
    }
}

/* Kills the client when the peer is gone. */
void lg_client_write(struct lg_client *c)
{
    size_t before = c->sent;
    while (c->sent < c->out.len) {
        ssize_t n =
            send(c->source.fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            lg_client_drop(c);
            return;
        }
        if (n < 0)
            break;
        c->sent += (size_t)n;
    }
    if (c->sent != before)
        c->progress_at = c->server->loop.now;
    if (c->context.proto == LG_PROTO_WS && c->opened)
        advance_mark(c);
    compact(c);
    uint32_t in = c->no_input || c->held ? 0 : EPOLLIN;
    lg_loop_want(&c->server->loop, &c->source, in | (lg_client_pending(c) ? EPOLLOUT : 0));
}

/* After a write: ends a closing client, or lets an open one produce more. */
static void wrote(struct lg_client *c)
{
    if (c->state == LG_CLIENT_CLOSING && !lg_client_pending(c)) {
        /* A WebSocket ends with the peer's close frame; everything else with our end of file. */
        if (!(c->context.proto == LG_PROTO_WS && c->opened) || c->no_input)
            lg_client_drop(c);
    } else if (c->state == LG_CLIENT_OPEN && c->ops && c->ops->drained &&
               lg_client_pending(c) <= lg_client_cap(c) / 4) {
        c->ops->drained(c);
    }
}

static void too_slow(struct lg_client *c)
{
    lg_log(LG_INFO, "client too slow, dropped", "tenant", c->context.tenant, "user", c->context.user, NULL);
    if (c->context.proto != LG_PROTO_WS || !c->opened) {
        lg_client_drop(c);
        return;
    }
    /* Forget what no frame has begun of; the close frame takes its place. */
    c->out.len = c->mark;
    c->out.failed = false;
    lg_client_ws_close(c, LG_WS_SLOW, "too slow");
}

bool lg_client_send(struct lg_client *c, const void *p, size_t n)
{
    if (c->state != LG_CLIENT_OPEN)
        return false;
    size_t cap = lg_client_cap(c);
    if (lg_client_pending(c) && lg_client_pending(c) + n > cap)
        lg_client_write(c);
    if (c->state == LG_CLIENT_DEAD)
        return false;
    /* One message always fits an empty queue, however small the cap was set. */
    if (lg_client_pending(c) && lg_client_pending(c) + n > cap) {
        too_slow(c);
        return false;
    }
    if (!lg_client_pending(c)) /* whoever had nothing to read did not stall */
        c->progress_at = c->server->loop.now;
    lg_buf_add(&c->out, p, n);
    if (c->out.failed) {
        lg_client_drop(c);
        return false;
    }
    make_dirty(c);
    return true;
}

bool lg_client_send_buf(struct lg_client *c, const struct lg_buf *b)
{
    if (b->failed) {
        lg_client_drop(c);
        return false;
    }
    return lg_client_send(c, b->data, b->len);
}

void lg_client_finish(struct lg_client *c)
{
    if (c->state == LG_CLIENT_DEAD || c->state == LG_CLIENT_CLOSING)
        return;
    c->state = LG_CLIENT_CLOSING;
    int64_t patience = CLOSE_TIMEOUT_MS + (int64_t)lg_client_pending(c) / CLOSE_BYTES_A_MS;
    lg_client_timer(c, c->server->stopping ? GOODBYE_TIMEOUT_MS : patience);
    make_dirty(c);
}

void lg_client_ws_close(struct lg_client *c, int code, const char *reason)
{
    if (c->state != LG_CLIENT_OPEN)
        return;
    lg_ws_close_frame(&c->out, code, reason);
    lg_client_finish(c);
}

void lg_client_hold(struct lg_client *c, bool held)
{
    if (c->held == held || c->state == LG_CLIENT_DEAD)
        return;
    c->held = held;
    uint32_t in = c->no_input || held ? 0 : EPOLLIN;
    lg_loop_want(&c->server->loop, &c->source, in | (lg_client_pending(c) ? EPOLLOUT : 0));
}

/* ---- time ---- */

static void ping(struct lg_client *c)
{
    lg_cleanup_buf struct lg_buf b = {.max = 256};
    if (c->context.proto == LG_PROTO_WS)
        lg_ws_frame(&b, LG_WS_PING, NULL, 0);
    else if (c->context.proto == LG_PROTO_SSE)
        lg_sse_ping(&b, c->context.kind == LG_KIND_EVENTS ? lg_events_position(c) : -1);
    if (b.len)
        lg_client_send_buf(c, &b);
}

/* Arms the timer for the next ping or for giving up, whichever is first. */
static void tick_again(struct lg_client *c)
{
    int64_t every = c->server->conf->stream_ping_s * 1000, due = c->ping_at;
    int64_t dead = c->heard_at + every * 12 / 5;
    if (c->context.proto == LG_PROTO_WS && dead < due)
        due = dead;
    lg_timer_set(&c->server->loop.timers, &c->timer, due);
}

static void tick(struct lg_client *c)
{
    int64_t now = lg_clock_mono(), every = c->server->conf->stream_ping_s * 1000;
    bool mute = c->context.proto == LG_PROTO_WS && !c->held && now - c->heard_at >= every * 12 / 5;
    bool stalled = lg_client_pending(c) && now - c->progress_at >= STALL_TIMEOUT_MS;
    if (mute || stalled) {
        lg_log(LG_INFO, mute ? "client does not answer pings, dropped" : "client does not read, dropped",
               "tenant", c->context.tenant, "user", c->context.user, NULL);
        lg_client_drop(c);
        return;
    }
    if (now >= c->ping_at) {
        ping(c);
        c->ping_at = now + every;
    }
    if (c->state == LG_CLIENT_OPEN)
        tick_again(c);
}

static void on_timer(struct lg_timer *t)
{
    struct lg_client *c = lg_container_of(t, struct lg_client, timer);
    if (c->state == LG_CLIENT_HEAD || c->state == LG_CLIENT_CLOSING)
        lg_client_drop(c);
    else if (c->opened)
        tick(c);
    else if (c->ops->timeout)
        c->ops->timeout(c);
}

void lg_client_open(struct lg_client *c)
{
    if (c->state != LG_CLIENT_OPEN || c->opened)
        return;
    lg_client_head(c);
    c->opened = true;
    c->mark = c->out.len;
    c->heard_at = c->progress_at = lg_clock_mono();
    c->ping_at = c->heard_at + c->server->conf->stream_ping_s * 1000;
    tick_again(c);
}

/* ---- reading ---- */

static void ws_event(struct lg_client *c, const struct lg_ws_event *ev)
{
    lg_cleanup_buf struct lg_buf b = {.max = 256};
    c->heard_at = c->server->loop.now;
    switch (ev->opcode) {
    case LG_WS_PING:
        lg_ws_frame(&b, LG_WS_PONG, ev->p, ev->n);
        lg_client_send_buf(c, &b);
        break;
    case LG_WS_CLOSE:
        if (c->state == LG_CLIENT_CLOSING)
            c->no_input = true; /* the answer to ours: nothing more to wait for */
        else
            lg_client_ws_close(c, ev->code, "");
        c->no_input = true;
        make_dirty(c);
        break;
    case LG_WS_TEXT:
    case LG_WS_BINARY:
        if (c->state == LG_CLIENT_OPEN && c->ops->message)
            c->ops->message(c, ev);
        break;
    default: /* pongs */
        break;
    }
}

static void ws_input(struct lg_client *c, uint8_t *p, size_t n)
{
    struct lg_ws_event ev;
    int rc;
    if (n && !c->opened) { /* frames before our 101: not a WebSocket client */
        lg_client_drop(c);
        return;
    }
    while (!c->no_input && c->state != LG_CLIENT_DEAD && (rc = lg_ws_decode(&c->ws, &p, &n, &ev))) {
        if (rc == 1) {
            ws_event(c, &ev);
            continue;
        }
        if (c->state == LG_CLIENT_CLOSING)
            lg_client_drop(c);
        else
            lg_client_ws_close(c, rc, rc == LG_WS_TOO_BIG ? "message too big" : "protocol error");
        c->no_input = true; /* what follows a broken frame means nothing */
        make_dirty(c);
        return;
    }
}

static void begin(struct lg_client *c, const struct lg_head *h)
{
    struct lg_err e = {0};
    struct lg_server *s = c->server;
    if (lg_slice_is(h->target, "/health")) {
        lg_client_health(c);
        return;
    }
    if (lg_context_open(&c->context, &s->key, h->context.p, h->context.n, lg_clock_ms(), &e)) {
        lg_client_fail(c, &e);
        return;
    }
    if (s->streams >= (size_t)s->conf->stream_clients_max) {
        lg_fail(&e, LG_UNAVAILABLE, "too many open streams; try again");
        lg_client_fail(c, &e);
        return;
    }
    if (lg_feed_is_revoked(&s->feed, c)) {
        lg_fail(&e, LG_UNAUTHENTICATED, "the credential was revoked");
        lg_client_fail(c, &e);
        return;
    }
    if (c->context.proto == LG_PROTO_WS && !lg_client_handshake(c, h))
        return;
    if (c->context.kind == LG_KIND_WAIT && !(c->handoff = strndup(h->context.p, h->context.n))) {
        lg_client_drop(c);
        return;
    }
    c->ops = kinds[c->context.kind];
    s->streams++;
    c->ops->start(c);
}

/* A head that comes whole, as nearly all do, is parsed where it was read and never copied. */
static void head_input(struct lg_client *c, uint8_t *bytes, size_t n)
{
    struct lg_err e = {0};
    struct lg_head h;
    char *p = (char *)bytes;
    if (c->in.len) {
        lg_buf_add(&c->in, bytes, n);
        p = c->in.data;
        n = c->in.len;
    }
    size_t end = lg_head_end(p, n, &c->scanned);
    if (!end && n < LG_HEAD_MAX && !c->in.len)
        lg_buf_add(&c->in, bytes, n);
    if (c->in.failed) {
        lg_client_drop(c);
        return;
    }
    if (!end && n < LG_HEAD_MAX)
        return;
    c->state = LG_CLIENT_OPEN;
    lg_timer_cancel(&c->server->loop.timers, &c->timer);
    if (!end || end > LG_HEAD_MAX) {
        lg_fail(&e, LG_TOO_LARGE, "the request's head is larger than %d bytes", LG_HEAD_MAX);
        lg_client_fail(c, &e);
    } else if (!lg_head_parse(&h, p, end)) {
        lg_fail(&e, LG_INVALID, "the request is not valid HTTP");
        lg_client_fail(c, &e);
    } else {
        begin(c, &h);
        if (c->context.proto == LG_PROTO_WS && c->ops)
            ws_input(c, (uint8_t *)p + end, n - end);
    }
    lg_buf_done(&c->in);
}

static void on_input(struct lg_client *c)
{
    static uint8_t bytes[READ_PER_TURN];
    ssize_t n = recv(c->source.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && c->state == LG_CLIENT_HEAD)
        head_input(c, bytes, (size_t)n);
    else if (n > 0 && c->context.proto == LG_PROTO_WS && c->ops)
        ws_input(c, bytes, (size_t)n);
    if (n > 0)
        return; /* else: a request's body, which nobody wants */
    /* nginx never half-closes: the end of its input is the end of the client. Only a last answer that is on
     * its way is still written. */
    if (n < 0 || c->state != LG_CLIENT_CLOSING || !lg_client_pending(c)) {
        lg_client_drop(c);
        return;
    }
    c->no_input = true;
    lg_loop_want(&c->server->loop, &c->source, EPOLLOUT);
}

static void on_ready(struct lg_source *src, uint32_t events)
{
    struct lg_client *c = lg_container_of(src, struct lg_client, source);
    if (events & (EPOLLERR | EPOLLHUP)) {
        lg_client_drop(c);
        return;
    }
    if (events & EPOLLIN)
        on_input(c);
    if (events & EPOLLOUT && c->state != LG_CLIENT_DEAD) {
        lg_client_write(c);
        if (c->state != LG_CLIENT_DEAD)
            wrote(c);
    }
}

/* ---- arriving and leaving ---- */

static void add(struct lg_server *s, int fd)
{
    struct lg_client *c = calloc(1, sizeof *c);
    if (!c) {
        lg_fd_close(&fd);
        return;
    }
    c->server = s;
    c->source = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_ready};
    c->timer.fire = on_timer;
    c->in.max = LG_HEAD_MAX + READ_PER_TURN;
    c->out.max = (size_t)64 << 20; /* above any cap and any single event */
    if (lg_loop_add(&s->loop, &c->source)) {
        lg_fd_close(&fd);
        free(c);
        return;
    }
    TAILQ_INSERT_TAIL(&s->clients, c, all);
    s->connections++;
    lg_client_timer(c, HEAD_TIMEOUT_MS);
}

static void on_accept_again(struct lg_timer *t)
{
    struct lg_server *s = lg_container_of(t, struct lg_server, accept_again);
    lg_loop_want(&s->loop, &s->listener, EPOLLIN);
}

static void on_connection(struct lg_source *src, uint32_t events)
{
    struct lg_server *s = lg_container_of(src, struct lg_server, listener);
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = -1;
        errno = EMFILE;
        if (s->connections < (size_t)s->conf->stream_clients_max + EXTRA_CONNECTIONS)
            fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add(s, fd);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return;
        /* No descriptors left, or full: stop looking for a moment instead of spinning on a ready socket. */
        lg_log(LG_WARN, "cannot accept more clients for now", NULL);
        lg_loop_want(&s->loop, src, 0);
        lg_timer_set(&s->loop.timers, &s->accept_again, lg_clock_mono() + ACCEPT_PAUSE_MS);
        return;
    }
}

int lg_clients_listen(struct lg_server *s, const char *path, int gid, struct lg_err *e)
{
    s->accept_again.fire = on_accept_again;
    int fd = lg_unix_listen(path, SOCK_STREAM | SOCK_NONBLOCK, 4096, gid, e);
    if (fd < 0)
        return fd;
    s->listener = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_connection};
    return lg_loop_add(&s->loop, &s->listener) ? lg_fail_errno(e, LG_INTERNAL, "cannot watch %s", path) : 0;
}

void lg_clients_flush(struct lg_server *s)
{
    struct lg_client *c;
    while ((c = TAILQ_FIRST(&s->dirty))) {
        TAILQ_REMOVE(&s->dirty, c, queued);
        c->dirty = false;
        lg_client_write(c);
        if (c->state != LG_CLIENT_DEAD)
            wrote(c);
    }
    while ((c = TAILQ_FIRST(&s->dead))) {
        TAILQ_REMOVE(&s->dead, c, queued);
        destroy(c);
    }
}

void lg_clients_goodbye(struct lg_server *s)
{
    struct lg_client *c;
    TAILQ_FOREACH(c, &s->clients, all)
    {
        if (c->state == LG_CLIENT_HEAD)
            lg_client_drop(c);
        else if (c->state == LG_CLIENT_OPEN && c->context.proto == LG_PROTO_WS && c->opened)
            lg_client_ws_close(c, LG_WS_GOING_AWAY, "the service restarts");
        else if (c->state == LG_CLIENT_OPEN && c->ops && c->ops->goodbye)
            c->ops->goodbye(c);
        else
            lg_client_finish(c);
    }
}
