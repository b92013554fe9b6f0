/* lodge console and lodge exec: a virtual machine's serial line, or a terminal in a container, in this one;
 * by WebSocket over the API's own connection. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/ws.h"

#define LEAVE 0x1d /* Ctrl-] */

/* How often, and how long apart, whoever still waits is told of the end of input that is no terminal's. */
#define INPUT_ENDS   60
#define INPUT_END_MS 1000

struct console {
    struct lg_ws ws;
    int ends_left;                 /* times that the end of input is said again */
    bool raw, only_look, terminal; /* terminal: in a container, with a size and an end of input */
    struct termios before;
};

/* ---- the terminal ---- */

static void make_raw(struct console *c)
{
    struct termios t;
    if (!isatty(0) || tcgetattr(0, &c->before))
        return;
    t = c->before;
    cfmakeraw(&t);
    c->raw = !tcsetattr(0, TCSANOW, &t);
}

static void restore(struct console *c)
{
    if (c->raw)
        tcsetattr(0, TCSANOW, &c->before);
    c->raw = false;
}

static bool write_out(const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(1, p, n);
        if (w < 0 && errno != EINTR)
            return false;
        p += w > 0 ? w : 0;
        n -= w > 0 ? (size_t)w : 0;
    }
    return true;
}

static bool show(void *arg, enum lg_ws_op op, const char *p, size_t n)
{
    (void)arg;
    return op != LG_WS_OP_BINARY || write_out(p, n);
}

static volatile sig_atomic_t resized;

static void on_resize(int sig)
{
    (void)sig;
    resized = 1;
}

static void tell_size(struct console *c)
{
    char text[48];
    struct winsize w;
    resized = 0;
    if (!c->terminal || ioctl(1, TIOCGWINSZ, &w) || !w.ws_col || !w.ws_row)
        return;
    int n = snprintf(text, sizeof text, "{\"resize\":[%u,%u]}", w.ws_col, w.ws_row);
    lg_ws_send(&c->ws, LG_WS_OP_TEXT, text, (size_t)n);
}

/* A terminal's end of input is a key, which a program that only now makes the terminal its own (a shell that
 * edits its line) does not see; and whoever reads after one that has seen it meets the end, too, as in a
 * file. So it is pressed again. */
static void end_input(struct console *c)
{
    if (c->ends_left && c->ends_left--)
        lg_ws_send(&c->ws, LG_WS_OP_BINARY, "\x04", 1);
}

/* What is typed; false when the user leaves. At the end of input that is no terminal, output goes on. */
static bool take_keys(struct console *c, struct pollfd *keys)
{
    char bytes[1024];
    ssize_t n = read(0, bytes, sizeof bytes);
    if (n <= 0) {
        keys->fd = -1;
        c->ends_left = c->terminal && !c->raw ? INPUT_ENDS : 0;
        end_input(c);
        return !c->raw;
    }
    char *leave = c->raw ? memchr(bytes, LEAVE, (size_t)n) : NULL;
    size_t send = leave ? (size_t)(leave - bytes) : (size_t)n;
    if (send && !c->only_look && !lg_ws_send(&c->ws, LG_WS_OP_BINARY, bytes, send))
        return false;
    return !leave;
}

static int talk(struct console *c)
{
    struct pollfd f[2] = {{c->ws.fd, POLLIN, 0}, {0, POLLIN, 0}};
    bool open = lg_ws_take(&c->ws, show, NULL), left = false;
    while (open && !left) {
        int n = poll(f, 2, c->ends_left ? INPUT_END_MS : -1);
        if (!n)
            end_input(c);
        if (resized)
            tell_size(c);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        if (f[1].fd >= 0 && f[1].revents)
            left = !take_keys(c, &f[1]);
        open = !f[0].revents || lg_ws_receive(&c->ws);
        open = lg_ws_take(&c->ws, show, NULL) && open;
    }
    restore(c);
    if (left)
        lg_ws_send(&c->ws, LG_WS_OP_CLOSE, "\x03\xe8", 2);
    if (c->terminal && !left && c->ws.code == 1000) /* its program's own exit code, where it is known */
        return strncmp(c->ws.reason, "exit ", 5) ? 0 : (int)strtol(c->ws.reason + 5, NULL, 10) & 255;
    if (left || c->ws.code == 1000)
        return lg_say(0, left ? "left the console" : "the console ended");
    return lg_say(LG_EXIT_FAILED, "the console broke off%s%s", *c->ws.reason ? ": " : "", c->ws.reason);
}

/* Opens it and speaks to its end. */
static int run(struct lg_cli *c, struct console *k, const char *path)
{
    int rc = lg_ws_open(&k->ws, c->client, path);
    if (!rc) {
        struct sigaction sa = {.sa_handler = on_resize};
        sigaction(SIGWINCH, &sa, NULL);
        if (isatty(0))
            lg_say(0, "connected to %s; leave with Ctrl-]", c->arg[0]);
        make_raw(k);
        tell_size(k);
        rc = talk(k);
    }
    lg_ws_done(&k->ws);
    return rc;
}

/* A terminal with what stands after the instance, or a shell. */
static int exec(struct lg_cli *c, struct console *k, const char *id)
{
    char path[LG_PATH_LEN];
    lg_cleanup_json json_t *words = json_array();
    for (int i = 1; i < c->argc; i++)
        json_array_append_new(words, json_string(c->arg[i]));
    for (int i = 0; i < c->rests; i++)
        json_array_append_new(words, json_string(c->rest[i]));
    char *command = json_array_size(words) ? json_dumps(words, JSON_COMPACT) : NULL;
    k->terminal = true;
    int rc =
        run(c, k,
            lg_path(path, "/compute/instances/%s/console?type=exec&command=%s", id, command ? command : ""));
    free(command);
    return rc;
}

static struct console console_of(const struct lg_cli *c)
{
    return (struct console){.only_look = lg_flag_set(c, "read-only")};
}

int lg_cli_exec(struct lg_cli *c)
{
    char id[40];
    struct console k = console_of(c);
    int rc = lg_instance_id(c, c->arg[0], id);
    return rc ? rc : exec(c, &k, id);
}

int lg_cli_console(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    struct console k = console_of(c);
    int rc = lg_instance_id(c, c->arg[0], id);
    rc = rc ? rc : lg_call(c, "GET", lg_path(path, "/compute/instances/%s", id), NULL, &a);
    if (rc)
        return rc;
    if (!strcmp(lg_text_at(a.json, "type"), "container") && !k.only_look)
        return exec(c, &k, id);
    return run(c, &k,
               lg_path(path, "/compute/instances/%s/console?type=serial&readonly=%s", id,
                       k.only_look ? "true" : "false"));
}
