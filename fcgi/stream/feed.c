#include "stream/feed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "stream/client.h"
#include "stream/server.h"
#include "stream/slice.h"

enum {
    LINE_MAX_BYTES = 32 << 20, /* one line: a page of large events */
    OUT_MAX_BYTES = 8 << 20,   /* questions that a feeder may leave unread */
    READ_PER_TURN = 256 << 10,
    PAGE = 200, /* events asked for at once */
    ANSWER_TIMEOUT_MS = 30000,
    JSON_DEPTH = 32,
};

/* ---- questions ---- */

static struct lg_client **bucket(struct lg_feed *f, int64_t req)
{
    return &f->reqs[(uint64_t)req % LG_REQ_BUCKETS];
}

static void say(struct lg_server *s, const struct lg_buf *line)
{
    lg_buf_add(&s->feed.out, line->data, line->len);
    lg_buf_char(&s->feed.out, '\n');
}

static void expect_answer(struct lg_server *s)
{
    lg_timer_set(&s->loop.timers, &s->feed.answer, lg_clock_mono() + ANSWER_TIMEOUT_MS);
}

static void begin_question(struct lg_client *c, struct lg_json *j, const char *type)
{
    struct lg_feed *f = &c->server->feed;
    c->req = ++f->next_req;
    struct lg_client **b = bucket(f, c->req);
    c->req_next = *b;
    *b = c;
    f->pages += c->context.kind == LG_KIND_EVENTS;
    if (!f->asked++)
        expect_answer(c->server);
    lg_json_obj(j, NULL);
    lg_json_str(j, "t", type);
    lg_json_int(j, "req", c->req);
}

void lg_feed_ask_resume(struct lg_client *c)
{
    lg_cleanup_buf struct lg_buf line = {.max = 65536};
    struct lg_json j;
    lg_json_init(&j, &line);
    begin_question(c, &j, "resume");
    lg_json_int(&j, "after", c->u.events.last);
    lg_json_str(&j, "scope", c->context.scope);
    lg_json_str(&j, "kinds", c->context.kinds);
    lg_json_str(&j, "format", c->context.format);
    lg_json_int(&j, "limit", PAGE);
    lg_json_end_obj(&j);
    say(c->server, &line);
}

void lg_feed_ask_op(struct lg_client *c)
{
    lg_cleanup_buf struct lg_buf line = {.max = 65536};
    struct lg_json j;
    lg_json_init(&j, &line);
    begin_question(c, &j, "op?");
    lg_json_str(&j, "op", c->context.op);
    lg_json_end_obj(&j);
    say(c->server, &line);
}

void lg_feed_forget(struct lg_client *c)
{
    struct lg_feed *f = &c->server->feed;
    if (!c->req)
        return;
    struct lg_client **at = bucket(f, c->req);
    while (*at && *at != c)
        at = &(*at)->req_next;
    if (*at)
        *at = c->req_next;
    c->req = 0;
    c->req_next = NULL;
    f->pages -= c->context.kind == LG_KIND_EVENTS;
    if (!--f->asked)
        lg_timer_cancel(&c->server->loop.timers, &f->answer);
}

/* The client that asked, its question now closed; NULL when it has left. */
static struct lg_client *answered(struct lg_server *s, const json_t *j, enum lg_kind kind)
{
    int64_t req = json_integer_value(json_object_get(j, "req"));
    struct lg_client *c = *bucket(&s->feed, req);
    while (c && c->req != req)
        c = c->req_next;
    if (!c || c->context.kind != kind)
        return NULL;
    lg_feed_forget(c);
    return c->state == LG_CLIENT_OPEN ? c : NULL;
}

/* ---- connection ---- */

static void drop_peer(struct lg_server *s, const char *why)
{
    struct lg_feed *f = &s->feed;
    if (f->peer.fd < 0)
        return;
    lg_log(LG_WARN, "feeder disconnected", "why", why, NULL);
    lg_loop_close(&s->loop, &f->peer);
    for (size_t i = 0; i < LG_REQ_BUCKETS; i++)
        while (f->reqs[i])
            lg_feed_forget(f->reqs[i]);
    lg_buf_done(&f->in);
    lg_buf_done(&f->out);
    f->scanned = f->sent = 0;
    bool was_ready = f->ready;
    f->ready = false;
    if (was_ready && !s->stopping)
        lg_events_feeder_left(s);
}

static void on_mute(struct lg_timer *t)
{
    drop_peer(lg_container_of(t, struct lg_server, feed.answer), "no answer");
}

