#include "stream/loop.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

enum { EVENTS_PER_TURN = 256 };

int lg_loop_init(struct lg_loop *l, struct lg_err *e)
{
    *l = (struct lg_loop){.timers = LG_TIMERS_EMPTY, .now = lg_clock_mono()};
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll < 0 ? lg_fail_errno(e, LG_INTERNAL, "cannot make an epoll descriptor") : 0;
}

void lg_loop_done(struct lg_loop *l)
{
    lg_fd_close(&l->epoll);
}

int lg_loop_add(struct lg_loop *l, struct lg_source *s)
{
    struct epoll_event ev = {.events = s->events, .data.ptr = s};
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &ev);
}

void lg_loop_want(struct lg_loop *l, struct lg_source *s, uint32_t events)
{
    if (s->fd < 0 || s->events == events)
        return;
    int op = !events ? EPOLL_CTL_DEL : !s->events ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    s->events = events;
    struct epoll_event ev = {.events = events, .data.ptr = s};
    epoll_ctl(l->epoll, op, s->fd, &ev);
}

void lg_loop_close(struct lg_loop *l, struct lg_source *s)
{
    if (s->fd < 0)
        return;
    /* Explicitly: closing alone does not remove a descriptor of which somebody else holds a duplicate. */
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    lg_fd_close(&s->fd);
}

void lg_loop_turn(struct lg_loop *l, int max_ms)
{
    struct epoll_event ev[EVENTS_PER_TURN];
    int wait = lg_timers_wait(&l->timers, lg_clock_mono());
    if (max_ms >= 0 && (wait < 0 || wait > max_ms))
        wait = max_ms;
    int n = epoll_wait(l->epoll, ev, EVENTS_PER_TURN, wait);
    l->now = lg_clock_mono();
    for (int i = 0; i < n; i++) {
        struct lg_source *s = ev[i].data.ptr;
        if (s->fd >= 0)
            s->ready(s, ev[i].events);
    }
    lg_timers_run(&l->timers, l->now);
}
