/* lodge console and lodge exec: a virtual machine's serial line, or a terminal in a container, in this one;
 * by WebSocket over the API's own connection. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/client.h"

#define LEAVE     0x1d /* Ctrl-] */
#define FRAME_MAX 65536
#define LOOK_MS   20000

/* How often, and how long apart, whoever still waits is told of the end of input that is no terminal's. */
#define INPUT_ENDS   60
#define INPUT_END_MS 1000

enum { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct console {
    struct lg_client *k;
    int fd;           /* the connection's, for poll */
    struct lg_buf in; /* what has arrived and is no whole frame yet */
    int code;         /* of the close; 0: none came */
    int ends_left;    /* times that the end of input is said again */
    char reason[128];
    bool raw, only_look, terminal; /* terminal: in a container, with a size and an end of input */
    struct termios before;
};

static bool send_all(struct console *c, const void *p, size_t n)
{
    while (n) {
        size_t sent = 0;
        CURLcode rc = curl_easy_send(c->k->h, p, n, &sent);
        struct pollfd f = {c->fd, POLLOUT, 0};
        if (rc == CURLE_AGAIN)
            poll(&f, 1, LOOK_MS);
        else if (rc)
            return false;
        p = (const char *)p + sent;
        n -= sent;
    }
    return true;
}

/* A client's frames are masked. */
static bool send_frame(struct console *c, int op, const void *p, size_t n)
{
    unsigned char frame[8 + 4096], *at = frame;
    if (n > 4096)
        return false;
    *at++ = (unsigned char)(0x80 | op);
    if (n < 126) {
        *at++ = (unsigned char)(0x80 | n);
    } else {
        *at++ = 0x80 | 126;
        *at++ = (unsigned char)(n >> 8);
        *at++ = (unsigned char)n;
    }
    unsigned char *mask = at;
    randombytes_buf(mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++)
        at[i] = ((const unsigned char *)p)[i] ^ mask[i & 3];
    return send_all(c, frame, (size_t)(at - frame) + n);
}

/* ---- opening ---- */

static bool send_request(struct console *c, const char *path)
{
    lg_cleanup_buf struct lg_buf b = {.max = 16384};
    unsigned char key[16];
    char key64[32];
    const char *host = strstr(c->k->url, "://");
    host = host ? host + 3 : c->k->url;
    randombytes_buf(key, sizeof key);
    sodium_bin2base64(key64, sizeof key64, key, sizeof key, sodium_base64_VARIANT_ORIGINAL);
    lg_buf_fmt(&b, "GET /api/v1%s HTTP/1.1\r\nHost: %.*s\r\n", path, (int)strcspn(host, "/"), host);
    lg_buf_fmt(&b, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    lg_buf_fmt(&b, "Sec-WebSocket-Key: %s\r\n", key64);
    for (const struct curl_slist *h = c->k->headers; h; h = h->next)
        lg_buf_fmt(&b, "%s\r\n", h->data);
    lg_buf_str(&b, "\r\n");
    bool sent = !b.failed && send_all(c, b.data, b.len);
    if (b.data)
        explicit_bzero(b.data, b.len); /* it holds the token */
    return sent;
}

/* More bytes into c->in; false when the connection has ended. */
static bool receive(struct console *c)
{
    char bytes[16384];
    size_t n = 0;
    CURLcode rc = curl_easy_recv(c->k->h, bytes, sizeof bytes, &n);
    if (rc == CURLE_AGAIN)
        return true;
    if (rc || !n)
        return false;
    lg_buf_add(&c->in, bytes, n);
    return !c->in.failed;
}

static int refused(struct console *c, long status, size_t head)
{
    struct lg_err e = {0};
    json_t *body = NULL;
    for (int i = 0; i < 50 && !body; i++) { /* what is left of it is small */
        struct pollfd f = {c->fd, POLLIN, 0};
        body = json_loadb(c->in.data + head, c->in.len - head, JSON_DISABLE_EOF_CHECK, NULL);
        if (!body && (poll(&f, 1, 100) < 0 || !receive(c)))
            break;
    }
    lg_client_refused(status, body, &e);
    json_decref(body);
    return lg_say(lg_exit_of(e.code), "%s", e.msg);
}

static int read_head(struct console *c)
{
    for (;;) {
        struct pollfd f = {c->fd, POLLIN, 0};
        char *end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t head = (size_t)(end - c->in.data) + 4;
            long status = c->in.len > 12 ? strtol(c->in.data + 9, NULL, 10) : 0;
            if (status != 101)
                return refused(c, status, head);
            lg_buf_drop(&c->in, head);
            return 0;
        }
        if (poll(&f, 1, LOOK_MS) <= 0 || !receive(c))
            return lg_say(LG_EXIT_UNREACHABLE, "the server does not answer");
    }
}

static int open_console(struct console *c, const char *path)
{
    struct lg_err e = {0};
    curl_socket_t fd = CURL_SOCKET_BAD;
    lg_client_begin(c->k, path);
    curl_easy_setopt(c->k->h, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(c->k->h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->k->h, CURLOPT_SSL_ENABLE_ALPN, 0L);
    CURLcode rc = curl_easy_perform(c->k->h);
    if (!rc)
        rc = curl_easy_getinfo(c->k->h, CURLINFO_ACTIVESOCKET, &fd);
    if (rc || fd == CURL_SOCKET_BAD) {
        int code = lg_client_unreachable(c->k, rc, &e);
        return lg_say(code, "%s", e.msg);
    }
    c->fd = fd;
    if (!send_request(c, path))
        return lg_say(LG_EXIT_UNREACHABLE, "the server does not take the request");
    return read_head(c);
}

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

/* Whole frames of the server's; false when it is over. */
static bool take_frames(struct console *c)
{
    while (c->in.len >= 2) {
        const unsigned char *p = (const unsigned char *)c->in.data;
        size_t head = 2, n = p[1] & 0x7f;
        int op = p[0] & 15;
        if (n == 127 || p[1] & 0x80)
            return false; /* longer than anything it sends, or masked */
        if (n == 126) {
            if (c->in.len < 4)
                return true;
            n = (size_t)p[2] << 8 | p[3];
            head = 4;
        }
        if (c->in.len < head + n)
            return true;
        if (op == OP_BINARY && !write_out(c->in.data + head, n))
            return false;
        if (op == OP_PING)
            send_frame(c, OP_PONG, p + head, n);
        if (op == OP_CLOSE) {
            c->code = n >= 2 ? p[head] << 8 | p[head + 1] : 1005;
            snprintf(c->reason, sizeof c->reason, "%.*s", n > 2 ? (int)n - 2 : 0, c->in.data + head + 2);
            send_frame(c, OP_CLOSE, p + head, n >= 2 ? 2 : 0);
            return false;
        }
        lg_buf_drop(&c->in, head + n);
    }
    return true;
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
    send_frame(c, OP_TEXT, text, (size_t)n);
}

/* A terminal's end of input is a key, which a program that only now makes the terminal its own (a shell that
 * edits its line) does not see; and whoever reads after one that has seen it meets the end, too, as in a
 * file. So it is pressed again. */
static void end_input(struct console *c)
{
    if (c->ends_left && c->ends_left--)
        send_frame(c, OP_BINARY, "\x04", 1);
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
    if (send && !c->only_look && !send_frame(c, OP_BINARY, bytes, send))
        return false;
    return !leave;
}

static int talk(struct console *c)
{
    struct pollfd f[2] = {{c->fd, POLLIN, 0}, {0, POLLIN, 0}};
    bool open = take_frames(c), left = false;
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
        size_t before;
        do { /* TLS may hold more than the socket shows */
            before = c->in.len;
            if (f[0].revents)
                open = receive(c);
        } while (open && c->in.len > before && c->in.len < FRAME_MAX);
        open = take_frames(c) && open;
    }
    restore(c);
    if (left)
        send_frame(c, OP_CLOSE, "\x03\xe8", 2);
    if (c->terminal && !left && c->code == 1000) /* its program's own exit code, where it is known */
        return strncmp(c->reason, "exit ", 5) ? 0 : (int)strtol(c->reason + 5, NULL, 10) & 255;
    if (left || c->code == 1000)
        return lg_say(0, left ? "left the console" : "the console ended");
    return lg_say(LG_EXIT_FAILED, "the console broke off%s%s", *c->reason ? ": " : "", c->reason);
}

/* Opens it and speaks to its end. */
static int run(struct lg_cli *c, struct console *k, const char *path)
{
    k->k = c->client;
    signal(SIGPIPE, SIG_IGN);
    int rc = open_console(k, path);
    if (!rc) {
        struct sigaction sa = {.sa_handler = on_resize};
        sigaction(SIGWINCH, &sa, NULL);
        if (isatty(0))
            lg_say(0, "connected to %s; leave with Ctrl-]", c->arg[0]);
        make_raw(k);
        tell_size(k);
        rc = talk(k);
    }
    lg_buf_done(&k->in);
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
    return (struct console){.fd = -1, .in = {.max = 4 * FRAME_MAX}, .only_look = lg_flag_set(c, "read-only")};
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
