/* Log and events: answers that stream. The engine's frames of a log are Lodge's frames, so they pass
 * unchanged. */
#include "driver/container/logs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/container/instance.h"

#define FRAME_HEAD 8
#define LOG_MAX    ((size_t)64 << 20) /* the private engine keeps 16 MiB of each log */

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int log_path(const char *id, int tail, bool follow, int64_t since_ms, char *out, size_t cap,
                    struct lg_err *e)
{
    char name[LG_CT_NAME_LEN], lines[16] = "all", since[48] = "";
    int rc = lg_ct_name(id, name, e);
    if (rc)
        return rc;
    if (tail >= 0)
        snprintf(lines, sizeof lines, "%d", tail);
    if (since_ms > 0)
        snprintf(since, sizeof since, "&since=%" PRId64 ".%03d", since_ms / 1000, (int)(since_ms % 1000));
    snprintf(out, cap, "/containers/%s/logs?stdout=1&stderr=1&tail=%s&follow=%d%s", name, lines, follow,
             since);
    return 0;
}

static int log_fail(int status, const struct lg_buf *reply, struct lg_err *e)
{
    if (status == 404)
        return lg_fail(e, LG_NOT_FOUND, "the container engine has no container of this instance");
    return lg_call_fail(status, reply, "cannot read the log", e);
}

/* Keeps the end of the text when it is more than the buffer takes. */
static void add_text(struct lg_buf *out, const char *p, size_t n)
{
    size_t max = out->max ? out->max : LG_BUF_DEFAULT_MAX;
    if (n > max) {
        p += n - max;
        n = max;
    }
    if (out->len + n > max)
        lg_buf_drop(out, out->len + n - max);
    lg_buf_add(out, p, n);
}

/* One past the whole frame at `at`; 0 when there is none. */
static size_t frame_end(const struct lg_buf *frames, size_t at)
{
    if (at + FRAME_HEAD > frames->len)
        return 0;
    size_t n = be32((const unsigned char *)frames->data + at + 4);
    return n <= frames->len - at - FRAME_HEAD ? at + FRAME_HEAD + n : 0;
}

static int newlines(const char *p, const char *end)
{
    int n = 0;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))))
        n++, p++;
    return n;
}

/*
 * Drops whole frames from the front until no more than `lines` lines would stay without them. Cut here and
 * not by the engine: the tail of Podman 4 loses text that no line end follows and sends frames of a wrong
 * length.
 */
static void keep_tail(struct lg_buf *frames, int lines)
{
    int total = 0, gone = 0;
    size_t at = 0, end, last = 0;
    for (; (end = frame_end(frames, at)); last = end, at = end)
        total += newlines(frames->data + at + FRAME_HEAD, frames->data + end);
    if (last && frames->data[last - 1] != '\n')
        total++;
    for (at = 0; gone < total - lines && (end = frame_end(frames, at)); at = end)
        gone += newlines(frames->data + at + FRAME_HEAD, frames->data + end);
    lg_buf_drop(frames, at);
}

/* The last `lines` lines as frames (lines < 0: all), in `reply`. */
static int read_frames(struct lg_engine *g, const char *id, int lines, int64_t since_ms, struct lg_buf *reply,
                       struct lg_err *e)
{
    char path[256];
    int rc = log_path(id, -1, false, since_ms, path, sizeof path, e);
    int status = rc ? rc : lg_callf(g, reply, e, "GET", NULL, "%s", path);
    if (status < 0)
        return status;
    if (status != 200)
        return log_fail(status, reply, e);
    if (lines >= 0)
        keep_tail(reply, lines);
    return 0;
}

int lg_ct_log_tail(struct lg_engine *g, const char *id, int lines, struct lg_buf *out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {.max = LOG_MAX};
    int rc = read_frames(g, id, lines, 0, &reply, e);
    if (rc)
        return rc;
    for (size_t at = 0, end; (end = frame_end(&reply, at)); at = end)
        add_text(out, reply.data + at + FRAME_HEAD, end - at - FRAME_HEAD);
    return out->failed ? lg_fail(e, LG_INTERNAL, "no memory for the log") : 0;
}

