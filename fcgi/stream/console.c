#include "stream/console.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "model/terminal.h"
#include "stream/client.h"

enum {
    READ_MAX = 16384, /* bytes read from the console at once, and per turn */
    READ_MIN = 256,
    TO_MAX = 262144, /* bytes a console may owe; above half of it its client waits */
    PER_TENANT = 64,
};

static void close_both(struct lg_client *c)
{
    lg_ask_close(c);
    lg_loop_close(&c->server->loop, &c->u.console.source);
    lg_buf_done(&c->u.console.to);
}

static void ended(struct lg_client *c, int code, const char *why)
{
    lg_loop_close(&c->server->loop, &c->u.console.source);
    lg_client_hold(c, false);
    lg_client_ws_close(c, code, why);
}

/* ---- from the console ---- */

static size_t owed(const struct lg_console *k)
{
    return k->to.len - k->taken;
}

/* What the descriptor is watched for now. */
static void want(struct lg_client *c)
{
    struct lg_console *k = &c->u.console;
    bool read = lg_client_pending(c) <= lg_client_cap(c) / 2;
    lg_loop_want(&c->server->loop, &k->source, (read ? EPOLLIN : 0) | (owed(k) ? EPOLLOUT : 0));
}

static size_t read_size(const struct lg_client *c)
{
    size_t n = lg_client_cap(c) / 4;
    return n > READ_MAX ? READ_MAX : n < READ_MIN ? READ_MIN : n;
}

/* What a terminal says, out of its frames and into `shown`. False when they are none. */
static bool unframe(struct lg_console *k, const uint8_t *p, size_t n, struct lg_buf *shown)
{
    struct lg_piece piece;
    int rc;
    while ((rc = lg_frames_next(&k->up, &p, &n, &piece)) > 0) {
        if (piece.stream == LG_TERMINAL_OUTPUT)
            lg_buf_add(shown, piece.p, piece.n);
        for (size_t i = 0; piece.stream == LG_TERMINAL_EXIT && i < piece.n && k->exit_got < sizeof k->exit;
             i++)
            k->exit[k->exit_got++] = piece.p[i];
    }
    return !rc;
}

/* No more comes. "exit 3" of a terminal whose program was seen to end, whatever was typed for it since. */
static void at_end(struct lg_client *c, bool broken)
{
    const struct lg_console *k = &c->u.console;
    char why[32];
    if (k->exit_got < sizeof k->exit) {
        ended(c, broken ? LG_WS_FAILED : LG_WS_NORMAL,
              broken ? "the console broke off" : "the console ended");
        return;
    }
    snprintf(why, sizeof why, "exit %u", k->exit[3]);
    ended(c, LG_WS_NORMAL, why);
}

static void take_from(struct lg_client *c)
{
    static uint8_t bytes[READ_MAX];
    lg_cleanup_buf struct lg_buf b = {.max = READ_MAX + 64};
    ssize_t n = read(c->u.console.source.fd, bytes, read_size(c));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        at_end(c, n < 0);
        return;
    }
    lg_cleanup_buf struct lg_buf shown = {.max = READ_MAX};
    bool framed = c->u.console.terminal;
    if (framed && !unframe(&c->u.console, bytes, (size_t)n, &shown)) {
        at_end(c, true);
        return;
    }
    if (framed && !shown.len)
        return;
    lg_ws_frame(&b, LG_WS_BINARY, framed ? (const uint8_t *)shown.data : bytes,
                framed ? shown.len : (size_t)n);
    lg_client_send_buf(c, &b);
}

/* ---- to the console ---- */

static void give(struct lg_client *c)
{
    struct lg_console *k = &c->u.console;
    while (owed(k)) {
        ssize_t n = send(k->source.fd, k->to.data + k->taken, owed(k), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && k->terminal) { /* it has ended: how is still to be read */
            k->taken = k->to.len;
            break;
        }
        if (n < 0 && errno != EAGAIN) {
            ended(c, LG_WS_FAILED, "the console broke off");
            return;
        }
        if (n < 0)
            break;
        k->taken += (size_t)n;
    }
    if (!owed(k)) {
        lg_buf_done(&k->to);
        k->taken = 0;
    }
    lg_client_hold(c, owed(k) > TO_MAX / 2);
}

