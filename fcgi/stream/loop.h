/*
 * One epoll loop: descriptors and timers. Level-triggered. A source is embedded in its owner, which must stay
 * in memory until the turn ends (`after` is the place to free things): events already fetched for a source
 * that was removed in the same turn are skipped by looking at it.
 */
#ifndef LG_STREAM_LOOP_H
#define LG_STREAM_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "stream/timer.h"

#define lg_container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

struct lg_source {
    int fd; /* owned; -1 when closed */
    uint32_t events;
    void (*ready)(struct lg_source *s, uint32_t events);
};

struct lg_loop {
    int epoll;
    struct lg_timers timers;
    int64_t now; /* lg_clock_mono when the turn woke up */
};

/* LG_INTERNAL without a descriptor. */
int lg_loop_init(struct lg_loop *l, struct lg_err *e);
void lg_loop_done(struct lg_loop *l);
/* Watches s->fd for s->events. 0, or -1 with errno; the descriptor stays open. */
int lg_loop_add(struct lg_loop *l, struct lg_source *s);
/* 0 takes it out of the loop: epoll would go on telling of a hang-up that nobody wants to act on yet. */
void lg_loop_want(struct lg_loop *l, struct lg_source *s, uint32_t events);
void lg_loop_close(struct lg_loop *l, struct lg_source *s); /* closes the descriptor too */
/* Waits at most max_ms (-1: until something happens), then runs what is ready and due. */
void lg_loop_turn(struct lg_loop *l, int max_ms);

#endif