struct relay {
    struct lg_engine *g;
    int fd;
};

/* Writes all of it to a descriptor whose reader may be slow, gone, or never come: cancel still works. */
static int relay_sink(void *arg, const char *p, size_t n)
{
    struct relay *r = arg;
    while (n) {
        struct pollfd f = {r->fd, POLLOUT, 0};
        if (lg_engine_cancelled(r->g) || (poll(&f, 1, 100) < 0 && errno != EINTR))
            return 1;
        if (!(f.revents & (POLLOUT | POLLERR | POLLHUP)))
            continue;
        ssize_t done = send(r->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno == ENOTSOCK)
            done = write(r->fd, p, n);
        if (done < 0 && errno != EAGAIN && errno != EINTR)
            return 1;
        if (done > 0)
            p += done, n -= (size_t)done;
    }
    return 0;
}

int lg_ct_log_stream(struct lg_engine *g, const char *id, int tail, bool follow, int64_t since_ms, int fd,
                     struct lg_err *e)
{
    char path[256];
    struct relay r = {g, fd};
    lg_cleanup_buf struct lg_buf reply = {.max = LOG_MAX};
    if (tail >= 0 && !follow) {
        int rc = read_frames(g, id, tail, since_ms, &reply, e);
        return rc ? rc : (relay_sink(&r, lg_buf_cstr(&reply), reply.len), 0);
    }
    int rc = log_path(id, tail, follow, since_ms, path, sizeof path, e);
    if (rc)
        return rc;
    struct lg_call c = {.method = "GET",
                        .path = path,
                        .sink = relay_sink,
                        .sink_arg = &r,
                        .patience_ms = follow ? -1 : 0,
                        .hangup_fd = fd};
    int status = lg_call(g, &c, &reply, e);
    if (status < 0)
        return status;
    if (lg_engine_cancelled(g)) /* the sink noticed first and ended the call itself */
        return lg_fail(e, LG_CANCELLED, "cancelled while the log was read");
    return status == 200 ? 0 : log_fail(status, &reply, e);
}

struct watch {
    struct lg_buf line;
    lg_watch_fn *fn;
    void *arg;
    bool ended; /* by fn */
};

static bool watch_line(struct watch *w, const char *line, size_t n)
{
    lg_cleanup_json json_t *o = json_loadb(line, n, 0, NULL);
    const json_t *attributes = json_object_get(json_object_get(o, "Actor"), "Attributes");
    const char *id = lg_json_text(attributes, LG_LABEL_INSTANCE);
    w->ended = *id && w->fn(w->arg, id, lg_json_text(o, "Action")) != 0;
    return w->ended;
}

static int watch_sink(void *arg, const char *p, size_t n)
{
    struct watch *w = arg;
    lg_buf_add(&w->line, p, n);
    for (char *end; w->line.len && (end = memchr(w->line.data, '\n', w->line.len));) {
        if (watch_line(w, w->line.data, (size_t)(end - w->line.data)))
            return 1;
        lg_buf_drop(&w->line, (size_t)(end - w->line.data) + 1);
    }
    return w->line.failed;
}

int lg_ct_watch(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e)
{
    struct watch w = {.line = {.max = 1 << 20}, .fn = fn, .arg = arg};
    lg_cleanup_buf struct lg_buf filter = {0}, path = {0}, reply = {0};
    lg_buf_fmt(&filter, "{\"type\":[\"container\"],\"label\":[\"%s=%s\"]}", LG_LABEL_SITE, g->ctx.site);
    lg_buf_str(&path, "/events?filters=");
    lg_url_escape(&path, lg_buf_cstr(&filter), "");
    struct lg_call c = {
        .method = "GET", .path = lg_buf_cstr(&path), .sink = watch_sink, .sink_arg = &w, .patience_ms = -1};
    int status = lg_call(g, &c, &reply, e);
    lg_buf_done(&w.line);
    if (status < 0 || w.ended)
        return status < 0 ? status : 0;
    if (status != 200)
        return lg_call_fail(status, &reply, "cannot watch the container engine", e);
    return lg_fail(e, LG_UNAVAILABLE, "the container engine ended its event stream");
}
