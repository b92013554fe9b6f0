/*
 * How many requests a second one token (or user by session) may make: token buckets in shared memory, made by
 * the master before it forks, so that all workers count together. Taking from one is a compare-and-swap.
 */
#ifndef LG_HTTP_RATE_H
#define LG_HTTP_RATE_H

#include "base/conf.h"

/* What the answer says of it; limit 0: nobody is limited. */
struct lg_rate {
    int64_t limit, remaining; /* requests at once */
    int64_t reset_s;          /* until all of them are there again */
    int64_t window_s;         /* in which the limit comes anew */
};

/* The master's. LG_INTERNAL without memory. */
int lg_rate_start(const struct lg_conf *c, struct lg_err *e);
/* Takes one for the owner of this id. LG_RATE with details.retryAfter (seconds) when there is none. */
int lg_rate_take(const char *id, struct lg_rate *out, struct lg_err *e);

/* The same with the clock in the caller's hand, for tests. */
int lg_rate_take_at(const char *id, int64_t now_us, struct lg_rate *out, struct lg_err *e);

#endif