void lg_feed_flush(struct lg_server *s)
{
    struct lg_feed *f = &s->feed;
    if (f->out.failed) {
        drop_peer(s, "does not read");
        return;
    }
    while (f->peer.fd >= 0 && f->sent < f->out.len) {
        ssize_t n =
            send(f->peer.fd, f->out.data + f->sent, f->out.len - f->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR) {
            drop_peer(s, "cannot write");
            return;
        }
        f->sent += n > 0 ? (size_t)n : 0;
    }
    lg_loop_want(&s->loop, &f->peer, EPOLLIN | (f->sent < f->out.len ? EPOLLOUT : 0));
    lg_buf_drop(&f->out, f->sent);
    f->sent = 0;
    if (!f->out.len)
        lg_buf_done(&f->out);
}

/* ---- lines ---- */

static const char *string_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

static bool on_hello(struct lg_server *s, const json_t *j, const char *line, size_t n)
{
    (void)line;
    (void)n;
    const json_t *last = json_object_get(j, "last");
    struct lg_feed *f = &s->feed;
    if (!json_is_integer(last) || f->ready)
        return false;
    int64_t before = f->last;
    f->last = json_integer_value(last);
    f->ready = true;
    lg_log(LG_INFO, "feeder connected", NULL);
    if (before >= 0 && before < f->last) {
        /* What was revoked while no feeder was there to say so. */
        lg_cleanup_buf struct lg_buf ask = {.max = 256};
        lg_buf_fmt(&ask, "{\"t\":\"revoked?\",\"after\":%lld}", (long long)before);
        say(s, &ask);
    }
    lg_waits_ask_all(s);
    lg_events_feeder_came(s);
    return true;
}

static bool kind_is_plain(const char *kind)
{
    return *kind && strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == strlen(kind);
}

/* Fills `ev` from an event line; the caller calls lg_event_done in any case. */
static bool read_event(struct lg_event *ev, const json_t *j, const char *line, size_t n)
{
    struct lg_json_slice data;
    const json_t *id = json_object_get(j, "id");
    *ev = (struct lg_event){.id = json_integer_value(id),
                            .admin = json_is_true(json_object_get(j, "admin")),
                            .tenant = string_of(j, "tenant"),
                            .kind = string_of(j, "kind"),
                            .subject = string_of(j, "subject")};
    if (!json_is_integer(id) || ev->id < 0 || !kind_is_plain(ev->kind) ||
        !json_is_object(json_object_get(j, "data")) || !lg_slice_member(line, n, "data", &data))
        return false;
    lg_event_render(ev, data.p, data.n);
    lg_event_render_cloud(ev, json_object_get(j, "data"));
    return true;
}

static bool on_event(struct lg_server *s, const json_t *j, const char *line, size_t n)
{
    struct lg_event ev;
    bool ok = s->feed.ready && read_event(&ev, j, line, n);
    if (!ok)
        return false;
    lg_events_push(s, &ev);
    if (ev.id > s->feed.last)
        s->feed.last = ev.id;
    const char *op = string_of(j, "op");
    if (*op && json_is_true(json_object_get(j, "done")))
        lg_waits_done(s, op);
    lg_event_done(&ev);
    return true;
}

static bool on_batch(struct lg_server *s, const json_t *j, const char *line, size_t n)
{
    struct lg_client *c = answered(s, j, LG_KIND_EVENTS);
    struct lg_json_slice events, one, first;
    if (!c)
        return true;
    if (json_object_get(j, "first") && lg_slice_member(line, n, "first", &first))
        lg_events_first(c, first.p, first.n);
    if (!lg_slice_member(line, n, "events", &events))
        return false;
    bool wanted = true;
    json_t *list = json_object_get(j, "events");
    size_t i = 0, at = 0;
    while (wanted && i < json_array_size(list) && lg_slice_element(events.p, events.n, &at, &one)) {
        struct lg_event ev;
        if (!read_event(&ev, json_array_get(list, i++), one.p, one.n))
            return false;
        wanted = lg_events_page(c, &ev);
        lg_event_done(&ev);
    }
    lg_events_page_end(c, !wanted, json_is_true(json_object_get(j, "more")),
                       json_integer_value(json_object_get(j, "next")));
    return true;
}

static bool on_gone(struct lg_server *s, const json_t *j, const char *line, size_t n)
{
    (void)line;
    (void)n;
    struct lg_client *c = answered(s, j, LG_KIND_EVENTS);
    if (c)
        lg_events_gone(c, json_integer_value(json_object_get(j, "oldest")));
    return true;
}

static bool on_op(struct lg_server *s, const json_t *j, const char *line, size_t n)
{
    (void)line;
    (void)n;
    struct lg_client *c = answered(s, j, LG_KIND_WAIT);
    if (c)
        lg_wait_answered(c, json_is_true(json_object_get(j, "done")));
    return true;
}

static bool revokes(const struct lg_revocation *r, const struct lg_context *x)
{
    if (*r->token)
        return !strcmp(r->token, x->token);
    if (*r->session)
        return !strcmp(r->session, x->session);
    return *r->user && !strcmp(r->user, x->user) && (!*r->tenant || !strcmp(r->tenant, x->tenant));
}

