#include "store/doctor.h"

#include <string.h>

#include "base/clock.h"
#include "store/sql.h"

static int integrity(struct lg_db *db, struct lg_db_report *r, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_DOCTOR_INTEGRITY, e, "");
    int rc = s ? lg_sql_step(db, s, e) : -(int)LG_INTERNAL;
    if (rc < 0)
        return rc;
    if (rc && strcmp(lg_col_text(s, 0), "ok") != 0)
        lg_col_copy(s, 0, r->damage, sizeof r->damage);
    lg_sql_done(s);
    return 0;
}

/* One row of up to two numbers. */
static int numbers(struct lg_db *db, lg_stmt *s, int64_t *a, int64_t *b, struct lg_err *e)
{
    int rc = s ? lg_sql_step(db, s, e) : -(int)LG_INTERNAL;
    if (rc < 0)
        return rc;
    *a = lg_col_int(s, 0);
    if (b)
        *b = lg_col_int(s, 1);
    lg_sql_done(s);
    return 0;
}

int lg_db_examine(struct lg_db *db, int64_t stuck_ms, struct lg_db_report *r, struct lg_err *e)
{
    memset(r, 0, sizeof *r);
    int rc = integrity(db, r, e);
    if (!rc)
        rc = numbers(db, lg_sql(db, Q_DOCTOR_FOREIGN_KEYS, e, ""), &r->broken_links, NULL, e);
    if (!rc)
        rc = numbers(db, lg_sql(db, Q_DOCTOR_OLD_OPERATIONS, e, "i", lg_clock_ms() - stuck_ms), &r->stuck,
                     &r->stuck_since, e);
    if (!rc)
        rc = numbers(db, lg_sql(db, Q_DOCTOR_ERRORS, e, ""), &r->errors, NULL, e);
    return rc;
}
