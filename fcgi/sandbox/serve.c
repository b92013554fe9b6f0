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
#include "sandbox/pool.h"

#define HEAD_MAX  ((size_t)1 << 20)
#define BLOB_MAX  ((size_t)32 << 20)
#define PEER_MS   10000
#define PEERS_MAX 256
#define READY_MS  3000 /* a session's asker waits so long for a sandbox */

struct peer { /* a connection of lodge-api */
    struct lg_source source;
    struct lg_timer timer;
    struct lg_pool_state *pool;
    struct lg_buf in, out;
    size_t sent;
    bool answered;
    struct lg_repl *waits;  /* for this session's word */
    int64_t came_at;        /* its question was whole; 0: not yet */
    bool again;             /* it is asked again until a sandbox is ready */
    TAILQ_ENTRY(peer) link; /* of those */
};
static TAILQ_HEAD(, peer) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static int peers;

static size_t be32(const char *p)
{
    const uint8_t *h = (const uint8_t *)p;
    return (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
}

static void drop(struct peer *c)
{
    if (c->waits)
        c->waits->asker = NULL;
    if (c->again)
        TAILQ_REMOVE(&waiting, c, link);
    lg_loop_close(&c->pool->loop, &c->source);
    lg_timer_cancel(&c->pool->loop.timers, &c->timer);
    lg_buf_done(&c->in);
    lg_buf_done(&c->out);
    peers--;
    free(c);
}

static void write_out(struct peer *c)
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

static void answer(struct peer *c, const struct lg_buf *text)
{
    size_t n = text->len;
    const char head[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    if (c->again)
        TAILQ_REMOVE(&waiting, c, link);
    c->again = false;
    lg_buf_done(&c->in);
    c->answered = true;
    lg_buf_add(&c->out, head, sizeof head);
    lg_buf_add(&c->out, text->data, n);
    write_out(c);
}

static void late_answer(void *arg, const struct lg_buf *text)
{
    struct peer *c = arg;
    c->waits = NULL;
    answer(c, text);
}

/* ---- questions ---- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int64_t number_of(const json_t *o, const char *key, int64_t absent, int64_t most)
{
    const json_t *v = json_object_get(o, key);
    int64_t n = json_is_integer(v) && json_integer_value(v) > 0 ? json_integer_value(v) : absent;
    return most && n > most ? most : n;
}

static void take_limits(struct lg_pool_state *p, struct lg_task *r, const json_t *o)
{
    const struct lg_conf *c = p->runner->conf;
    int64_t time_ms = r->lang->time_ms ? r->lang->time_ms : c->sandbox_time_ms;
    int64_t memory = (r->lang->memory_mib ? r->lang->memory_mib : c->sandbox_memory_mib) << 20;
    r->limits.time_ms = number_of(o, "timeMs", time_ms, c->sandbox_time_max_ms);
    r->limits.compile_ms = number_of(o, "compileTimeMs", 30000, c->sandbox_time_max_ms);
    r->limits.memory = number_of(o, "memoryBytes", memory, (int64_t)c->sandbox_memory_max_mib << 20);
    r->limits.output = number_of(o, "outputBytes", (int64_t)c->sandbox_output_kib << 10, (int64_t)8 << 20);
    r->limits.file = number_of(o, "fileBytes", 0, (int64_t)c->sandbox_disk_mib << 20);
    r->limits.cpu_s =
        number_of(o, "cpuSeconds", c->sandbox_time_max_ms / 1000, c->sandbox_time_max_ms / 1000);
    r->limits.processes = number_of(o, "processes", c->sandbox_pids, c->sandbox_pids);
    if (r->limits.memory == (int64_t)c->sandbox_memory_mib << 20)
        r->limits.memory = 0; /* as it was made */
}

static int take_files(struct lg_task *r, const json_t *list, size_t *total, struct lg_err *e)
{
    size_t i, n = json_array_size(list);
    json_t *o;
    if (n > LG_TASK_FILES)
        return lg_fail(e, LG_INVALID, "more than %d files", LG_TASK_FILES);
    r->files = calloc(n + 1, sizeof *r->files);
    if (!r->files)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    json_array_foreach(list, i, o)
    {
        snprintf(r->files[i].path, sizeof r->files[i].path, "%s", text_of(o, "path"));
        r->files[i].size = (size_t)number_of(o, "size", 0, BLOB_MAX);
        *total += r->files[i].size;
        r->file_count++;
    }
    return 0;
}

/* Whole question → run. */
static int question_run(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                        struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    const char *name = text_of(q, "language"), *in = text_of(q, "session");
    struct lg_repl *s = *in ? lg_repl_find(p, in, text_of(q, "tenant")) : NULL;
    const struct lg_language *lang = s ? s->lang : lg_language_find(&p->langs, name);
    if (*in && !s)
        return lg_fail(e, LG_NOT_FOUND, "there is no such session, or it has ended");
    if (!lang)
        return lg_fail(e, LG_INVALID, "there is no language \"%.64s\": GET /api/repl/languages lists them",
                       name);
    struct lg_task *r = calloc(1, sizeof *r);
    if (!r)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    r->lang = lang;
    r->args = json_incref(json_object_get(q, "args"));
    r->whole = json_is_true(json_object_get(q, "whole"));
    r->interactive = json_is_true(json_object_get(q, "interactive"));
    r->network = json_is_true(json_object_get(q, "network"));
    r->again = !r->interactive && json_is_true(json_object_get(q, "again"));
    snprintf(r->tenant, sizeof r->tenant, "%s", text_of(q, "tenant"));
    snprintf(r->user, sizeof r->user, "%s", text_of(q, "user"));
    r->code_size = (size_t)number_of(q, "codeSize", 0, BLOB_MAX);
    r->input_size = (size_t)number_of(q, "inputSize", 0, BLOB_MAX);
    size_t total = r->code_size + r->input_size;
    take_limits(p, r, json_object_get(q, "limits"));
    int rc = take_files(r, json_object_get(q, "files"), &total, e);
    r->blob.max = BLOB_MAX;
    if (!rc && total != n)
        rc = lg_fail(e, LG_INTERNAL, "the request's sizes do not fit");
    lg_buf_add(&r->blob, n ? blob : "", n);
    rc = rc ? rc : r->blob.failed ? lg_fail(e, LG_TOO_LARGE, "code, files and input are too large") : 0;
    rc = rc ? rc : s ? lg_task_enter(p, r, s, e) : lg_task_submit(p, r, e);
    if (rc) {
        lg_task_free(r);
        return rc;
    }
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "id", r->id);
    lg_json_str(&j, "language", lang->name);
    lg_json_str(&j, "state", s ? "running" : "queued");
    lg_json_end_obj(&j);
    return 0;
}

