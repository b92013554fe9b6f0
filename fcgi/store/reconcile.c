/* What the reconciler remembers between its rounds: tombstones, quarantined things, the engines' health. */
#include "base/clock.h"
#include "store/instance.h"
#include "store/sql.h"

bool lg_tombstone_exists(struct lg_db *db, const char *instance_id)
{
    /* Unknown is not deleted: what the database cannot answer for is never removed. */
    return lg_sql_found(db, lg_sql(db, Q_TOMBSTONE_EXISTS, NULL, "t", instance_id), NULL) > 0;
}

int lg_quarantine_put(struct lg_db *db, const char *backend, const char *engine_ref, const char *instance_id,
                      struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_QUARANTINE_PUT, e, "ttti", backend, engine_ref, instance_id, lg_clock_ms());
    return rc < 0 ? rc : 0;
}

int lg_quarantine_clear(struct lg_db *db, const char *backend, const char *engine_ref, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_QUARANTINE_CLEAR, e, "tt", backend, engine_ref);
    return rc < 0 ? rc : 0;
}

int lg_quarantine_each(struct lg_db *db,
                       void (*fn)(void *arg, const char *backend, const char *engine_ref,
                                  const char *instance_id, int64_t found_at),
                       void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_QUARANTINE_LIST, e, "");
    int rc, n = 0;
    for (; (rc = lg_sql_step(db, s, e)) > 0; n++)
        fn(arg, lg_col_text(s, 0), lg_col_text(s, 1), lg_col_text(s, 2), lg_col_int(s, 3));
    return rc < 0 ? rc : n;
}

int lg_engine_state_put(struct lg_db *db, const struct lg_engine_state *st, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_ENGINE_STATE_PUT, e, "titttti", st->backend, (int64_t)st->healthy, st->type,
                        st->version, st->api_version, st->reason, st->checked_at);
    return rc < 0 ? rc : 0;
}

int lg_engine_state_get(struct lg_db *db, const char *backend, struct lg_engine_state *st, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_ENGINE_STATE_GET, e, "t", backend);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        lg_col_copy(s, 0, st->backend, sizeof st->backend);
        st->healthy = lg_col_int(s, 1);
        lg_col_copy(s, 2, st->type, sizeof st->type);
        lg_col_copy(s, 3, st->version, sizeof st->version);
        lg_col_copy(s, 4, st->api_version, sizeof st->api_version);
        lg_col_copy(s, 5, st->reason, sizeof st->reason);
        st->checked_at = lg_col_int(s, 6);
    }
    lg_sql_done(s);
    return rc;
}
