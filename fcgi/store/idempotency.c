#include "store/idempotency.h"

#include <string.h>

#include "base/clock.h"
#include "store/sql.h"

static void read_blob(lg_stmt *s, int col, struct lg_buf *out)
{
    size_t n;
    const void *p = lg_col_blob(s, col, &n);
    if (n)
        lg_buf_add(out, p, n);
}

int lg_idempotency_get(struct lg_db *db, struct lg_idempotency *i, struct lg_buf *headers,
                       struct lg_buf *body, struct lg_err *e)
{
    size_t n;
    lg_stmt *s = lg_sql(db, Q_IDEMPOTENCY_GET, e, "ttti", i->caller, i->tenant, i->key,
                        lg_clock_ms() - LG_IDEMPOTENCY_KEEP_MS);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        const void *request = lg_col_blob(s, 0, &n);
        memset(i->request, 0, sizeof i->request);
        if (n == sizeof i->request)
            memcpy(i->request, request, n);
        lg_col_copy(s, 1, i->operation_id, sizeof i->operation_id);
        lg_col_copy(s, 2, i->view, sizeof i->view);
        lg_col_copy(s, 3, i->subject_id, sizeof i->subject_id);
        i->status = (int)lg_col_int(s, 4);
        read_blob(s, 5, headers);
        read_blob(s, 6, body);
    }
    lg_sql_done(s);
    return rc;
}

int lg_idempotency_put(struct lg_db *db, const struct lg_idempotency *i, const struct lg_buf *headers,
                       const struct lg_buf *body, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IDEMPOTENCY_PUT, e, "tttibtttibb", i->caller, i->tenant, i->key, lg_clock_ms(),
                        i->request, sizeof i->request, i->operation_id, i->view, i->subject_id,
                        (int64_t)i->status, lg_buf_cstr(headers), headers->len, lg_buf_cstr(body), body->len);
    return rc < 0 ? rc : 0;
}

int lg_idempotency_finish(struct lg_db *db, const struct lg_idempotency *i, const struct lg_buf *headers,
                          const struct lg_buf *body, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IDEMPOTENCY_FINISH, e, "tttibb", i->caller, i->tenant, i->key,
                        (int64_t)i->status, lg_buf_cstr(headers), headers->len, lg_buf_cstr(body), body->len);
    return rc < 0 ? rc : 0;
}

int lg_idempotency_prune(struct lg_db *db, int64_t before_at, int64_t most, struct lg_err *e)
{
    return lg_sql_run(db, Q_IDEMPOTENCY_PRUNE, e, "ii", before_at, most);
}

int lg_idempotency_forget(struct lg_db *db, const char *tenant_id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IDEMPOTENCY_FORGET_TENANT, e, "t", tenant_id);
    return rc < 0 ? rc : 0;
}
