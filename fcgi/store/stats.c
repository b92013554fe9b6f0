#include "store/stats.h"

#include <string.h>

#include "store/sql.h"

static int rows(struct lg_db *db, enum lg_query q, lg_stats_row *fn, void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, q, e, "");
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0)
        fn(arg, lg_col_text(s, 0), lg_col_text(s, 1), lg_col_int(s, 2));
    return rc;
}

int lg_stats_operations(struct lg_db *db, lg_stats_row *fn, void *arg, struct lg_err *e)
{
    return rows(db, Q_STATS_OPERATIONS, fn, arg, e);
}

int lg_stats_instances(struct lg_db *db, lg_stats_row *fn, void *arg, struct lg_err *e)
{
    return rows(db, Q_STATS_INSTANCES, fn, arg, e);
}

int lg_stats_queue(struct lg_db *db, struct lg_queue *q, struct lg_err *e)
{
    memset(q, 0, sizeof *q);
    lg_stmt *s = lg_sql(db, Q_STATS_QUEUE, e, "");
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        bool queued = !strcmp(lg_col_text(s, 0), "queued");
        *(queued ? &q->queued : &q->running) = lg_col_int(s, 1);
        *(queued ? &q->oldest_queued_at : &q->oldest_running_at) = lg_col_int(s, 2);
    }
    return rc;
}

int lg_stats_usage(struct lg_db *db, lg_stats_usage_row *fn, void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_STATS_USAGE, e, "");
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        struct lg_sample m = {.cpu_us = lg_col_int(s, 2),
                              .memory_bytes = lg_col_int(s, 3),
                              .rx_bytes = lg_col_int(s, 4),
                              .tx_bytes = lg_col_int(s, 5),
                              .disk_bytes = lg_col_int(s, 6),
                              .pids = lg_col_int(s, 7)};
        fn(arg, lg_col_text(s, 0), lg_col_text(s, 1), &m);
    }
    return rc;
}

int lg_stats_engines(struct lg_db *db, void (*fn)(void *arg, const struct lg_engine_state *st), void *arg,
                     struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_STATS_ENGINES, e, "");
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        struct lg_engine_state st = {.healthy = lg_col_int(s, 1), .checked_at = lg_col_int(s, 6)};
        lg_col_copy(s, 0, st.backend, sizeof st.backend);
        lg_col_copy(s, 2, st.type, sizeof st.type);
        lg_col_copy(s, 3, st.version, sizeof st.version);
        lg_col_copy(s, 4, st.api_version, sizeof st.api_version);
        lg_col_copy(s, 5, st.reason, sizeof st.reason);
        fn(arg, &st);
    }
    return rc;
}

int lg_stats_quarantine(struct lg_db *db, int64_t *n, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_STATS_QUARANTINE, e, ""), n, e);
}
