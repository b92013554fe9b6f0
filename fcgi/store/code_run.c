#include "store/code_run.h"

#include "store/sql.h"

int lg_code_run_add(struct lg_db *db, const struct lg_code_run *r, struct lg_err *e)
{
    int rc =
        lg_sql_run(db, Q_CODE_RUN_ADD, e, "tttttitiiittiiii", r->id, r->tenant_id, r->user_id, r->language,
                   r->code, r->code_bytes, r->output, (int64_t)r->success, r->exit_code, r->signal, r->limit,
                   r->error, r->time_ms, r->memory_bytes, r->queue_ms, r->created_at);
    return rc < 0 ? rc : 0;
}

int lg_code_run_each(struct lg_db *db, const char *tenant_id, int64_t before_seq, int64_t limit,
                     int64_t offset, int64_t *total, void (*fn)(void *arg, const struct lg_code_run *r),
                     void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_CODE_RUN_LIST, e, "tiii", tenant_id, limit, offset, before_seq);
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        const struct lg_code_run r = {.seq = lg_col_int(s, 0),
                                      .id = lg_col_text(s, 1),
                                      .tenant_id = tenant_id,
                                      .user_id = lg_col_text(s, 2),
                                      .language = lg_col_text(s, 3),
                                      .code = lg_col_text(s, 4),
                                      .code_bytes = lg_col_int(s, 5),
                                      .output = lg_col_text(s, 6),
                                      .success = lg_col_int(s, 7) != 0,
                                      .exit_code = lg_col_null(s, 8) ? -1 : lg_col_int(s, 8),
                                      .signal = lg_col_int(s, 9),
                                      .limit = lg_col_text(s, 10),
                                      .error = lg_col_text(s, 11),
                                      .time_ms = lg_col_int(s, 12),
                                      .memory_bytes = lg_col_int(s, 13),
                                      .queue_ms = lg_col_int(s, 14),
                                      .created_at = lg_col_int(s, 15)};
        fn(arg, &r);
        n++;
    }
    if (!rc)
        rc = lg_sql_int(db, lg_sql(db, Q_CODE_RUN_COUNT, e, "t", tenant_id), total, e);
    return rc ? rc : n;
}

int lg_code_run_prune(struct lg_db *db, int64_t keep, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_CODE_RUN_PRUNE, e, "i", keep);
    return rc < 0 ? rc : 0;
}
