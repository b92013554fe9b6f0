#include "store/doctor.h"

#include <string.h>

#include "base/clock.h"
#include "store/sql.h"

static int integrity(struct lg_db *db, struct lg_db_report *r, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_DOCTOR_INTEGRITY, e, "");
    int rc = lg_sql_step(db, s, e);
    if (rc > 0 && strcmp(lg_col_text(s, 0), "ok") != 0)
        lg_col_copy(s, 0, r->damage, sizeof r->damage);
    lg_sql_done(s);
    return rc < 0 ? rc : 0;
}

int lg_db_examine(struct lg_db *db, int64_t stuck_ms, struct lg_db_report *r, struct lg_err *e)
{
    memset(r, 0, sizeof *r);
    int rc = integrity(db, r, e);
    if (!rc)
        rc = lg_sql_int(db, lg_sql(db, Q_DOCTOR_FOREIGN_KEYS, e, ""), &r->broken_links, e);
    if (!rc)
        rc = lg_sql_two_ints(db, lg_sql(db, Q_DOCTOR_OLD_OPERATIONS, e, "i", lg_clock_ms() - stuck_ms),
                             &r->stuck, &r->stuck_since, e);
    if (!rc)
        rc = lg_sql_int(db, lg_sql(db, Q_DOCTOR_ERRORS, e, ""), &r->errors, e);
    return rc;
}
