#include "api/feeder.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/compute.h"
#include "api/event_kinds.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "store/event.h"
#include "store/operation.h"

#define POLL_MS      250 /* a lost doorbell costs no more than this */
#define PUSH_BATCH   200
#define PAGE_MAX     1000
#define OUT_HIGH     ((size_t)4 << 20) /* bytes waiting: no further events until lodge-stream has read */
#define OUT_MAX      ((size_t)128 << 20)
#define IN_MAX       ((size_t)1 << 20)
#define QUESTION_MAX 16 /* levels of nesting */

struct feeder {
    struct lg_app *app;
    struct lg_db *db;
    int sock;    /* -1: lodge-stream does not listen */
    int64_t pos; /* id of the last event pushed */
    struct lg_buf in, out;
    size_t sent; /* bytes of out that are gone */
};

static volatile sig_atomic_t stopping;

static void on_term(int sig)
{
    (void)sig;
    stopping = 1;
}

/* --- lines --- */

static void begin(struct lg_json *j, struct lg_buf *out, const char *type)
{
    lg_json_init(j, out);
    lg_json_obj(j, NULL);
    lg_json_str(j, "t", type);
}

static void end(struct lg_json *j)
{
    lg_json_end_obj(j);
    lg_buf_char(j->out, '\n');
}

static void write_event(struct lg_json *j, const struct lg_event *ev)
{
    lg_json_obj(j, NULL);
    lg_json_str(j, "t", "event");
    lg_json_int(j, "id", ev->id);
    lg_json_str(j, "tenant", ev->tenant_id);
    lg_json_str(j, "kind", ev->kind);
    lg_json_str(j, "subject", ev->subject_name);
    lg_json_bool(j, "admin", ev->admin);
    lg_json_str(j, "op", ev->operation_id);
    lg_json_bool(j, "done", ev->op_done);
    lg_event_render(j, "data", ev);
    lg_json_end_obj(j);
}

/* Which events close streams, and which member of the revocation names whom. */
static const struct {
    const char *kind, *member;
    bool with_tenant;
} revocations[] = {
    {"token.revoked", "token", false}, {"session.ended", "session", false}, {"member.removed", "user", true}};

static void write_revocation(struct lg_buf *out, const struct lg_event *ev)
{
    for (size_t i = 0; i < sizeof revocations / sizeof revocations[0]; i++) {
        struct lg_json j;
        if (strcmp(revocations[i].kind, ev->kind))
            continue;
        begin(&j, out, "revoke");
        lg_json_str(&j, revocations[i].member, ev->subject_id);
        if (revocations[i].with_tenant)
            lg_json_str(&j, "tenant", ev->tenant_id);
        end(&j);
    }
}

/* --- connection --- */

static void disconnect(struct feeder *f, const char *why)
{
    if (f->sock < 0)
        return;
    lg_log(LG_WARN, "lodge-stream disconnected", "why", why, NULL);
    lg_fd_close(&f->sock);
    lg_buf_done(&f->in);
    lg_buf_done(&f->out);
    f->sent = 0;
}

static int say_hello(struct feeder *f, struct lg_err *e)
{
    struct lg_json j;
    int64_t oldest;
    int rc = lg_event_bounds(f->db, &f->pos, &oldest, e);
    if (rc)
        return rc;
    begin(&j, &f->out, "hello");
    lg_json_int(&j, "last", f->pos);
    lg_json_int(&j, "oldest", oldest);
    end(&j);
    return 0;
}

static void connect_stream(struct feeder *f)
{
    char path[PATH_MAX];
    struct lg_err e = {0};
    f->sock =
        lg_unix_connect(lg_conf_path(&f->app->conf, path, sizeof path, "run/feed.sock"), SOCK_STREAM, NULL);
    if (f->sock < 0) {
        f->sock = -1;
        return;
    }
    lg_fd_nonblock(f->sock, true);
    if (say_hello(f, &e)) {
        lg_log_err(LG_WARN, "the feeder cannot read the events", &e);
        lg_fd_close(&f->sock);
    }
}