static void write_language(struct lg_pool_state *p, const struct lg_language *l, struct lg_json *j)
{
    const struct lg_image_state *im = lg_image_of(p, l);
    const json_t *alias;
    size_t i;
    int ready = 0;
    for (int k = 0; k < LG_BOXES_MAX; k++)
        ready += p->box[k].state == LG_BOX_READY && p->box[k].class->image == im &&
                 (!p->box[k].class->host || p->box[k].class->host == l);
    lg_json_obj(j, NULL);
    lg_json_str(j, "name", l->name);
    lg_json_str(j, "title", l->title);
    lg_json_arr(j, "aliases");
    json_array_foreach(l->aliases, i, alias) lg_json_str(j, NULL, json_string_value(alias));
    lg_json_end_arr(j);
    lg_json_str(j, "version", *l->version ? l->version : NULL);
    lg_json_str(j, "image", *im->ref ? im->ref : l->image);
    lg_json_str(j, "state", lg_image_word(im));
    lg_json_real(j, "progress", im->progress);
    lg_json_str(j, "message", *im->text ? im->text : NULL);
    lg_json_str(j, "file", l->file);
    lg_json_bool(j, "compiled", l->compile != NULL);
    lg_json_bool(j, "sessions", l->session != NULL);
    lg_json_int(j, "warm", ready);
    lg_json_str(j, "example", l->example);
    lg_json_end_obj(j);
}

static int question_languages(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                              struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    struct lg_json j;
    (void)q, (void)blob, (void)n, (void)e;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_arr(&j, "languages");
    for (int i = 0; i < p->langs.count; i++)
        if (lg_image_of(p, &p->langs.lang[i])->step == LG_IMAGE_READY)
            lg_json_str(&j, NULL, p->langs.lang[i].name);
    lg_json_end_arr(&j);
    lg_json_arr(&j, "details");
    for (int i = 0; i < p->langs.count; i++)
        write_language(p, &p->langs.lang[i], &j);
    lg_json_end_arr(&j);
    lg_json_str(&j, "notice", *p->langs.notice ? p->langs.notice : NULL);
    lg_json_end_obj(&j);
    return 0;
}

