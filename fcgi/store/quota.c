#include "store/quota.h"

#include <string.h>

#include "base/clock.h"
#include "store/sql.h"

static void read_amounts(lg_stmt *s, struct lg_amounts *a)
{
    int col = 0;
#define X(member, name, unit) a->member = lg_col_int(s, col++);
    LG_QUOTAS(X)
#undef X
}

int lg_quota_get(struct lg_db *db, const char *tenant_id, struct lg_quota *q, struct lg_err *e)
{
    *q = (struct lg_quota){.version = 0};
#define X(member, name, unit) q->limit.member = -1;
    LG_QUOTAS(X)
#undef X
#define X(member, name) q->code.member = -1;
    LG_CEILINGS(X)
#undef X
    lg_stmt *s = lg_sql(db, Q_QUOTA_GET, e, "t", tenant_id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        read_amounts(s, &q->limit);
        q->version = lg_col_int(s, 6);
        q->updated_at = lg_col_int(s, 7);
        int col = 8;
#define X(member, name) q->code.member = lg_col_int(s, col++);
        LG_CEILINGS(X)
#undef X
    }
    lg_sql_done(s);
    return rc < 0 ? rc : 0;
}

int lg_quota_used(struct lg_db *db, const char *tenant_id, struct lg_amounts *used, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_QUOTA_USED, e, "ti", tenant_id, lg_clock_ms());
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    read_amounts(s, used);
    lg_sql_done(s);
    return 0;
}

int lg_quota_put(struct lg_db *db, const char *tenant_id, struct lg_quota *q, struct lg_err *e)
{
    const struct lg_amounts *l = &q->limit;
    const struct lg_ceilings *c = &q->code;
    q->updated_at = lg_clock_ms();
    int rc = lg_sql_run(db, Q_QUOTA_PUT, e, "tiiiiiiiiii", tenant_id, l->instances, l->cpu_millis,
                        l->memory_bytes, l->storage_bytes, l->ingress, l->tokens, c->time_ms, c->memory_bytes,
                        c->output_bytes, q->updated_at);
    if (rc < 0)
        return rc;
    q->version++;
    return 0;
}

static int over(struct lg_err *e, const char *name, const char *unit, int64_t total, int64_t used,
                int64_t more)
{
    lg_fail(e, LG_LIMIT,
            "the tenant's quota of %s would be passed: %lld of %lld %s are taken, %lld more were asked for; "
            "an administrator can raise it",
            name, (long long)used, (long long)total, unit, (long long)more);
    lg_err_detail(e, "limit", "%s", name);
    lg_err_detail(e, "unit", "%s", unit);
    lg_err_detail(e, "total", "%lld", (long long)total);
    lg_err_detail(e, "used", "%lld", (long long)used);
    lg_err_detail(e, "requested", "%lld", (long long)more);
    lg_err_detail(e, "scope", "tenant");
    return lg_err_detail(e, "raisedBy", "administrator");
}

int lg_quota_admit(struct lg_db *db, const char *tenant_id, const struct lg_amounts *more, struct lg_err *e)
{
    struct lg_quota q;
    struct lg_amounts used;
    int rc = lg_quota_get(db, tenant_id, &q, e);
    if (rc || !q.version) /* most tenants have none */
        return rc;
    rc = lg_quota_used(db, tenant_id, &used, e);
#define X(member, name, unit)                                                                                \
    if (!rc && more->member > 0 && q.limit.member >= 0 && used.member + more->member > q.limit.member)       \
        rc = over(e, name, unit, q.limit.member, used.member, more->member);
    LG_QUOTAS(X)
#undef X
    return rc;
}

static void render_one(struct lg_json *j, const char *name, int64_t v)
{
    if (v < 0)
        lg_json_null(j, name);
    else if (!strcmp(name, "cpu"))
        lg_json_real(j, name, (double)v / 1000);
    else
        lg_json_int(j, name, v);
}

void lg_amounts_render(struct lg_json *j, const struct lg_amounts *a)
{
#define X(member, name, unit) render_one(j, name, a->member);
    LG_QUOTAS(X)
#undef X
}

void lg_ceilings_render(struct lg_json *j, const struct lg_ceilings *c)
{
#define X(member, name) render_one(j, name, c->member);
    LG_CEILINGS(X)
#undef X
}