static void flush(struct feeder *f)
{
    while (f->sock >= 0 && f->sent < f->out.len) {
        ssize_t n = send(f->sock, f->out.data + f->sent, f->out.len - f->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            lg_buf_drop(&f->out, f->sent);
            f->sent = 0;
            return;
        }
        if (n < 0 && errno != EINTR) {
            disconnect(f, "cannot write");
            return;
        }
        f->sent += n > 0 ? (size_t)n : 0;
    }
    lg_buf_reset(&f->out);
    f->sent = 0;
}

/* --- live events --- */

static void push_one(void *arg, const struct lg_event *ev)
{
    struct feeder *f = arg;
    struct lg_json j;
    f->pos = ev->id;
    lg_json_init(&j, &f->out);
    write_event(&j, ev);
    lg_buf_char(&f->out, '\n');
    write_revocation(&f->out, ev);
}

static void push(struct feeder *f)
{
    struct lg_err e = {0};
    int n = PUSH_BATCH;
    while (f->sock >= 0 && n == PUSH_BATCH && f->out.len - f->sent < OUT_HIGH) {
        n = lg_event_each(f->db, f->pos, NULL, PUSH_BATCH, push_one, f, &e);
        if (n < 0)
            lg_log_err(LG_WARN, "the feeder cannot read the events", &e);
        flush(f);
    }
}

/* --- questions --- */

static int64_t int_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static void begin_answer(struct lg_json *j, struct feeder *f, const char *type, int64_t req)
{
    begin(j, &f->out, type);
    lg_json_int(j, "req", req);
}

struct page {
    struct lg_json j;
    const char *kinds;
    int64_t next;
};

static void page_one(void *arg, const struct lg_event *ev)
{
    struct page *p = arg;
    p->next = ev->id;
    if (lg_kind_wanted(p->kinds, ev->kind))
        write_event(&p->j, ev);
}

/* What a client of another dialect wants to see first: the state that its events then go on from. */
static int write_first(struct feeder *f, const json_t *q, struct lg_json *j, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf message = {.max = OUT_HIGH};
    if (int_of(q, "after") >= 0 || strcmp(lg_json_text(q, "format"), "cloud"))
        return 0;
    int rc = lg_cloud_snapshot(f->db, lg_json_text(q, "scope"), &message, e);
    if (!rc)
        lg_json_raw(j, "first", lg_buf_cstr(&message));
    return rc;
}

/* A page of events after N, as of now; `next` jumps to the end when nothing more is there. */
static int answer_page(struct feeder *f, const json_t *q, int64_t after, int64_t last, struct lg_err *e)
{
    const char *scope = lg_json_text(q, "scope");
    int64_t limit = int_of(q, "limit");
    limit = limit < 1 || limit > PAGE_MAX ? PAGE_MAX : limit;
    struct page p = {.kinds = lg_json_text(q, "kinds"), .next = after};
    begin_answer(&p.j, f, "batch", int_of(q, "req"));
    int n = write_first(f, q, &p.j, e);
    if (n)
        return n;
    lg_json_arr(&p.j, "events");
    n = lg_event_each(f->db, after, strcmp(scope, "*") ? scope : NULL, (int)limit, page_one, &p, e);
    if (n < 0)
        return n;
    bool more = n == limit && p.next < last;
    lg_json_end_arr(&p.j);
    lg_json_bool(&p.j, "more", more);
    lg_json_int(&p.j, "next", more ? p.next : last);
    end(&p.j);
    return 0;
}

/* Gone: pruned, or of another history (the database was restored). */
static int resume(struct feeder *f, const json_t *q, struct lg_err *e)
{
    int64_t after = int_of(q, "after"), last, oldest;
    int rc = lg_event_bounds(f->db, &last, &oldest, e);
    if (rc)
        return rc;
    after = after < 0 ? last : after;
    if (after <= last && (oldest ? after + 1 >= oldest : after == last))
        return answer_page(f, q, after, last, e);
    struct lg_json j;
    begin_answer(&j, f, "gone", int_of(q, "req"));
    lg_json_int(&j, "oldest", oldest);
    end(&j);
    return 0;
}

