/*
 * Timers: an intrusive pairing heap, so arming one never allocates and never fails. Times are lg_clock_mono
 * milliseconds. The owner of a `struct lg_timer` must cancel it before its memory goes away.
 */
#ifndef LG_STREAM_TIMER_H
#define LG_STREAM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct lg_timer {
    int64_t due;
    void (*fire)(struct lg_timer *t);
    struct lg_timer *child, *next, *prev; /* prev: the left sibling, or the parent of a first child */
    bool armed;
};

struct lg_timers {
    struct lg_timer *root;
    int64_t past; /* while running: the time up to which timers fire; INT64_MIN otherwise */
};
#define LG_TIMERS_EMPTY ((struct lg_timers){.past = INT64_MIN})

void lg_timer_set(struct lg_timers *h, struct lg_timer *t, int64_t due); /* arms it, or moves it */
void lg_timer_cancel(struct lg_timers *h, struct lg_timer *t);           /* harmless when it is not armed */

/* Fires what is due at `now`. A timer armed for `now` or earlier by one that fires waits for the next call.
 */
void lg_timers_run(struct lg_timers *h, int64_t now);

/* Milliseconds until the next one (0 when overdue), or -1 without any: an argument for epoll_wait. */
int lg_timers_wait(const struct lg_timers *h, int64_t now);

#endif