static bool on_revoke(struct lg_server *s, const json_t *j, const char *line, size_t n)
{
    (void)line;
    (void)n;
    struct lg_feed *f = &s->feed;
    struct lg_revocation *r = &f->revoked[f->revoked_at++ % LG_REVOKED_KEPT];
    *r = (struct lg_revocation){.at = lg_clock_ms()};
    snprintf(r->token, sizeof r->token, "%s", string_of(j, "token"));
    snprintf(r->session, sizeof r->session, "%s", string_of(j, "session"));
    snprintf(r->user, sizeof r->user, "%s", string_of(j, "user"));
    snprintf(r->tenant, sizeof r->tenant, "%s", string_of(j, "tenant"));
    struct lg_client *c;
    TAILQ_FOREACH(c, &s->clients, all)
    if (c->state == LG_CLIENT_OPEN && c->ops && revokes(r, &c->context))
        lg_client_revoke(c);
    return true;
}

bool lg_feed_is_revoked(const struct lg_feed *f, const struct lg_client *c)
{
    int64_t signed_at = c->context.exp - LG_HANDOFF_MS;
    for (size_t i = 0; i < LG_REVOKED_KEPT; i++)
        if (f->revoked[i].at >= signed_at && f->revoked[i].at && revokes(&f->revoked[i], &c->context))
            return true;
    return false;
}

static const struct line_type {
    const char *name;
    bool (*handle)(struct lg_server *s, const json_t *j, const char *line, size_t n);
} line_types[] = {
    {"hello", on_hello}, {"event", on_event},   {"batch", on_batch},
    {"gone", on_gone},   {"revoke", on_revoke}, {"op", on_op},
};

/* False for what no correct feeder says; then it is dropped, and everything is asked again of the next. */
static bool on_line(struct lg_server *s, char *line, size_t n)
{
    for (char *cr = line; (cr = memchr(cr, '\r', n - (size_t)(cr - line)));)
        *cr = ' '; /* legal between JSON's tokens, deadly within server-sent events */
    lg_cleanup_json json_t *j = lg_json_parse(line, n, JSON_DEPTH, NULL);
    const char *t = j ? string_of(j, "t") : "";
    for (size_t i = 0; i < sizeof line_types / sizeof line_types[0]; i++)
        if (!strcmp(line_types[i].name, t))
            return line_types[i].handle(s, j, line, n);
    return j && *t; /* a type from a later version: ignored */
}

static void take_lines(struct lg_server *s)
{
    struct lg_feed *f = &s->feed;
    size_t start = 0;
    char *end;
    while ((end = memchr(f->in.data + f->scanned, '\n', f->in.len - f->scanned))) {
        size_t n = (size_t)(end - (f->in.data + start));
        if (n && !on_line(s, f->in.data + start, n)) {
            drop_peer(s, "sent a line that makes no sense");
            return;
        }
        start += n + 1;
        f->scanned = start;
    }
    lg_buf_drop(&f->in, start);
    f->scanned = f->in.len;
    if (!f->in.len)
        lg_buf_done(&f->in);
}

static void on_peer(struct lg_source *src, uint32_t events)
{
    static char bytes[READ_PER_TURN];
    struct lg_server *s = lg_container_of(src, struct lg_server, feed.peer);
    if (events & EPOLLOUT)
        lg_feed_flush(s);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || src->fd < 0)
        return;
    ssize_t n = recv(src->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop_peer(s, "connection ended");
        return;
    }
    if (s->feed.asked)
        expect_answer(s);
    lg_buf_add(&s->feed.in, bytes, (size_t)n);
    if (s->feed.in.failed)
        drop_peer(s, "sent a line that is too long");
    else
        take_lines(s);
}

static void on_feeder(struct lg_source *src, uint32_t events)
{
    struct lg_server *s = lg_container_of(src, struct lg_server, feed.listener);
    (void)events;
    int fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    drop_peer(s, "a newer one has come");
    s->feed.peer = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_peer};
    if (lg_loop_add(&s->loop, &s->feed.peer))
        lg_fd_close(&s->feed.peer.fd);
}

int lg_feed_open(struct lg_server *s, const char *path, int gid, struct lg_err *e)
{
    struct lg_feed *f = &s->feed;
    f->peer.fd = -1;
    f->last = -1;
    f->answer.fire = on_mute;
    f->in.max = LINE_MAX_BYTES;
    f->out.max = OUT_MAX_BYTES;
    int fd = lg_unix_listen(path, SOCK_STREAM | SOCK_NONBLOCK, 16, gid, e);
    if (fd < 0)
        return fd;
    f->listener = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_feeder};
    return lg_loop_add(&s->loop, &f->listener) ? lg_fail_errno(e, LG_INTERNAL, "cannot watch %s", path) : 0;
}

void lg_feed_close(struct lg_server *s)
{
    drop_peer(s, "shutting down");
    lg_loop_close(&s->loop, &s->feed.listener);
}
