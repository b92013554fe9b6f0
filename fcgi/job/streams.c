/*
 * Gives lodge-stream descriptors to read from: one connection, one request, one answer, one stream. Each is
 * served by a forked child that ends with the stream, so a stuck engine or client holds nobody else up. This
 * process itself opens neither database nor engine.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "job/console.h"
#include "model/terminal.h"

#define STREAMS_MAX 256
#define REQUEST_MAX 4096
#define REQUEST_MS  5000 /* a client that connects and says nothing */
#define TAIL_MAX    100000

struct request {
    bool console, exec;
    enum lg_console line; /* of a console */
    json_t *command;      /* of a terminal, owned */
    int columns, rows;
    char instance[LG_ID_LEN];
    int tail;
    bool follow;
    int64_t since_ms;
};

static int size_of(const json_t *j, const char *key, int otherwise)
{
    json_int_t n = json_integer_value(json_object_get(j, key));
    return n > 0 && n <= LG_TERMINAL_MOST ? (int)n : otherwise;
}

static int parse_exec(const json_t *j, const char *id, struct request *q, struct lg_err *e)
{
    size_t i;
    json_t *word, *command = json_object_get(j, "command");
    if (!id || !lg_id_valid(id))
        return lg_fail(e, LG_INVALID, "instance must be an id");
    json_array_foreach(command, i, word) if (!json_is_string(word)) return lg_fail(e, LG_INVALID,
                                                                                   "command must be strings");
    if (json_array_size(command) > LG_TERMINAL_WORDS)
        return lg_fail(e, LG_INVALID, "command has too many words");
    memcpy(q->instance, id, sizeof q->instance);
    q->command = json_incref(command);
    q->columns = size_of(j, "columns", LG_TERMINAL_COLUMNS);
    q->rows = size_of(j, "rows", LG_TERMINAL_ROWS);
    return 0;
}

static int parse(const char *text, size_t n, struct request *q, struct lg_err *e)
{
    lg_cleanup_json json_t *j = lg_json_parse(text, n, 4, e);
    if (!j)
        return -(int)LG_INVALID;
    const char *kind = json_string_value(json_object_get(j, "kind"));
    const char *id = json_string_value(json_object_get(j, "instance"));
    const json_t *tail = json_object_get(j, "tail"), *since = json_object_get(j, "since");
    const char *type = json_string_value(json_object_get(j, "type"));
    q->console = kind && !strcmp(kind, "console");
    if (!kind || (!q->console && strcmp(kind, "logs")))
        return lg_fail(e, LG_INVALID, "a stream of this kind does not exist");
    q->exec = q->console && type && !strcmp(type, "exec");
    if (q->exec)
        return parse_exec(j, id, q, e);
    if (q->console && (!type || (strcmp(type, "vnc") && strcmp(type, "serial"))))
        return lg_fail(e, LG_INVALID, "a console of this type does not exist");
    q->line = q->console && !strcmp(type, "vnc") ? LG_CONSOLE_VNC : LG_CONSOLE_SERIAL;
    if (!id || !lg_id_valid(id))
        return lg_fail(e, LG_INVALID, "instance must be an id");
    json_int_t lines = json_is_integer(tail) ? json_integer_value(tail) : -1;
    memcpy(q->instance, id, sizeof q->instance);
    q->tail = lines < 0 ? -1 : lines > TAIL_MAX ? TAIL_MAX : (int)lines;
    q->follow = json_is_true(json_object_get(j, "follow"));
    q->since_ms = json_is_integer(since) && json_integer_value(since) > 0 ? json_integer_value(since) : 0;
    return 0;
}

/* The database is open for this look-up only: a stream may last for days. */
static int backend_of(const struct lg_runner *r, const char *id, char *backend, size_t cap, struct lg_err *e)
{
    struct lg_db *db = NULL;
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_db_open(&db, r->conf, e);
    if (!rc)
        rc = lg_instance_get(db, "", id, &in, e);
    snprintf(backend, cap, "%s", in.backend);
    lg_db_close(db);
    return rc;
}

static int find(const struct lg_runner *r, struct lg_engines *s, const struct request *q,
                const struct lg_driver **d, struct lg_engine **g, struct lg_err *e)
{
    char backend[32];
    struct lg_truth t = {0};
    int rc = backend_of(r, q->instance, backend, sizeof backend, e);
    if (!rc)
        rc = lg_engines_get(s, backend, d, g, e);
    if (rc || q->console) /* a driver says itself why a console cannot be opened */
        return rc;
    rc = lg_truth_ask(&t, *d, *g, q->instance, false, e);
    if (!rc && !(*d)->log_stream)
        rc = lg_fail(e, LG_UNSUPPORTED, "%s has no logs", backend);
    if (!rc && t.st.run == LG_RUN_ABSENT)
        rc = lg_fail(e, LG_NOT_FOUND, "the engine has nothing of this instance, so there is no log");
    lg_truth_done(&t);
    return rc;
}

