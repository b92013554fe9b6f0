/*
 * Usage history: what each instance used, in buckets of 10 s for an hour, 1 min for a day and 15 min for a
 * month, in a SQLite file of its own (samples.db, opened by lg_history_open). Only lodge-runner's reconcilers
 * write it; lodge-api reads. Each takes an `hdb` of that file, never the database's own connection.
 */
#ifndef LG_STORE_HISTORY_H
#define LG_STORE_HISTORY_H

#include "store/instance.h"

/* The widths a bucket has, and how long each is kept. */
struct lg_history_tier {
    int width_s;
    int64_t keep_s;
};
#define LG_HISTORY_TIERS 3
extern const struct lg_history_tier lg_history_tiers[LG_HISTORY_TIERS]; /* finest first */

struct lg_history_point { /* of one step of a series */
    int64_t at_s;         /* its start, seconds since the epoch */
    int64_t samples, span_ms;
    double cpu_avg, cpu_min, cpu_max; /* per cent of one core */
    double memory_avg;                /* bytes */
    int64_t memory_min, memory_max;
    int64_t rx_bytes, tx_bytes; /* within the step */
    int64_t disk_bytes;         /* -1 unknown */
    int64_t pids;
};

/* Within a write transaction: `now` joins its bucket. `before`: the sample ahead of it, NULL when none is
 * known; counters that went back mean that the instance started anew in between. */
int lg_history_add(struct lg_db *hdb, const struct lg_sample *now, const struct lg_sample *before,
                   struct lg_err *e);

/* Within a write transaction: makes the wider buckets anew that hold anything after `since_ms` (0: all that
 * the finer ones still tell), up to `now_ms`, and forgets what is past its time. Idempotent. */
int lg_history_roll(struct lg_db *hdb, int64_t since_ms, int64_t now_ms, struct lg_err *e);

/* Every instance that has history; fn must not use `hdb`. And its end, within a write transaction. */
int lg_history_each(struct lg_db *hdb, void (*fn)(void *arg, const char *instance_id), void *arg,
                    struct lg_err *e);
int lg_history_remove(struct lg_db *hdb, const char *instance_id, struct lg_err *e);

/*
 * The points of since_s … until_s in steps of `step_s`, oldest first; steps without a sample are left out.
 * `step_s` must be a multiple of the width of `tier`.
 */
typedef void lg_history_fn(void *arg, const struct lg_history_point *p);
int lg_history_series(struct lg_db *hdb, const char *instance_id, const struct lg_history_tier *tier,
                      int64_t since_s, int64_t until_s, int64_t step_s, lg_history_fn *fn, void *arg,
                      struct lg_err *e);

#endif
