/*
 * The scribe: a child of the pool that keeps the history of runs in the database, half a second of them in
 * one transaction. The pool itself must never wait for a disk. Whatever does not get through is history lost
 * and nothing else.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "sandbox/pool.h"
#include "store/code_run.h"

#define GATHER_MS   500
#define BATCH_MAX   256
#define PRUNE_EVERY 64 /* batches */
#define QUEUE_BYTES (4 << 20)
/* A run as JSON: a control character takes six bytes there. */
#define ROW_MAX (6 * (LG_CODE_RUN_CODE + LG_CODE_RUN_OUTPUT) + 8192)

/* ---- in the scribe ---- */

static int64_t number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static int add(struct lg_db *db, const json_t *o, struct lg_err *e)
{
    const struct lg_code_run r = {.id = lg_json_text(o, "id"),
                                  .tenant_id = lg_json_text(o, "tenant"),
                                  .user_id = lg_json_text(o, "user"),
                                  .language = lg_json_text(o, "language"),
                                  .code = lg_json_text(o, "code"),
                                  .output = lg_json_text(o, "output"),
                                  .limit = lg_json_text(o, "limit"),
                                  .error = lg_json_text(o, "error"),
                                  .code_bytes = number_of(o, "codeBytes"),
                                  .exit_code = number_of(o, "exitCode"),
                                  .signal = number_of(o, "signal"),
                                  .time_ms = number_of(o, "timeMs"),
                                  .memory_bytes = number_of(o, "memoryBytes"),
                                  .queue_ms = number_of(o, "queueMs"),
                                  .created_at = number_of(o, "createdAt"),
                                  .success = json_is_true(json_object_get(o, "success"))};
    return lg_code_run_add(db, &r, e);
}

static void write_batch(struct lg_db *db, json_t *const *row, int n, int64_t keep)
{
    static unsigned batches;
    struct lg_err e = {0};
    int rc = lg_tx_write(db, &e);
    for (int i = 0; !rc && i < n; i++)
        rc = add(db, row[i], &e);
    if (!rc && !(batches++ % PRUNE_EVERY))
        rc = lg_code_run_prune(db, keep, &e);
    rc = rc ? rc : lg_tx_commit(db, &e);
    if (rc) {
        lg_tx_rollback(db);
        lg_log_err(LG_WARN, "some of the history of code runs is lost", &e);
    }
}

static void scribe_main(struct lg_pool_state *p, int sock)
{
    static char text[ROW_MAX];
    struct lg_db *db = lg_child_db(p->runner);
    json_t *row[BATCH_MAX];
    for (bool more = true; more;) {
        int n = 0;
        int64_t until = 0;
        while (n < BATCH_MAX) {
            struct pollfd f = {sock, POLLIN, 0};
            int64_t left = until ? until - lg_clock_mono() : -1;
            if ((until && left <= 0) || poll(&f, 1, (int)left) <= 0)
                break;
            ssize_t got = recv(sock, text, sizeof text, 0);
            if (got < 0 && errno == EINTR)
                continue;
            more = got > 0;
            if (!more)
                break;
            json_t *o = json_loadb(text, (size_t)got, 0, NULL);
            if (o)
                row[n++] = o;
            until = until ? until : lg_clock_mono() + GATHER_MS;
        }
        if (n)
            write_batch(db, row, n, p->runner->conf->code_run_keep);
        while (n)
            json_decref(row[--n]);
    }
}

/* ---- in the pool ---- */

void lg_scribe_start(struct lg_pool_state *p)
{
    int pair[2], size = QUEUE_BYTES;
    struct lg_err e = {0};
    if (p->scribe_pid || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return;
    lg_fd_close(&p->scribe);
    pid_t pid = lg_child_fork("lodge-scribe", &e);
    if (!pid) {
        for (int fd = 3; fd < 4096; fd++)
            if (fd != pair[1] && fd != p->runner->lock_fd)
                close(fd);
        scribe_main(p, pair[1]);
        _exit(0);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return;
    }
    if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    p->scribe = pair[0];
    p->scribe_pid = pid;
}

void lg_scribe_end(struct lg_pool_state *p)
{
    lg_fd_close(&p->scribe);
}

void lg_scribe_write(const struct lg_task *r)
{
    lg_cleanup_buf struct lg_buf b = {.max = ROW_MAX - 1};
    struct lg_json j;
    size_t code = r->code_head.len,
           said = r->mixed.len < LG_CODE_RUN_OUTPUT ? r->mixed.len : LG_CODE_RUN_OUTPUT;
    int64_t wall_us = r->step.ended   ? r->step.wall_us
                      : r->began_mono ? (r->ended_mono - r->began_mono) * 1000
                                      : 0;
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "id", r->id);
    lg_json_str(&j, "tenant", r->tenant);
    lg_json_str(&j, "user", r->user);
    lg_json_str(&j, "language", r->lang->name);
    lg_json_strn(&j, "code", lg_buf_cstr(&r->code_head), code);
    lg_json_int(&j, "codeBytes", (int64_t)r->code_size);
    lg_json_strn(&j, "output", lg_buf_cstr(&r->mixed), strnlen(lg_buf_cstr(&r->mixed), said));
    lg_json_bool(&j, "success", r->step.ended && !r->step.code && !r->step.signal && !r->limit);
    lg_json_int(&j, "exitCode", r->step.ended && !r->step.signal ? r->step.code : -1);
    lg_json_int(&j, "signal", r->step.signal);
    lg_json_str(&j, "limit", r->limit ? r->limit : "");
    lg_json_str(&j, "error", r->failed.code ? r->failed.msg : "");
    lg_json_int(&j, "timeMs", wall_us / 1000);
    lg_json_int(&j, "memoryBytes", r->memory_peak);
    lg_json_int(&j, "queueMs", (r->began_mono ? r->began_mono : r->ended_mono) - r->queued_mono);
    lg_json_int(&j, "createdAt", r->created_at);
    lg_json_end_obj(&j);
    if (!b.failed && r->pool->scribe >= 0)
        (void)!send(r->pool->scribe, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
