#include "store/metric.h"

#include "base/clock.h"
#include "store/sql.h"

int lg_metric_add(struct lg_db *db, const char *tenant_id, struct lg_metric *m, struct lg_err *e)
{
    m->at = lg_clock_ms();
    int rc =
        lg_sql_run(db, Q_METRIC_ADD, e, "tittrt", tenant_id, m->at, m->name, m->type, m->value, m->labels);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_METRIC_PRUNE, e, "ti", tenant_id, (int64_t)LG_METRICS_KEPT);
    return rc < 0 ? rc : 0;
}

int lg_metric_each(struct lg_db *db, const char *tenant_id, const char *name, int limit,
                   void (*fn)(void *arg, const struct lg_metric *m), void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_METRIC_LIST, e, "tti", tenant_id, name, (int64_t)limit);
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        const struct lg_metric m = {.id = lg_col_int(s, 0),
                                    .at = lg_col_int(s, 1),
                                    .name = lg_col_text(s, 2),
                                    .type = lg_col_text(s, 3),
                                    .value = lg_col_real(s, 4),
                                    .labels = lg_col_text(s, 5)};
        fn(arg, &m);
        n++;
    }
    return rc < 0 ? rc : n;
}