static int answer_op(struct feeder *f, const json_t *q, struct lg_err *e)
{
    struct lg_operation op;
    struct lg_json j;
    int rc = lg_operation_get(f->db, lg_json_text(q, "op"), &op, e);
    if (rc && rc != -(int)LG_NOT_FOUND)
        return rc;
    begin_answer(&j, f, "op", int_of(q, "req"));
    lg_json_bool(&j, "done", rc || lg_operation_ended(&op));
    end(&j);
    return 0;
}

struct revoked {
    struct feeder *f;
    int64_t next;
};

static void revoke_one(void *arg, const struct lg_event *ev)
{
    struct revoked *r = arg;
    r->next = ev->id;
    write_revocation(&r->f->out, ev);
}

static int revoked_since(struct feeder *f, const json_t *q, struct lg_err *e)
{
    struct revoked r = {f, int_of(q, "after")};
    int n;
    do
        n = lg_event_each(f->db, r.next, NULL, PAGE_MAX, revoke_one, &r, e);
    while (n == PAGE_MAX);
    return n < 0 ? n : 0;
}

static const struct {
    const char *type;
    int (*fn)(struct feeder *f, const json_t *q, struct lg_err *e);
} questions[] = {{"resume", resume}, {"op?", answer_op}, {"revoked?", revoked_since}};

/* An answer is whole or the connection ends: lodge-stream then asks again. */
static void handle_line(struct feeder *f, const char *line, size_t n)
{
    struct lg_err e = {0};
    lg_cleanup_json json_t *q = lg_json_parse(line, n, QUESTION_MAX, &e);
    int rc = q ? 0 : -(int)LG_INVALID;
    if (!rc)
        rc = lg_tx_read(f->db, &e);
    for (size_t i = 0; !rc && i < sizeof questions / sizeof questions[0]; i++)
        if (!strcmp(lg_json_text(q, "t"), questions[i].type))
            rc = questions[i].fn(f, q, &e);
    lg_tx_rollback(f->db);
    if (rc) {
        lg_log_err(LG_WARN, "the feeder cannot answer", &e);
        disconnect(f, "a question could not be answered");
    }
}

static void handle_lines(struct feeder *f)
{
    size_t start = 0;
    while (f->sock >= 0) {
        const char *end_of_line =
            start < f->in.len ? memchr(f->in.data + start, '\n', f->in.len - start) : NULL;
        if (!end_of_line)
            break;
        size_t n = (size_t)(end_of_line - f->in.data) - start;
        handle_line(f, f->in.data + start, n);
        start += n + 1;
    }
    if (f->sock >= 0)
        lg_buf_drop(&f->in, start);
}

static void read_questions(struct feeder *f)
{
    char chunk[65536];
    ssize_t n = recv(f->sock, chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        disconnect(f, n ? "cannot read" : "closed");
        return;
    }
    lg_buf_add(&f->in, chunk, (size_t)n);
    if (f->in.failed)
        disconnect(f, "a line is too long");
    else
        handle_lines(f);
}

/* --- loop --- */

static void turn(struct feeder *f, int bell_fd)
{
    bool full = f->out.len - f->sent >= OUT_HIGH;
    short want = (short)((full ? 0 : POLLIN) | (f->out.len ? POLLOUT : 0));
    struct pollfd p[2] = {{bell_fd, POLLIN, 0}, {f->sock, want, 0}};
    int n = poll(p, 2, POLL_MS);
    if (n > 0 && p[0].revents)
        lg_bell_drain(bell_fd);
    if (f->sock < 0) {
        connect_stream(f);
    } else if (n > 0 && p[1].revents & (POLLHUP | POLLERR) && !(p[1].revents & POLLIN)) {
        disconnect(f, "closed");
    } else if (n > 0 && p[1].revents & POLLIN) {
        read_questions(f);
    }
    push(f);
    flush(f);
    if (f->out.failed)
        disconnect(f, "does not read");
}

int lg_feeder_run(struct lg_app *app, int bell_fd)
{
    struct feeder f = {.app = app, .db = app->db, .sock = -1, .in.max = IN_MAX, .out.max = OUT_MAX};
    struct sigaction term = {.sa_handler = on_term};
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &term, NULL);
    while (!stopping)
        turn(&f, bell_fd);
    lg_fd_close(&f.sock);
    lg_buf_done(&f.in);
    lg_buf_done(&f.out);
    return 0;
}
