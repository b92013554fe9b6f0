/* What /metrics tells from the database. Reads only; the pointers of a row live during the call of fn, which
 * must not use the database. Each returns 0 or a negative code. */
#ifndef LG_STORE_STATS_H
#define LG_STORE_STATS_H

#include "store/db.h"
#include "store/instance.h"

/* Two words and a number of each row: operations that ended by kind and result; instances by backend and
 * state. */
typedef void lg_stats_row(void *arg, const char *a, const char *b, int64_t n);
int lg_stats_operations(struct lg_db *db, lg_stats_row *fn, void *arg, struct lg_err *e);
int lg_stats_instances(struct lg_db *db, lg_stats_row *fn, void *arg, struct lg_err *e);

/* Operations that have not ended. */
struct lg_queue {
    int64_t queued, running;
    int64_t oldest_queued_at, oldest_running_at; /* when they were asked for; 0 none */
};
/* Zeros where there is none. */
int lg_stats_queue(struct lg_db *db, struct lg_queue *q, struct lg_err *e);

/* The newest sample of everything that runs; of `s` instance_id, at and cpu_percent are not filled. */
typedef void lg_stats_usage_row(void *arg, const char *tenant, const char *name, const struct lg_sample *s);
int lg_stats_usage(struct lg_db *db, lg_stats_usage_row *fn, void *arg, struct lg_err *e);

int lg_stats_engines(struct lg_db *db, void (*fn)(void *arg, const struct lg_engine_state *st), void *arg,
                     struct lg_err *e);

/* Things of our site in an engine that nobody knows. */
int lg_stats_quarantine(struct lg_db *db, int64_t *n, struct lg_err *e);

#endif