static void refuse(int sock, const struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {.max = 4096};
    lg_json_error(&b, e);
    if (!b.failed)
        (void)!send(sock, b.data, b.len, MSG_NOSIGNAL);
}

/* Without a command: the container's shell, the better one if it has two. */
static int serve_exec(const struct lg_runner *r, const struct request *q, struct lg_console_ask *a, int *sock,
                      struct lg_err *e)
{
    static const char *const shell[] = {"/bin/sh", "-c",
                                        "command -v bash >/dev/null 2>&1 && exec bash; exec sh", NULL};
    const char *argv[LG_TERMINAL_WORDS + 1] = {NULL};
    size_t n = json_array_size(q->command);
    for (size_t i = 0; i < n; i++)
        argv[i] = json_string_value(json_array_get(q->command, i));
    a->command = n ? argv : shell;
    a->columns = q->columns;
    a->rows = q->rows;
    return lg_exec_serve(r, a, sock, e);
}

/* In the child of one connection. */
static void serve(const struct lg_runner *r, int sock)
{
    char text[REQUEST_MAX];
    struct lg_err e = {0};
    struct request q = {.tail = -1};
    struct lg_engines engines;
    const struct lg_driver *d = NULL;
    struct lg_engine *g = NULL;
    struct pollfd f = {sock, POLLIN, 0};
    ssize_t n = poll(&f, 1, REQUEST_MS) > 0 ? recv(sock, text, sizeof text, MSG_DONTWAIT) : -1;
    if (n <= 0)
        return;
    lg_engines_init(&engines, r, NULL);
    int pair[2];
    int rc = parse(text, (size_t)n, &q, &e);
    if (!rc)
        rc = find(r, &engines, &q, &d, &g, &e);
    if (!rc && q.console) {
        struct lg_console_ask ask = {.d = d, .g = g, .id = q.instance, .kind = q.line};
        rc = q.exec ? serve_exec(r, &q, &ask, &sock, &e) : lg_console_serve(r, &ask, &sock, &e);
        json_decref(q.command);
        if (rc)
            refuse(sock, &e);
        return;
    }
    if (!rc && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        rc = lg_fail_errno(&e, LG_INTERNAL, "cannot make a socket pair");
    if (rc) {
        refuse(sock, &e);
        return;
    }
    static const char ok[] = "{\"ok\":true}";
    rc = lg_send_fd(sock, ok, sizeof ok - 1, pair[0], &e);
    close(pair[0]);
    close(sock);
    if (!rc)
        d->log_stream(g, q.instance, q.tail, q.follow, q.since_ms, pair[1], &e);
}

static void reap(int *children)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        --*children;
}

static void accept_one(const struct lg_runner *r, int listener, int *children)
{
    lg_cleanup_fd int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct lg_err e = {0};
    if (sock < 0)
        return;
    if (*children >= STREAMS_MAX) {
        lg_fail(&e, LG_RATE, "too many logs are being followed");
        refuse(sock, &e);
        return;
    }
    pid_t pid = lg_child_fork("lodge-stream-of", &e);
    if (!pid) {
        close(listener);
        serve(r, sock);
        _exit(0);
    }
    if (pid > 0)
        ++*children;
    else
        refuse(sock, &e);
}

static void on_child(int sig)
{
    (void)sig; /* only ends the poll early */
}

void lg_streams_main(const struct lg_runner *r, int arg)
{
    (void)arg;
    char path[PATH_MAX];
    struct lg_err e = {0};
    int children = 0;
    struct sigaction sa = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGCHLD, &sa, NULL);
    lg_conf_path(r->conf, path, sizeof path, "run/runner-streams.sock");
    int listener = lg_unix_listen(path, SOCK_SEQPACKET | SOCK_NONBLOCK, 128, r->gid, &e);
    if (listener < 0) {
        lg_log_err(LG_ERROR, "streams cannot be served", &e);
        lg_pause_ms(2000);
        _exit(1);
    }
    for (;;) {
        struct pollfd f = {listener, POLLIN, 0};
        int n = poll(&f, 1, children ? 5000 : -1);
        reap(&children);
        if (n > 0)
            accept_one(r, listener, &children);
    }
}
