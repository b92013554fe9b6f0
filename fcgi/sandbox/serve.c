/*
 * The pool's two sockets. `run/sandbox.sock` (stream): lodge-api asks, one question a connection: a
 * big-endian length, a JSON head, then the bytes it announces; the answer is a length and JSON.
 * `run/sandbox-streams.sock` (datagrams with ends): lodge-stream fetches the descriptor of a run.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "box/wire.h"
#include "sandbox/peer.h"

#define HEAD_MAX  ((size_t)1 << 20)
#define PEER_MS   8000 /* less than the patience of lodge-api */
#define PEERS_MAX 256

static TAILQ_HEAD(, lg_peer) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static int peers;

static size_t be32(const char *p)
{
    const uint8_t *h = (const uint8_t *)p;
    return (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
}

static void waits_no_more(struct lg_peer *c)
{
    if (c->later)
        TAILQ_REMOVE(&waiting, c, link);
    c->later = false;
    c->session = NULL;
}

static void drop(struct lg_peer *c)
{
    if (c->session)
        c->session->asker = NULL;
    waits_no_more(c);
    lg_loop_close(&c->pool->loop, &c->source);
    lg_timer_cancel(&c->pool->loop.timers, &c->timer);
    lg_buf_done(&c->in);
    lg_buf_done(&c->out);
    peers--;
    free(c);
}

static void write_out(struct lg_peer *c)
{
    ssize_t n = send(c->source.fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        lg_loop_want(&c->pool->loop, &c->source, EPOLLOUT);
        return;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    if (n <= 0 || c->sent == c->out.len)
        drop(c);
    else
        lg_loop_want(&c->pool->loop, &c->source, EPOLLOUT);
}

static void answer(struct lg_peer *c, const struct lg_buf *text)
{
    size_t n = text->len;
    const char head[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    waits_no_more(c);
    lg_buf_done(&c->in);
    c->answered = true;
    lg_buf_add(&c->out, head, sizeof head);
    lg_buf_add(&c->out, text->data, n);
    write_out(c);
}

void lg_peer_answer(void *peer, const struct lg_buf *text)
{
    answer(peer, text);
}

int lg_peer_may_wait(const struct lg_peer *c, const char *tenant, struct lg_err *e)
{
    const int workers = c->pool->runner->conf->api_workers;
    const struct lg_peer *o;
    int all = 0, own = 0;
    TAILQ_FOREACH(o, &waiting, link)
    {
        all += o != c;
        own += o != c && !strcmp(o->tenant, tenant);
    }
    if (all <= (workers - 1) / 2 && own <= (workers - 1) / 4)
        return 0;
    lg_fail(e, LG_RATE, "too many requests are waiting for sandboxes; try again");
    return lg_err_detail(e, "retryAfter", "1");
}

void lg_peer_wait(struct lg_peer *c, const char *tenant, struct lg_repl *session)
{
    if (!c->later)
        TAILQ_INSERT_TAIL(&waiting, c, link);
    c->later = true;
    c->session = session;
    snprintf(c->tenant, sizeof c->tenant, "%s", tenant);
}

static void ask(struct lg_peer *c, const char *head, size_t head_len, const char *blob, size_t n)
{
    lg_cleanup_buf struct lg_buf out = {.max = (size_t)4 << 20};
    struct lg_err e = {0};
    lg_cleanup_json json_t *q = lg_json_parse(head, head_len, 8, &e);
    int rc = q ? lg_question(c, q, blob, n, &out, &e) : -(int)LG_INVALID;
    if (rc > 0)
        return; /* later */
    if (rc) {
        lg_buf_reset(&out);
        lg_json_error(&out, &e);
    }
    answer(c, &out);
}

static void ask_again(struct lg_peer *c)
{
    size_t head = be32(c->in.data), blob = be32(c->in.data + 4);
    ask(c, c->in.data + 8, head, c->in.data + 8 + head, blob);
}

void lg_serve_tend(struct lg_pool_state *p)
{
    struct lg_peer *c, *next;
    (void)p;
    for (c = TAILQ_FIRST(&waiting); c; c = next) {
        next = TAILQ_NEXT(c, link);
        if (!c->session)
            ask_again(c);
    }
}

/* ---- connections ---- */

/* [head length][blob length] head blob. */
static void on_peer(struct lg_source *s, uint32_t events)
{
    static char bytes[262144];
    struct lg_peer *c = lg_container_of(s, struct lg_peer, source);
    (void)events;
    if (c->answered) {
        write_out(c);
        return;
    }
    ssize_t n = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    if (c->came_at) /* nothing more is expected of it */
        return;
    lg_buf_add(&c->in, bytes, (size_t)n);
    if (c->in.failed) {
        drop(c);
        return;
    }
    if (c->in.len < 8)
        return;
    size_t head = be32(c->in.data), blob = be32(c->in.data + 4);
    if (head > HEAD_MAX || blob > LG_PEER_BLOB_MAX)
        drop(c);
    else if (c->in.len >= 8 + head + blob) {
        c->came_at = lg_clock_mono();
        ask_again(c);
    } else
        lg_buf_reserve(&c->in, 8 + head + blob - c->in.len);
}

static void on_peer_timer(struct lg_timer *t)
{
    struct lg_peer *c = lg_container_of(t, struct lg_peer, timer);
    lg_cleanup_buf struct lg_buf out = {.max = 4096};
    struct lg_err e = {0};
    if (!c->session) {
        drop(c);
        return;
    }
    /* Its late answer would be taken for that to the next question. */
    c->session->asker = NULL;
    lg_repl_end_because(c->session, "its sandbox did not answer");
    lg_fail(&e, LG_TIMEOUT, "the session's sandbox does not answer, so the session is ended");
    lg_json_error(&out, &e);
    lg_timer_set(&c->pool->loop.timers, &c->timer, lg_clock_mono() + PEER_MS);
    lg_peer_answer(c, &out);
}

static void on_submit(struct lg_source *s, uint32_t events)
{
    struct lg_pool_state *p = lg_container_of(s, struct lg_pool_state, submit);
    (void)events;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct lg_peer *c = fd >= 0 && peers < PEERS_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        lg_fd_close(&fd);
        return;
    }
    peers++;
    c->pool = p;
    c->in.max = HEAD_MAX + LG_PEER_BLOB_MAX + 4096;
    c->source = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_peer};
    c->timer.fire = on_peer_timer;
    lg_timer_set(&p->loop.timers, &c->timer, lg_clock_mono() + PEER_MS);
    if (lg_loop_add(&p->loop, &c->source))
        drop(c);
}

/* ---- lodge-stream ---- */

static void hand_out(struct lg_pool_state *p, int sock, const char *id, const char *tenant, bool again)
{
    static const char ok[] = "{\"ok\":true}";
    struct lg_err e = {0};
    struct lg_task *r = lg_task_find(p, id);
    int pair[2];
    bool good = r && !strcmp(r->tenant, tenant) && lg_task_may_attach(r, again);
    if (!good)
        lg_fail(&e, LG_NOT_FOUND, "there is no such run, or somebody listens to it already");
    else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        lg_fail_errno(&e, LG_INTERNAL, "cannot make a socket pair");
    if (e.code) {
        lg_cleanup_buf struct lg_buf b = {.max = 4096};
        lg_json_error(&b, &e);
        (void)!send(sock, lg_buf_cstr(&b), b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        return;
    }
    int rc = lg_send_fd(sock, ok, sizeof ok - 1, pair[1], &e);
    close(pair[1]);
    if (rc)
        close(pair[0]);
    else
        lg_task_attach(r, pair[0]);
}

struct fetcher {
    struct lg_source source;
    struct lg_timer timer;
    struct lg_pool_state *pool;
};

static void fetcher_drop(struct fetcher *f)
{
    lg_loop_close(&f->pool->loop, &f->source);
    lg_timer_cancel(&f->pool->loop.timers, &f->timer);
    free(f);
}

static void on_fetcher(struct lg_source *s, uint32_t events)
{
    struct fetcher *f = lg_container_of(s, struct fetcher, source);
    char text[1024];
    (void)events;
    ssize_t n = recv(s->fd, text, sizeof text, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    lg_cleanup_json json_t *q = n > 0 ? lg_json_parse(text, (size_t)n, 4, NULL) : NULL;
    if (q)
        hand_out(f->pool, s->fd, lg_json_text(q, "run"), lg_json_text(q, "tenant"),
                 json_is_true(json_object_get(q, "again")));
    fetcher_drop(f);
}

static void on_fetcher_timer(struct lg_timer *t)
{
    fetcher_drop(lg_container_of(t, struct fetcher, timer));
}

static void on_attach(struct lg_source *s, uint32_t events)
{
    struct lg_pool_state *p = lg_container_of(s, struct lg_pool_state, attach);
    (void)events;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct fetcher *f = fd >= 0 ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        lg_fd_close(&fd);
        return;
    }
    f->pool = p;
    f->source = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_fetcher};
    f->timer.fire = on_fetcher_timer;
    lg_timer_set(&p->loop.timers, &f->timer, lg_clock_mono() + PEER_MS);
    if (lg_loop_add(&p->loop, &f->source))
        fetcher_drop(f);
}

void lg_serve_end(struct lg_pool_state *p)
{
    lg_loop_close(&p->loop, &p->submit);
    lg_loop_close(&p->loop, &p->attach);
}

int lg_serve_listen(struct lg_pool_state *p, struct lg_err *e)
{
    const struct lg_runner *r = p->runner;
    char path[PATH_MAX];
    int fd = lg_unix_listen(lg_conf_path(r->conf, path, sizeof path, "run/sandbox.sock"),
                            SOCK_STREAM | SOCK_NONBLOCK, 1024, r->gid, e);
    if (fd < 0)
        return fd;
    p->submit = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_submit};
    fd = lg_unix_listen(lg_conf_path(r->conf, path, sizeof path, "run/sandbox-streams.sock"),
                        SOCK_SEQPACKET | SOCK_NONBLOCK, 1024, r->gid, e);
    if (fd < 0)
        return fd;
    p->attach = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_attach};
    if (lg_loop_add(&p->loop, &p->submit) || lg_loop_add(&p->loop, &p->attach))
        return lg_fail_errno(e, LG_INTERNAL, "cannot watch the pool's sockets");
    return 0;
}
