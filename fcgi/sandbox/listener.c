/*
 * Whoever listens to a run: frames go out, input comes in. Its leaving ends the run. A browser on this very
 * host drops all its connections whenever an interface comes or goes, which every container does: a run that
 * was made to be listened to again waits a moment for its listener and tells it everything anew.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "box/wire.h"
#include "model/frame.h"
#include "sandbox/pool.h"

#define CLIENT_FULL  ((size_t)256 << 10)
#define INPUT_FRAMES ((size_t)1 << 20) /* bytes that wait to go into a sandbox before its client is held */
#define AGAIN_MAX    ((size_t)1 << 20) /* bytes of frames that are kept to be told again */
#define AGAIN_MS     600               /* a listener that left may come again within it */
#define TOLD_MS      5000              /* and within this after the end */

/* Is everything it said still here? */
static bool repeatable(const struct lg_task *r)
{
    return r->again && !r->forgot && r->out.len <= AGAIN_MAX;
}

/* The end was told: nobody is expected, but for whoever did not get it. */
static void told(struct lg_task *r)
{
    struct lg_timers *t = &r->pool->loop.timers;
    if (!repeatable(r)) {
        lg_task_bury(r);
        return;
    }
    lg_loop_close(&r->pool->loop, &r->client);
    r->attached = false;
    lg_timer_set(t, &r->deadline, lg_clock_mono() + TOLD_MS);
}

void lg_task_flush(struct lg_task *r)
{
    while (r->client.fd >= 0 && r->sent < r->out.len) {
        ssize_t n =
            send(r->client.fd, r->out.data + r->sent, r->out.len - r->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        r->sent += (size_t)n;
    }
    if (r->sent == r->out.len && !repeatable(r)) {
        r->forgot |= r->sent > 0;
        lg_buf_done(&r->out);
        r->sent = 0;
    }
    size_t pending = r->out.len - r->sent;
    if (r->client.fd < 0)
        return;
    if (r->state == LG_TASK_DONE && !pending) {
        told(r);
        return;
    }
    lg_loop_want(&r->pool->loop, &r->client, (r->full ? 0 : EPOLLIN) | (pending ? EPOLLOUT : 0));
    if (r->box)
        lg_box_pause(r->box, pending > CLIENT_FULL);
}

bool lg_task_emit(struct lg_task *r, int type, const void *p, size_t n)
{
    lg_frame_add(&r->out, type, p, n);
    if (r->out.failed)
        return false;
    lg_task_flush(r);
    return true;
}

/* ---- the client's end ---- */

/* It waits for its turn: what is typed already comes after the input that it was given. */
static void early_frame(struct lg_task *r, int type, const char *p, size_t n)
{
    if (type == LG_RUN_FRAME_STOP || type == LG_RUN_FRAME_INTERRUPT) {
        lg_task_stop(r, "stopped");
    } else if (type == LG_RUN_FRAME_INPUT && r->interactive) {
        lg_buf_add(&r->blob, p, n);
        r->input_size += n;
    } else if (type == LG_RUN_FRAME_EOF) {
        r->interactive = false;
    }
    if (r->blob.failed)
        lg_task_fail(r, LG_TOO_LARGE, "the input is too large");
}

static void client_frame(struct lg_task *r, int type, const char *p, size_t n)
{
    if (r->state == LG_TASK_WAITING)
        early_frame(r, type, p, n);
    if (r->state != LG_TASK_GOING || !r->box)
        return;
    if (type == LG_RUN_FRAME_INPUT && r->interactive && n)
        lg_box_send(r->box, LG_BOX_INPUT, p, n);
    else if (type == LG_RUN_FRAME_EOF && r->interactive)
        lg_box_send(r->box, LG_BOX_EOF, NULL, 0);
    else if (type == LG_RUN_FRAME_INTERRUPT)
        lg_box_send(r->box, LG_BOX_STOP, NULL, 0);
    else if (type == LG_RUN_FRAME_STOP)
        lg_task_stop(r, "stopped");
    if (r->box && r->box->state == LG_BOX_ENDING)
        lg_task_box_gone(r, "the sandbox does not take the input");
}

static void client_bytes(struct lg_task *r, const char *p, size_t n)
{
    lg_buf_add(&r->in, p, n);
    while (!r->in.failed && r->in.len >= 8 && r->state != LG_TASK_DONE) {
        const uint8_t *h = (const uint8_t *)r->in.data;
        size_t len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
        if (r->in.len < 8 + len)
            break;
        client_frame(r, h[0], r->in.data + 8, len);
        lg_buf_drop(&r->in, 8 + len);
    }
    if (r->in.failed)
        lg_task_stop(r, "stopped");
    size_t waits = r->box ? r->box->out.len - r->box->sent : r->state == LG_TASK_WAITING ? r->input_size : 0;
    r->full = waits > INPUT_FRAMES;
    if (r->full && r->client.fd >= 0)
        lg_loop_want(&r->pool->loop, &r->client, r->client.events & ~(uint32_t)EPOLLIN);
}

void lg_task_drained(struct lg_task *r)
{
    if (!r->full)
        return;
    r->full = false;
    lg_task_flush(r);
}

static void on_left(struct lg_timer *t)
{
    struct lg_task *r = lg_container_of(t, struct lg_task, left);
    if (r->state == LG_TASK_DONE) /* it waits for whoever wants to know its end */
        return;
    lg_task_stop(r, "disconnected");
    lg_task_bury(r);
}

static void left(struct lg_task *r)
{
    if (!repeatable(r)) {
        if (r->state != LG_TASK_DONE)
            lg_task_stop(r, "disconnected");
        lg_task_bury(r);
        return;
    }
    r->attached = false;
    r->left.fire = on_left;
    lg_timer_set(&r->pool->loop.timers, r->state == LG_TASK_DONE ? &r->deadline : &r->left,
                 lg_clock_mono() + (r->state == LG_TASK_DONE ? TOLD_MS : AGAIN_MS));
}

static void on_client(struct lg_source *s, uint32_t events)
{
    static char bytes[65536];
    struct lg_task *r = lg_container_of(s, struct lg_task, client);
    if (events & EPOLLOUT)
        lg_task_flush(r);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || s->fd < 0)
        return;
    ssize_t n = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        client_bytes(r, bytes, (size_t)n);
        return;
    }
    lg_loop_close(&r->pool->loop, s);
    left(r);
}

bool lg_task_may_attach(const struct lg_task *r, bool again)
{
    return !r->attached || (again && repeatable(r));
}

void lg_task_attach(struct lg_task *r, int fd)
{
    struct lg_loop *l = &r->pool->loop;
    lg_loop_close(l, &r->client); /* whoever listened before */
    lg_timer_cancel(&l->timers, &r->left);
    r->attached = true;
    r->sent = 0;
    r->client = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_client};
    lg_fd_nonblock(fd, true);
    if (lg_loop_add(l, &r->client))
        left(r);
    else
        lg_task_flush(r);
}
