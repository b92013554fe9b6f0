#include "store/user.h"

#include <string.h>

#include "base/clock.h"
#include "store/identity.h"
#include "store/session.h"
#include "store/sql.h"
#include "store/token.h"

static void read_row(lg_stmt *s, struct lg_user *u)
{
    lg_col_copy(s, 0, u->id, sizeof u->id);
    lg_col_copy(s, 1, u->username, sizeof u->username);
    u->admin = lg_col_int(s, 2);
    u->disabled = lg_col_int(s, 3);
    u->created_at = lg_col_int(s, 4);
    lg_col_copy(s, 5, u->password_hash, sizeof u->password_hash);
}

static int read_one(struct lg_db *db, lg_stmt *s, struct lg_user *u, struct lg_err *e)
{
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, u);
    lg_sql_done(s);
    return rc;
}

int lg_user_get(struct lg_db *db, const char *id, struct lg_user *u, struct lg_err *e)
{
    int rc = read_one(db, lg_sql(db, Q_USER_GET, e, "t", id), u, e);
    if (rc == 0)
        return lg_fail(e, LG_NOT_FOUND, "there is no such user");
    return rc < 0 ? rc : 0;
}

int lg_user_by_name(struct lg_db *db, const char *username, struct lg_user *u, struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_USER_BY_NAME, e, "t", username), u, e);
}

int lg_user_each(struct lg_db *db, const char *after, int64_t limit, int64_t offset, int64_t *total,
                 void (*fn)(void *arg, const struct lg_user *u), void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_USER_LIST, e, "iit", limit, offset, after);
    int rc, n = 0;
    struct lg_user u;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        read_row(s, &u);
        fn(arg, &u);
        n++;
    }
    if (rc < 0)
        return rc;
    if (total)
        *total = lg_user_count(db);
    return n;
}

int lg_user_add(struct lg_db *db, struct lg_user *u, struct lg_err *e)
{
    lg_id_new(u->id);
    u->created_at = lg_clock_ms();
    int rc = lg_sql_run(db, Q_USER_ADD, e, "tttti", u->id, u->username, u->password_hash,
                        u->admin ? "admin" : "user", u->created_at);
    if (rc == -(int)LG_CONFLICT) {
        lg_fail(e, LG_CONFLICT, "there is a user %s already", u->username);
        return lg_err_detail(e, "field", "username");
    }
    return rc < 0 ? rc : 0;
}

int lg_user_set_password(struct lg_db *db, const char *id, const char *password_hash,
                         const char *keep_session, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_USER_SET_PASSWORD, e, "tt", id, password_hash);
    if (rc == 0)
        return lg_fail(e, LG_NOT_FOUND, "there is no such user");
    return rc < 0 ? rc : lg_session_end_all(db, id, keep_session, e);
}

/* The host must keep one admin who can sign in. */
static int check_not_last_admin(struct lg_db *db, const char *id, struct lg_err *e)
{
    int64_t others;
    int rc = lg_sql_int(db, lg_sql(db, Q_USER_OTHER_ADMINS, e, "t", id), &others, e);
    if (rc)
        return rc;
    return others ? 0 : lg_fail(e, LG_CONFLICT, "this is the last administrator; make another one first");
}

/* Ends sessions, and closes the streams of tokens; the look-ups of store/identity.h decide about the rest. */
static int cut_off(struct lg_db *db, const char *id, const char *why, struct lg_err *e)
{
    int rc = lg_session_end_all(db, id, "", e);
    return rc ? rc : lg_token_tell_all(db, id, "", why, e);
}

int lg_user_set(struct lg_db *db, const struct lg_user *u, struct lg_err *e)
{
    struct lg_user was;
    int rc = lg_user_get(db, u->id, &was, e);
    bool had = !rc && was.admin && !was.disabled, has = u->admin && !u->disabled;
    if (!rc && had && !has)
        rc = check_not_last_admin(db, u->id, e);
    if (!rc)
        rc = lg_sql_run(db, Q_USER_SET, e, "tti", u->id, u->admin ? "admin" : "user", (int64_t)u->disabled);
    if (rc < 0)
        return rc;
    if ((u->disabled && !was.disabled) || (had && !has))
        return cut_off(db, u->id, u->disabled ? "user disabled" : "role changed", e);
    return 0;
}

int lg_user_remove(struct lg_db *db, const struct lg_user *u, struct lg_err *e)
{
    int rc = u->admin && !u->disabled ? check_not_last_admin(db, u->id, e) : 0;
    if (!rc)
        rc = cut_off(db, u->id, "user deleted", e);
    if (!rc)
        rc = lg_sql_run(db, Q_USER_REMOVE, e, "t", u->id);
    return rc < 0 ? rc : 0;
}

void lg_user_render(struct lg_json *j, const char *key, const struct lg_user *u)
{
    lg_json_obj(j, key);
    lg_json_str(j, "id", u->id);
    lg_json_str(j, "username", u->username);
    lg_json_str(j, "role", u->admin ? "admin" : "user");
    lg_json_time(j, "createdAt", u->created_at);
    lg_json_bool(j, "disabled", u->disabled);
    lg_json_end_obj(j);
}