static int question_prepare(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                            struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    const struct lg_language *l = lg_language_find(&p->langs, text_of(q, "language"));
    (void)blob, (void)n;
    if (!l)
        return lg_fail(e, LG_NOT_FOUND, "there is no such language");
    int rc = lg_image_prepare(lg_image_of(p, l), e);
    struct lg_json j;
    lg_json_init(&j, out);
    write_language(p, l, &j);
    return rc;
}

static int question_stop(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                         struct lg_err *e)
{
    struct lg_task *r = lg_task_find(c->pool, text_of(q, "id"));
    (void)blob, (void)n;
    bool stop = json_is_true(json_object_get(q, "stop"));
    if (!r || strcmp(r->tenant, text_of(q, "tenant")) || (stop && r->state == LG_TASK_DONE))
        return lg_fail(e, LG_NOT_FOUND, "no such run is waiting or running");
    if (stop)
        lg_task_stop(r, "stopped");
    lg_buf_str(out, "{}");
    return 0;
}

static int question_status(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                           struct lg_err *e)
{
    const struct lg_pool_state *p = c->pool;
    struct lg_json j;
    int count[LG_BOX_ENDING + 1] = {0};
    (void)q, (void)blob, (void)n, (void)e;
    for (int i = 0; i < LG_BOXES_MAX; i++)
        count[p->box[i].state]++;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_int(&j, "running", p->going);
    lg_json_int(&j, "waiting", p->waiting);
    lg_json_int(&j, "ready", count[LG_BOX_READY]);
    lg_json_int(&j, "making", count[LG_BOX_MAKING]);
    lg_json_int(&j, "ending", count[LG_BOX_ENDING]);
    lg_json_bool(&j, "memoryPressure", p->pressure);
    lg_json_str(&j, "engine", *p->engine_why ? p->engine_why : NULL);
    lg_json_end_obj(&j);
    return 0;
}

static int ready(struct lg_pool_state *p, const struct lg_language *l, struct lg_err *e)
{
    return lg_image_check(lg_image_of(p, l), l, e);
}

/* None is ready yet: the asker waits for a while. */
static int wait_ready(struct peer *c, const struct lg_err *no, struct lg_err *e)
{
    if (no)
        return lg_fail(e, no->code, "%s", no->msg);
    if (lg_clock_mono() - c->came_at < READY_MS) {
        if (!c->again)
            TAILQ_INSERT_TAIL(&waiting, c, link);
        c->again = true;
        return 1;
    }
    lg_fail(e, LG_RATE, "no sandbox is ready; try again");
    return lg_err_detail(e, "retryAfter", "1");
}

static int question_session(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                            struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    const struct lg_language *l = lg_language_find(&p->langs, text_of(q, "language"));
    struct lg_repl *s = NULL;
    struct lg_json j;
    (void)blob, (void)n;
    if (!l)
        return lg_fail(e, LG_INVALID, "there is no such language: GET /api/repl/languages lists them");
    int64_t ttl = number_of(q, "ttl", p->runner->conf->sandbox_session_s, 86400) * 1000;
    int rc = ready(p, l, e);
    const char *tenant = text_of(q, "tenant");
    bool network = json_is_true(json_object_get(q, "network"));
    rc = rc ? rc : lg_repl_start(p, l, tenant, text_of(q, "user"), ttl, network, &s, e);
    if (rc > 0)
        return wait_ready(c, network ? lg_boxes_refused(p, l, tenant, c->came_at) : NULL, e);
    if (rc)
        return rc;
    lg_json_init(&j, out);
    lg_repl_json(s, &j);
    return 0;
}

static int question_sessions(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                             struct lg_err *e)
{
    struct lg_repl *s;
    struct lg_json j;
    (void)blob, (void)n, (void)e;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_arr(&j, "sessions");
    TAILQ_FOREACH(s, &c->pool->sessions, link)
    if (!strcmp(s->tenant, text_of(q, "tenant")))
        lg_repl_json(s, &j);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    return 0;
}

