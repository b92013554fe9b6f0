#include "store/audit.h"

#include "store/sql.h"

static struct lg_audit_line read_row(lg_stmt *s)
{
    return (struct lg_audit_line){.id = lg_col_int(s, 0),
                                  .at = lg_col_int(s, 1),
                                  .user_id = lg_col_text(s, 2),
                                  .username = lg_col_text(s, 3),
                                  .token_id = lg_col_text(s, 4),
                                  .address = lg_col_text(s, 5),
                                  .action = lg_col_text(s, 6),
                                  .subject = lg_col_text(s, 7),
                                  .tenant = lg_col_text(s, 8),
                                  .result = lg_col_text(s, 9),
                                  .details = lg_col_text(s, 10)};
}

static int count(struct lg_db *db, const char *tenant_id, const char *find, int64_t *total, struct lg_err *e)
{
    lg_stmt *s = tenant_id ? lg_sql(db, Q_AUDIT_COUNT_OF_TENANT, e, "tt", find, tenant_id)
                           : lg_sql(db, Q_AUDIT_COUNT, e, "t", find);
    return lg_sql_int(db, s, total, e);
}

int lg_audit_each(struct lg_db *db, const char *tenant_id, const char *find, int64_t before_id, int64_t limit,
                  int64_t offset, int64_t *total, void (*fn)(void *arg, const struct lg_audit_line *a),
                  void *arg, struct lg_err *e)
{
    lg_stmt *s =
        tenant_id ? lg_sql(db, Q_AUDIT_LIST_OF_TENANT, e, "iitit", limit, offset, find, before_id, tenant_id)
                  : lg_sql(db, Q_AUDIT_LIST, e, "iiti", limit, offset, find, before_id);
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        struct lg_audit_line a = read_row(s);
        fn(arg, &a);
        n++;
    }
    if (!rc)
        rc = count(db, tenant_id, find, total, e);
    return rc ? rc : n;
}

int lg_audit_prune(struct lg_db *db, int64_t before_at, int64_t most, struct lg_err *e)
{
    return lg_sql_run(db, Q_AUDIT_PRUNE, e, "ii", before_at, most);
}

static void text_or_null(struct lg_json *j, const char *key, const char *s)
{
    lg_json_str(j, key, *s ? s : NULL);
}

void lg_audit_render(struct lg_json *j, const char *key, const struct lg_audit_line *a)
{
    lg_json_obj(j, key);
    lg_json_int(j, "id", a->id);
    lg_json_time(j, "at", a->at);
    lg_json_str(j, "user", a->username);
    text_or_null(j, "token", a->token_id);
    lg_json_str(j, "address", a->address);
    lg_json_str(j, "action", a->action);
    lg_json_str(j, "subject", a->subject);
    text_or_null(j, "tenant", a->tenant);
    lg_json_str(j, "result", a->result);
    lg_json_str(j, "details", a->details);
    lg_json_end_obj(j);
}
