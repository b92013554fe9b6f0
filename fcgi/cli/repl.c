/*
 * lodge repl: an interpreter in a sandbox, which keeps its state. At a terminal what is typed while a snippet
 * runs is that snippet's input; what it leaves unread is the next line, as it would be without us between.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/ctrl_c.h"
#include "cli/run.h"
#include "cli/ws.h"

#define SNIPPET_MAX ((size_t)1 << 20)
#define CODE_MAX    ((size_t)10 << 20)
#define INPUT_MAX   ((size_t)64 << 10) /* typed for one snippet; the terminal keeps the rest */
#define CLOSE_MS    1000               /* for the server to close what has come to its end */
#define END_MS      500 /* a snippet that still goes on then may be waiting for the end of its input */

/* And not used yet. */
static struct lg_buf typed = {.max = SNIPPET_MAX};
static bool typed_end; /* and then Ctrl-D */

/* ---- Ctrl-C ---- */

static void on_interrupt(int sig)
{
    (void)sig; /* ppoll ends with EINTR */
}

/* A press is kept until somebody waits for it: none is lost between two steps. */
static void catch_interrupts(void)
{
    struct sigaction a = {.sa_handler = on_interrupt};
    sigset_t set;
    sigemptyset(&a.sa_mask);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGINT, &a, NULL);
}

/* As poll; EINTR when Ctrl-C was pressed. */
static int wait_for(struct pollfd *f, nfds_t n, int64_t timeout_ms)
{
    const struct timespec t = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    sigdelset(&set, SIGINT);
    return ppoll(f, n, timeout_ms < 0 ? NULL : &t, &set);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what is typed ---- */

static void drop_typed(void)
{
    lg_buf_reset(&typed);
    typed_end = false;
}

enum line { LINE, END, DROPPED };

static enum line next_line(struct lg_buf *out)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char bytes[4096]; /* a terminal's line is no longer */
    for (;;) {
        const char *end = typed.len ? memchr(typed.data, '\n', typed.len) : NULL;
        if (end) {
            size_t n = (size_t)(end - typed.data) + 1;
            lg_buf_add(out, typed.data, n);
            lg_buf_drop(&typed, n);
            return LINE;
        }
        if (!typed_end && wait_for(&in, 1, -1) < 0 && errno == EINTR) {
            drop_typed();
            return DROPPED;
        }
        ssize_t n = typed_end ? 0 : read(STDIN_FILENO, bytes, sizeof bytes);
        typed_end = false;
        if (n <= 0 && !typed.len)
            return END;
        lg_buf_add(&typed, n > 0 ? bytes : "\n", n > 0 ? (size_t)n : 1);
    }
}

/* A line that opens something is followed by more, up to an empty one. */
static bool opens(const char *line, size_t n)
{
    while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        n--;
    return n && strchr(":{([\\", line[n - 1]);
}

/* Lines until they are whole, none when Ctrl-C dropped them; false at the end of the input. */
static bool read_snippet(struct lg_buf *out)
{
    bool more = false;
    lg_buf_reset(out);
    do {
        size_t before = out->len;
        fputs(more ? "... " : ">>> ", stderr);
        fflush(stderr);
        enum line got = next_line(out);
        if (got == DROPPED) {
            fputc('\n', stderr);
            lg_buf_reset(out);
        }
        if (got != LINE)
            return got == DROPPED || out->len;
        size_t len = out->failed ? 0 : out->len - before - 1;
        more = len && (more || opens(out->data + before, len));
    } while (more);
    return true;
}

/* ---- a snippet and its input ---- */

struct talk {
    struct lg_ws ws;
    json_t *done;   /* owned; NULL: it goes on, or the connection broke off */
    size_t sent;    /* bytes of `typed` that went to the snippet, */
    size_t stale;   /* and those that were typed before Ctrl-C was pressed: nobody's any more */
    bool ended;     /* it was told of the end */
    int64_t end_ms; /* when it will be, if it was typed */
    int presses;    /* of Ctrl-C */
    int64_t at_ms;  /* the last of them */
};