static void on_console(struct lg_source *src, uint32_t events)
{
    struct lg_client *c = lg_container_of(src, struct lg_client, u.console.source);
    if (events & EPOLLOUT)
        give(c);
    if (src->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        take_from(c);
    if (c->state == LG_CLIENT_OPEN)
        want(c);
    else
        lg_loop_close(&c->server->loop, src);
}

static void drained(struct lg_client *c)
{
    if (c->u.console.source.fd >= 0)
        want(c);
}

/* Of one that may only look: the handshake and requests of a screen's viewer, nothing else at all. Returns
 * false when it spoke no RFB. */
static bool only_look(struct lg_client *c, const struct lg_ws_event *ev)
{
    struct lg_console *k = &c->u.console;
    static uint8_t out[LG_WS_MESSAGE_MAX + LG_RFB_EXTRA];
    if (!k->screen)
        return true;
    for (size_t at = 0; at < ev->n; at += LG_WS_MESSAGE_MAX) {
        size_t n = ev->n - at < LG_WS_MESSAGE_MAX ? ev->n - at : LG_WS_MESSAGE_MAX;
        long passed = lg_rfb_filter(&k->rfb, ev->p + at, n, out);
        if (passed < 0)
            return false;
        lg_buf_add(&k->to, out, (size_t)passed);
    }
    return true;
}

/* {"resize":[columns,rows]}; anything else is for a terminal of another time, and left aside. */
static void resize(struct lg_console *k, const struct lg_ws_event *ev)
{
    lg_cleanup_json json_t *j = ev->last ? lg_json_parse((const char *)ev->p, ev->n, 4, NULL) : NULL;
    const json_t *size = json_object_get(j, "resize");
    json_int_t columns = json_integer_value(json_array_get(size, 0)),
               rows = json_integer_value(json_array_get(size, 1));
    if (columns < 1 || rows < 1 || columns > LG_TERMINAL_MOST || rows > LG_TERMINAL_MOST)
        return;
    const uint8_t bytes[4] = {(uint8_t)(columns >> 8), (uint8_t)columns, (uint8_t)(rows >> 8), (uint8_t)rows};
    lg_frame_add(&k->to, LG_TERMINAL_SIZE, bytes, sizeof bytes);
}

static void to_terminal(struct lg_console *k, const struct lg_ws_event *ev)
{
    if (ev->opcode != LG_WS_BINARY)
        resize(k, ev);
    for (size_t at = 0; ev->opcode == LG_WS_BINARY && at < ev->n; at += LG_TERMINAL_PAYLOAD)
        lg_frame_add(&k->to, LG_TERMINAL_INPUT, ev->p + at,
                     ev->n - at < LG_TERMINAL_PAYLOAD ? ev->n - at : LG_TERMINAL_PAYLOAD);
}

static void input(struct lg_client *c, const struct lg_ws_event *ev)
{
    struct lg_console *k = &c->u.console;
    if (k->source.fd < 0 || (ev->opcode != LG_WS_BINARY && !k->terminal))
        return; /* text frames are for what terminals say beside their bytes */
    if (k->taken >= TO_MAX / 2) {
        lg_buf_drop(&k->to, k->taken);
        k->taken = 0;
    }
    if (k->terminal)
        to_terminal(k, ev);
    else if (!c->context.read_only)
        lg_buf_add(&k->to, ev->p, ev->n);
    else if (!only_look(c, ev)) {
        ended(c, LG_WS_PROTOCOL, "not a viewer of screens");
        return;
    }
    if (k->to.failed) {
        ended(c, LG_WS_SLOW, "the console does not take its input");
        return;
    }
    give(c);
    if (c->state == LG_CLIENT_OPEN)
        want(c);
}

/* ---- life ---- */

static void opened(struct lg_client *c, int fd)
{
    struct lg_console *k = &c->u.console;
    k->source = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_console};
    if (lg_fd_nonblock(fd, true) || lg_loop_add(&c->server->loop, &k->source)) {
        close_both(c);
        lg_ask_fail(c, LG_BACKEND, "the console cannot be watched");
        return;
    }
    lg_client_open(c);
}

static void write_request(struct lg_client *c, struct lg_json *j)
{
    lg_json_str(j, "kind", "console");
    lg_json_str(j, "instance", c->context.instance);
    lg_json_str(j, "type", c->context.type);
    if (!c->u.console.terminal)
        return;
    lg_cleanup_json json_t *command = lg_json_parse(c->context.command, strlen(c->context.command), 2, NULL);
    lg_json_int(j, "columns", c->context.columns);
    lg_json_int(j, "rows", c->context.rows);
    lg_json_arr(j, "command");
    for (size_t i = 0; i < json_array_size(command); i++)
        lg_json_str(j, NULL, json_string_value(json_array_get(command, i)));
    lg_json_end_arr(j);
}

static int consoles_of_tenant(const struct lg_client *c)
{
    const struct lg_client *other;
    int n = 0;
    TAILQ_FOREACH(other, &c->server->clients, all)
    n += other->ops == &lg_console_ops && other->state != LG_CLIENT_DEAD &&
         !strcmp(other->context.tenant, c->context.tenant);
    return n;
}

static void start(struct lg_client *c)
{
    c->u.console = (struct lg_console){
        .ask = {.runner = {.fd = -1}, .what = "console", .write = write_request, .opened = opened},
        .source = {.fd = -1},
        .to = {.max = TO_MAX + LG_WS_MESSAGE_MAX},
        .screen = !strcmp(c->context.type, "vnc"),
        .terminal = !strcmp(c->context.type, "exec")};
    if (consoles_of_tenant(c) > PER_TENANT)
        lg_ask_fail(c, LG_RATE, "too many consoles of this tenant are open; close one");
    else
        lg_ask_start(c);
}

const struct lg_client_ops lg_console_ops = {
    .start = start,
    .drained = drained,
    .timeout = lg_ask_timeout,
    .message = input,
    .end = close_both,
};
