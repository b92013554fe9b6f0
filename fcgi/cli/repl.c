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
#define CLOSE_S     1                  /* for the server to close what has come to its end */

static struct lg_buf typed = {.max = SNIPPET_MAX}; /* and not used yet */

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
static int wait_for(struct pollfd *f, nfds_t n, int timeout_s)
{
    const struct timespec t = {.tv_sec = timeout_s};
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    sigdelset(&set, SIGINT);
    return ppoll(f, n, timeout_s < 0 ? NULL : &t, &set);
}

/* ---- what is typed ---- */

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
        if (wait_for(&in, 1, -1) < 0 && errno == EINTR) {
            lg_buf_reset(&typed);
            return DROPPED;
        }
        ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
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
    json_t *done;  /* owned; NULL: it goes on, or the connection broke off */
    size_t sent;   /* bytes of `typed` that went to the snippet, */
    size_t stale;  /* and those that were typed before Ctrl-C was pressed: nobody's any more */
    int presses;   /* of Ctrl-C */
    int64_t at_ms; /* the last of them */
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

/* False when no more of it is this snippet's. */
static bool take_typed(struct talk *t)
{
    char bytes[LG_WS_OUT_MAX];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n <= 0) {
        say(t, "eof");
        return false;
    }
    lg_buf_add(&typed, bytes, (size_t)n);
    send_typed(t);
    return t->sent < INPUT_MAX;
}

static void press(struct talk *t)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (t->presses && ms - t->at_ms < LG_CTRL_C_TWICE_MS)
        return;
    t->at_ms = ms;
    t->stale = typed.len;
    if (++t->presses == 1) {
        say(t, "interrupt");
    } else if (t->presses == 2) {
        lg_say(0, "the snippet goes on: the session is ended");
        say(t, "stop");
    } else {
        _exit(LG_EXIT_SIGINT);
    }
}

static void talk(struct talk *t)
{
    struct pollfd f[2] = {{t->ws.fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    bool open = lg_ws_take(&t->ws, take_message, t);
    send_typed(t);
    while (open) {
        int n = wait_for(f, t->done ? 1 : 2, t->done ? CLOSE_S : -1);
        if (n < 0 && errno == EINTR) {
            press(t);
            continue;
        }
        if (n <= 0)
            return;
        if (!t->done && f[1].revents && !take_typed(t))
            f[1].fd = -1;
        open = !f[0].revents || lg_ws_receive(&t->ws);
        open = lg_ws_take(&t->ws, take_message, t) && open;
    }
}

/* What it did not read is the next one's. */
static void give_back(const struct talk *t)
{
    const json_t *bytes = lg_at(t->done, "stdinBytes");
    size_t taken = json_is_integer(bytes) ? (size_t)json_integer_value(bytes) : t->sent;
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
