#include "store/code_network.h"

#include "base/clock.h"
#include "store/sql.h"

int lg_code_network_allowed(struct lg_db *db, const char *tenant_id, bool *allowed, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_CODE_NETWORK_ALLOWED, e, "t", tenant_id);
    int rc = lg_sql_step(db, s, e);
    *allowed = rc > 0 && lg_col_int(s, 0);
    lg_sql_done(s);
    return rc < 0 ? rc : 0;
}

int lg_code_network_set(struct lg_db *db, const char *tenant_id, bool allowed, struct lg_err *e)
{
    int rc = allowed ? lg_sql_run(db, Q_CODE_NETWORK_PUT, e, "ti", tenant_id, lg_clock_ms())
                     : lg_sql_run(db, Q_CODE_NETWORK_REMOVE, e, "t", tenant_id);
    return rc < 0 ? rc : 0;
}

int lg_code_network_place(struct lg_db *db, const char *tenant_id, int host, int *net_index, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_CODE_NETWORK_PLACE, e, "tii", tenant_id, (int64_t)host, lg_clock_ms());
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    bool allowed = rc && lg_col_int(s, 1), taken = rc && lg_col_int(s, 2);
    *net_index = rc ? (int)lg_col_int(s, 0) : -1;
    lg_sql_done(s);
    if (!allowed)
        return lg_fail(e, LG_FORBIDDEN, "the tenant's code may not be on its network");
    return taken ? lg_fail(e, LG_CONFLICT, "the tenant's network has no free address for code") : 0;
}