static bool take_message(void *arg, enum lg_ws_op op, const char *p, size_t n)
{
    struct talk *t = arg;
    lg_cleanup_json json_t *j = op == LG_WS_OP_TEXT ? json_loadb(p, n, JSON_ALLOW_NUL, NULL) : NULL;
    json_t *done = json_object_get(j, "done") ? json_object_get(j, "done") : json_object_get(j, "failed");
    if (lg_at(j, "text"))
        lg_run_print(j, 0);
    if (done && !t->done)
        t->done = json_incref(done);
    return true;
}

static void say(struct talk *t, const char *word)
{
    char text[32];
    int n = snprintf(text, sizeof text, "{\"%s\":true}", word);
    lg_ws_send(&t->ws, LG_WS_OP_TEXT, text, (size_t)n);
}

static void send_typed(struct talk *t)
{
    while (t->sent < typed.len && t->sent < INPUT_MAX) {
        size_t n = typed.len - t->sent > LG_WS_OUT_MAX ? LG_WS_OUT_MAX : typed.len - t->sent;
        if (!lg_ws_send(&t->ws, LG_WS_OP_BINARY, typed.data + t->sent, n))
            return; /* which reading finds */
        t->sent += n;
    }
}

static void take_typed(struct talk *t)
{
    char bytes[LG_WS_OUT_MAX];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    lg_buf_add(&typed, bytes, n > 0 ? (size_t)n : 0);
    send_typed(t);
    typed_end = n <= 0;
    t->end_ms = now_ms() + END_MS;
}

/* Nobody knows whether it reads: what ends by itself before has left the end of the input to the next. */
static bool end_is_due(const struct talk *t)
{
    return typed_end && !t->ended && t->sent == typed.len;
}

static void tell_end(struct talk *t)
{
    if (!end_is_due(t) || now_ms() < t->end_ms)
        return;
    say(t, "eof");
    t->ended = true;
}

static void press(struct talk *t)
{
    int64_t ms = now_ms();
    if (t->presses && ms - t->at_ms < LG_CTRL_C_TWICE_MS)
        return;
    t->at_ms = ms;
    t->stale = typed.len;
    typed_end = false;
    if (++t->presses == 1) {
        say(t, "interrupt");
    } else if (t->presses == 2) {
        lg_say(0, "the snippet goes on: the session is ended");
        say(t, "stop");
    } else {
        _exit(LG_EXIT_SIGINT);
    }
}

/* How long nothing but the server's word is waited for; -1: as long as it takes. */
static int64_t patience(const struct talk *t)
{
    int64_t left = t->end_ms - now_ms();
    if (t->done)
        return CLOSE_MS;
    return !end_is_due(t) ? -1 : left > 0 ? left : 0;
}

static void talk(struct talk *t)
{
    struct pollfd f[2] = {{t->ws.fd, POLLIN, 0}, {-1, POLLIN, 0}};
    bool open = lg_ws_take(&t->ws, take_message, t);
    t->end_ms = now_ms() + END_MS;
    send_typed(t);
    while (open) {
        bool more = !t->done && !typed_end && t->sent < INPUT_MAX;
        f[1].fd = more ? STDIN_FILENO : -1;
        int n = wait_for(f, 2, patience(t));
        if (n < 0 && errno == EINTR) {
            press(t);
            continue;
        }
        if (n < 0 || (!n && t->done))
            return;
        if (more && f[1].revents)
            take_typed(t);
        tell_end(t);
        open = !f[0].revents || lg_ws_receive(&t->ws);
        open = lg_ws_take(&t->ws, take_message, t) && open;
    }
}

