#include "http/rate.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/clock.h"

#define SLOTS 8192 /* callers at work at the same time; one that is idle has none */
#define WAYS  8    /* slots a caller may be in */

/* A bucket is known by when it will be full again: what lies before that is its room, and when the moment has
 * passed nothing about it is worth remembering. */
struct bucket {
    atomic_uint_fast64_t owner;  /* hash of the id; 0 nobody's */
    atomic_int_fast64_t full_at; /* monotonic µs */
};

static struct bucket *buckets; /* NULL: no limit */
static int64_t interval_us, window_us, burst;

int lg_rate_start(const struct lg_conf *c, struct lg_err *e)
{
    if (!c->rate_limit)
        return 0;
    interval_us = 1000000 / c->rate_limit;
    burst = c->rate_burst;
    window_us = interval_us * burst;
    void *at = mmap(NULL, SLOTS * sizeof *buckets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return lg_fail_errno(e, LG_INTERNAL, "no memory for the rate limit");
    buckets = at;
    return 0;
}

static uint64_t hash(const char *id)
{
    uint64_t h = 14695981039346656037ULL;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 1099511628211ULL;
    return h ? h : 1;
}

/* The caller's bucket: its own, else one that is full again, which is as good as a new one. When all it may
 * be in are in use it shares the one that will be full first. */
static struct bucket *find(uint64_t owner, int64_t now)
{
    struct bucket *first = &buckets[owner % (SLOTS / WAYS) * WAYS];
    for (int tries = 0; tries < WAYS; tries++) {
        struct bucket *best = first;
        for (struct bucket *b = first; b < first + WAYS; b++) {
            if (atomic_load(&b->owner) == owner)
                return b;
            if (atomic_load(&b->full_at) < atomic_load(&best->full_at))
                best = b;
        }
        uint_fast64_t was = atomic_load(&best->owner);
        if (atomic_load(&best->full_at) > now || atomic_compare_exchange_strong(&best->owner, &was, owner))
            return best;
    }
    return first;
}

static void describe(struct lg_rate *out, int64_t owed_us)
{
    out->limit = burst;
    out->remaining = (window_us - owed_us) / interval_us;
    out->reset_s = (owed_us + 999999) / 1000000;
    out->window_s = (window_us + 999999) / 1000000;
}

int lg_rate_take_at(const char *id, int64_t now_us, struct lg_rate *out, struct lg_err *e)
{
    if (!buckets)
        return 0;
    struct bucket *b = find(hash(id), now_us);
    int_fast64_t full_at = atomic_load(&b->full_at);
    for (;;) {
        int64_t from = full_at > now_us ? full_at : now_us, owed = from + interval_us - now_us;
        if (owed > window_us) {
            int64_t wait_s = (owed - window_us + 999999) / 1000000;
            describe(out, from - now_us);
            out->remaining = 0;
            lg_fail(e, LG_RATE, "this token makes more requests than it may; try again in %lld s",
                    (long long)wait_s);
            return lg_err_detail(e, "retryAfter", "%lld", (long long)wait_s);
        }
        if (atomic_compare_exchange_weak(&b->full_at, &full_at, from + interval_us)) {
            describe(out, owed);
            return 0;
        }
    }
}

int lg_rate_take(const char *id, struct lg_rate *out, struct lg_err *e)
{
    return buckets ? lg_rate_take_at(id, lg_clock_mono_us(), out, e) : 0;
}
