/* The fake's log and events. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/fake/life.h"
#include "driver/fake/verbs.h"

#define FRAME_HEAD 8
#define LOOK_MS    30

static size_t frame_len(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (size_t)u[4] << 24 | (size_t)u[5] << 16 | (size_t)u[6] << 8 | u[7];
}

/* Where the last `tail` frames begin (a frame is a line here). */
static size_t tail_at(const struct lg_buf *b, int tail)
{
    int frames = 0;
    for (size_t at = 0; at + FRAME_HEAD <= b->len; at += FRAME_HEAD + frame_len(b->data + at))
        frames++;
    size_t at = 0;
    for (int skip = tail < 0 ? 0 : frames - tail; skip > 0; skip--)
        at += FRAME_HEAD + frame_len(b->data + at);
    return at;
}

static enum lg_run look(struct lg_engine *g, const char *id)
{
    struct lg_inst_status st = {0};
    lg_fake_inspect(g, id, &st, NULL);
    return st.run;
}

int lg_fake_log_tail(struct lg_engine *g, const char *id, int lines, struct lg_buf *out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf all = {0};
    int rc = lg_fake_fault(g, "log_tail", e);
    if (!rc && look(g, id) == LG_RUN_ABSENT)
        rc = lg_fail(e, LG_NOT_FOUND, "the fake engine has no such instance");
    if (rc)
        return rc;
    lg_fake_log_read(g, id, 0, &all);
    for (size_t at = tail_at(&all, lines); at + FRAME_HEAD <= all.len;) {
        size_t n = frame_len(all.data + at);
        lg_buf_add(out, all.data + at + FRAME_HEAD, n);
        at += FRAME_HEAD + n;
    }
    return lg_fake_after(g, "log_tail", 0, e);
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done < 0 && errno == ENOTSOCK)
            done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0)
            p += done, n -= (size_t)done;
    }
    return true;
}

static bool hung_up(int fd)
{
    struct pollfd p = {fd, POLLRDHUP, 0};
    return poll(&p, 1, 0) > 0 && p.revents;
}

int lg_fake_log_stream(struct lg_engine *g, const char *id, int tail, bool follow, int64_t since_ms, int fd,
                       struct lg_err *e)
{
    long at = 0;
    (void)since_ms; /* the fake's lines carry no times */
    int rc = lg_fake_fault(g, "log_stream", e);
    if (!rc && look(g, id) == LG_RUN_ABSENT)
        rc = lg_fail(e, LG_NOT_FOUND, "the fake engine has no such instance");
    if (rc)
        return rc;
    for (bool first = true;; first = false) {
        lg_cleanup_buf struct lg_buf b = {0};
        enum lg_run run = look(g, id); /* before reading: what comes after an end is not lost */
        lg_fake_log_read(g, id, at, &b);
        size_t from = first ? tail_at(&b, tail) : 0;
        at += (long)b.len;
        if (b.len > from && !send_all(fd, b.data + from, b.len - from))
            return 0;
        if (!follow || (run != LG_RUN_RUNNING && run != LG_RUN_PAUSED) || hung_up(fd))
            return 0;
        if (lg_fake_sleep(g, LOOK_MS))
            return lg_fail(e, LG_CANCELLED, "cancelled");
    }
}

static int live(void *arg, const json_t *o)
{
    json_t *copy = json_deep_copy(o);
    lg_fake_live(arg, copy);
    json_decref(copy);
    return 0;
}

/* Ends what is due, so that its event is seen without anybody asking for it. */
static void pass_time(struct lg_engine *g)
{
    lg_cleanup_fd int fd = lg_fake_lock(g, NULL);
    if (fd >= 0)
        lg_fake_each(g, "inst", live, g);
}

int lg_fake_watch(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e)
{
    long at = -1;
    lg_cleanup_buf struct lg_buf lines = {0};
    int rc = lg_fake_fault(g, "watch", e);
    if (rc)
        return rc;
    for (lg_fake_events(g, &at, &lines);;) {
        char *save = NULL;
        pass_time(g);
        lg_fake_events(g, &at, &lines);
        for (char *l = lines.len ? strtok_r(lines.data, "\n", &save) : NULL; l;
             l = strtok_r(NULL, "\n", &save)) {
            char *what = strchr(l, ' ');
            if (!what)
                continue;
            *what++ = 0;
            if (fn(arg, l, what))
                return 0;
        }
        lg_buf_reset(&lines);
        if (lg_fake_sleep(g, LOOK_MS))
            return lg_fail(e, LG_CANCELLED, "cancelled");
        rc = lg_fake_fault(g, "watch", e);
        if (rc)
            return rc;
    }
}