/* What it did not read is the next one's. */
static void give_back(const struct talk *t)
{
    const json_t *bytes = lg_at(t->done, "stdinBytes");
    size_t taken = json_is_integer(bytes) ? (size_t)json_integer_value(bytes) : t->sent;
    typed_end = typed_end && (!t->ended || taken < t->sent);
    taken = taken < t->stale ? t->stale : taken;
    lg_buf_drop(&typed, taken < typed.len ? taken : typed.len);
}

static int run_at_terminal(struct lg_cli *c, const char *run, json_t **done)
{
    char path[LG_PATH_LEN];
    struct talk t = {.ws.fd = -1};
    int rc = lg_ws_open(&t.ws, c->client, lg_path(path, "/api/repl/runs/%s/stream", run));
    if (!rc)
        talk(&t);
    give_back(&t);
    lg_ws_done(&t.ws);
    *done = t.done;
    return rc;
}

/* 0 when the session goes on, whatever the snippet did; of a file the snippet's own exit code. */
static int run_snippet(struct lg_cli *c, const char *session, const struct lg_buf *code, bool terminal)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer made = {.status = 0};
    lg_cleanup_json json_t *done = NULL,
                           *body = json_pack("{s:o,s:b}", "code", json_stringn(lg_buf_cstr(code), code->len),
                                             "interactive", terminal);
    if (!body || code->failed)
        return lg_say(LG_EXIT_FAILED, "code must be text in UTF-8, of at most %zu bytes", code->max);
    int rc = lg_call(c, "POST", lg_path(path, "/api/repl/sessions/%s/runs", session), body, &made);
    const char *run = lg_text_at(made.json, "id");
    rc = rc ? rc : terminal ? run_at_terminal(c, run, &done) : lg_run_listen(c, run, &done);
    if (rc)
        return rc;
    if (!strcmp(lg_text_at(done, "limit"), "stopped"))
        return lg_say(LG_EXIT_NOT_FOUND, "the session has ended");
    if (!terminal || !done || *lg_text_at(done, "error.message") || *lg_text_at(done, "limit"))
        return lg_run_settle(c, done);
    return 0;
}

/* ---- the session ---- */

static int at_terminal(struct lg_cli *c, const char *session)
{
    lg_cleanup_buf struct lg_buf code = {.max = SNIPPET_MAX};
    int rc = 0;
    fprintf(stderr,
            "%s in a sandbox. An empty line ends a block, Ctrl-C what runs (a second one the session, too), "
            "Ctrl-D the session.\nWhat is typed while something runs is its input.\n",
            c->arg[0]);
    catch_interrupts();
    while (rc != LG_EXIT_NOT_FOUND && rc != LG_EXIT_UNREACHABLE && read_snippet(&code))
        if (strspn(lg_buf_cstr(&code), " \t\r\n") < code.len)
            rc = run_snippet(c, session, &code, true);
    fputc('\n', stderr);
    lg_buf_done(&typed);
    return rc == LG_EXIT_NOT_FOUND ? LG_EXIT_FAILED : 0;
}

static int of_file(struct lg_cli *c, const char *session)
{
    lg_cleanup_buf struct lg_buf code = {.max = CODE_MAX};
    int rc = lg_run_read(stdin, "standard input", &code);
    if (rc || strspn(lg_buf_cstr(&code), " \t\r\n") == code.len)
        return rc;
    return run_snippet(c, session, &code, false);
}

int lg_cli_repl(struct lg_cli *c)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer made = {.status = 0}, gone = {.status = 0};
    lg_cleanup_json json_t *body = json_pack("{s:s}", "language", c->arg[0]);
    int rc = lg_call(c, "POST", "/api/repl/sessions", body, &made);
    if (rc)
        return rc;
    const char *id = lg_text_at(made.json, "id");
    rc = isatty(STDIN_FILENO) ? at_terminal(c, id) : of_file(c, id);
    fflush(stdout);
    lg_try(c, "DELETE", lg_path(path, "/api/repl/sessions/%s", id), NULL, &gone, NULL);
    return rc;
}