/* Of one session: what it is, its end, its files. */
static int question_of_session(struct peer *c, const json_t *q, const char *blob, size_t n,
                               struct lg_buf *out, struct lg_err *e)
{
    struct lg_repl *s = lg_repl_find(c->pool, text_of(q, "id"), text_of(q, "tenant"));
    const char *what = text_of(q, "what");
    int order = !strcmp(what, "put") ? LG_BOX_FILE : !strcmp(what, "get") ? LG_BOX_GET : LG_BOX_LIST;
    struct lg_json j;
    if (!s)
        return lg_fail(e, LG_NOT_FOUND, "there is no such session, or it has ended");
    if (!strcmp(what, "end")) {
        if (s->task)
            lg_task_stop(s->task, "stopped");
        else
            lg_repl_end(s);
        lg_buf_str(out, "{}");
        return 0;
    }
    if (!strcmp(what, "interrupt")) {
        if (!s->task || !s->box)
            return lg_fail(e, LG_STATE, "no snippet is running in this session");
        lg_box_send(s->box, LG_BOX_STOP, NULL, 0);
        lg_buf_str(out, "{}");
        return 0;
    }
    if (!strcmp(what, "show")) {
        lg_json_init(&j, out);
        lg_repl_json(s, &j);
        return 0;
    }
    int rc = lg_repl_files(s, order, text_of(q, "path"), blob, n, c, late_answer, e);
    if (rc > 0 && !c->answered)
        c->waits = s;
    return rc;
}

static const struct {
    const char *name;
    int (*fn)(struct peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
              struct lg_err *e);
} questions[] = {
    {"run", question_run},           {"languages", question_languages},   {"prepare", question_prepare},
    {"stop", question_stop},         {"status", question_status},         {"session", question_session},
    {"sessions", question_sessions}, {"of-session", question_of_session},
};

static void ask(struct peer *c, const char *head, size_t head_len, const char *blob, size_t n)
{
    lg_cleanup_buf struct lg_buf out = {.max = (size_t)4 << 20};
    struct lg_err e = {0};
    lg_cleanup_json json_t *q = lg_json_parse(head, head_len, 8, &e);
    int rc = q ? lg_fail(&e, LG_INVALID, "unknown question") : -(int)LG_INVALID;
    for (size_t i = 0; q && i < sizeof questions / sizeof questions[0]; i++)
        if (!strcmp(questions[i].name, text_of(q, "t"))) {
            lg_err_clear(&e);
            rc = questions[i].fn(c, q, blob, n, &out, &e);
        }
    if (rc > 0)
        return; /* later */
    if (rc) {
        lg_buf_reset(&out);
        lg_json_error(&out, &e);
    }
    answer(c, &out);
}

static void ask_again(struct peer *c)
{
    size_t head = be32(c->in.data), blob = be32(c->in.data + 4);
    ask(c, c->in.data + 8, head, c->in.data + 8 + head, blob);
}

void lg_serve_tend(struct lg_pool_state *p)
{
    struct peer *c, *next;
    (void)p;
    for (c = TAILQ_FIRST(&waiting); c; c = next) {
        next = TAILQ_NEXT(c, link);
        ask_again(c);
    }
}

/* ---- connections ---- */

/* [head length][blob length] head blob. */
static void on_peer(struct lg_source *s, uint32_t events)
{
    static char bytes[262144];
    struct peer *c = lg_container_of(s, struct peer, source);
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
    if (head > HEAD_MAX || blob > BLOB_MAX)
        drop(c);
    else if (c->in.len >= 8 + head + blob) {
        c->came_at = lg_clock_mono();
        ask_again(c);
    } else
        lg_buf_reserve(&c->in, 8 + head + blob - c->in.len);
}

static void on_peer_timer(struct lg_timer *t)
{
    drop(lg_container_of(t, struct peer, timer));
}

static void on_submit(struct lg_source *s, uint32_t events)
{
    struct lg_pool_state *p = lg_container_of(s, struct lg_pool_state, submit);
    (void)events;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct peer *c = fd >= 0 && peers < PEERS_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        lg_fd_close(&fd);
        return;
    }
    peers++;
    c->pool = p;
    c->in.max = HEAD_MAX + BLOB_MAX + 4096;
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
        hand_out(f->pool, s->fd, text_of(q, "run"), text_of(q, "tenant"),
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
