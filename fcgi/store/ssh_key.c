#include "store/ssh_key.h"

#include "base/clock.h"
#include "store/sql.h"

int lg_ssh_key_add(struct lg_db *db, const char *user_id, struct lg_ssh_key_row *k, struct lg_err *e)
{
    int64_t n;
    int rc = lg_sql_int(db, lg_sql(db, Q_SSH_KEY_COUNT, e, "t", user_id), &n, e);
    if (rc)
        return rc;
    if (n >= LG_SSH_KEYS_MAX)
        return lg_fail(e, LG_LIMIT, "a user may have %d SSH keys; remove one first", LG_SSH_KEYS_MAX);
    k->created_at = lg_clock_ms();
    rc = lg_sql_int(
        db,
        lg_sql(db, Q_SSH_KEY_ADD, e, "tttti", user_id, k->name, k->public_key, k->fingerprint, k->created_at),
        &k->id, e);
    if (rc != -(int)LG_CONFLICT)
        return rc;
    lg_fail(e, LG_CONFLICT, "you have this key already");
    return lg_err_detail(e, "field", "public_key");
}

int lg_ssh_key_each(struct lg_db *db, const char *user_id,
                    void (*fn)(void *arg, const struct lg_ssh_key_row *k), void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_SSH_KEY_LIST, e, "t", user_id);
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        const struct lg_ssh_key_row k = {.id = lg_col_int(s, 0),
                                         .name = lg_col_text(s, 1),
                                         .public_key = lg_col_text(s, 2),
                                         .fingerprint = lg_col_text(s, 3),
                                         .created_at = lg_col_int(s, 4)};
        fn(arg, &k);
        n++;
    }
    return rc < 0 ? rc : n;
}

int lg_ssh_key_remove(struct lg_db *db, const char *user_id, int64_t id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_SSH_KEY_REMOVE, e, "ti", user_id, id);
    return rc < 0 ? rc : rc ? 0 : lg_fail(e, LG_NOT_FOUND, "you have no such SSH key");
}
