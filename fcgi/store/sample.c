/* Usage: the newest sample of each running instance. */
#include "store/instance.h"
#include "store/sql.h"

int lg_sample_put(struct lg_db *db, const struct lg_sample *m, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_SAMPLE_PUT, e, "tiiriiiii", m->instance_id, m->at, m->cpu_us, m->cpu_percent,
                        m->memory_bytes, m->rx_bytes, m->tx_bytes, m->disk_bytes, m->pids);
    return rc < 0 ? rc : 0;
}

static void read_row(lg_stmt *s, struct lg_sample *m)
{
    lg_col_copy(s, 0, m->instance_id, sizeof m->instance_id);
    m->at = lg_col_int(s, 1);
    m->cpu_us = lg_col_int(s, 2);
    m->cpu_percent = lg_col_real(s, 3);
    m->memory_bytes = lg_col_int(s, 4);
    m->rx_bytes = lg_col_int(s, 5);
    m->tx_bytes = lg_col_int(s, 6);
    m->disk_bytes = lg_col_int(s, 7);
    m->pids = lg_col_int(s, 8);
}

int lg_sample_get(struct lg_db *db, const char *instance_id, struct lg_sample *m, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_SAMPLE_GET, e, "t", instance_id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, m);
    lg_sql_done(s);
    return rc;
}

int lg_sample_each(struct lg_db *db, const char *tenant_id, lg_sample_fn *fn, void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_SAMPLE_LIST_OF_TENANT, e, "t", tenant_id);
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        struct lg_sample m;
        read_row(s, &m);
        fn(arg, lg_col_text(s, 9), &m);
    }
    return rc;
}
