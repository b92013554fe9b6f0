#include "store/token.h"

#include <string.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/quota.h"
#include "store/sql.h"

static void read_row(lg_stmt *s, struct lg_token *t)
{
    lg_col_copy(s, 0, t->id, sizeof t->id);
    lg_col_copy(s, 1, t->name, sizeof t->name);
    lg_col_copy(s, 2, t->prefix, sizeof t->prefix);
    lg_col_copy(s, 3, t->user_id, sizeof t->user_id);
    lg_col_copy(s, 4, t->username, sizeof t->username);
    lg_col_copy(s, 5, t->tenant_id, sizeof t->tenant_id);
    lg_col_copy(s, 6, t->tenant_slug, sizeof t->tenant_slug);
    t->created_at = lg_col_int(s, 7);
    t->expires_at = lg_col_int(s, 8);
    t->last_used_at = lg_col_int(s, 9);
    t->revoked_at = lg_col_int(s, 10);
}

int lg_token_get(struct lg_db *db, const char *id, struct lg_token *t, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_TOKEN_GET, e, "t", id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, t);
    lg_sql_done(s);
    return rc < 0 ? rc : rc ? 0 : lg_fail(e, LG_NOT_FOUND, "there is no such token");
}

static int count(struct lg_db *db, const char *tenant_id, const char *user_id, int64_t *n, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_TOKEN_COUNT, e, "tt", tenant_id, user_id), n, e);
}

int lg_token_each(struct lg_db *db, const char *tenant_id, const char *user_id, int64_t before_at,
                  const char *before_id, int64_t limit, int64_t offset, int64_t *total,
                  void (*fn)(void *arg, const struct lg_token *t), void *arg, struct lg_err *e)
{
    lg_stmt *s =
        lg_sql(db, Q_TOKEN_LIST, e, "ttitii", tenant_id, user_id, before_at, before_id, limit, offset);
    int rc, n = 0;
    struct lg_token t;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        read_row(s, &t);
        fn(arg, &t);
        n++;
    }
    if (!rc)
        rc = count(db, tenant_id, user_id, total, e);
    return rc ? rc : n;
}

static int check_count(struct lg_db *db, const char *user_id, int64_t now, struct lg_err *e)
{
    int64_t n;
    int rc = lg_sql_int(db, lg_sql(db, Q_TOKEN_COUNT_LIVE, e, "ti", user_id, now), &n, e);
    if (rc || n < LG_TOKENS_MAX)
        return rc;
    return lg_fail(e, LG_LIMIT, "you have %d tokens; revoke one first", LG_TOKENS_MAX);
}

int lg_token_add(struct lg_db *db, struct lg_token *t, const uint8_t digest[LG_DIGEST_BYTES],
                 struct lg_err *e)
{
    lg_id_new(t->id);
    t->created_at = lg_clock_ms();
    int rc = check_count(db, t->user_id, t->created_at, e);
    if (!rc)
        rc = lg_quota_admit(db, t->tenant_id, &(struct lg_amounts){.tokens = 1}, e);
    if (!rc)
        rc = lg_sql_run(db, Q_TOKEN_ADD, e, "tbttttii", t->id, digest, (size_t)LG_DIGEST_BYTES, t->prefix,
                        t->name, t->user_id, t->tenant_id, t->created_at, t->expires_at);
    return rc < 0 ? rc : 0;
}

/* To admins alone: the stream service closes what was opened with it. */
static int tell(struct lg_db *db, const struct lg_token *t, const char *why, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {.max = 512};
    lg_buf_fmt(&b, "{\"user\":\"%s\",\"reason\":\"%s\"}", t->user_id, why);
    return lg_event_add(db,
                        &(struct lg_event){.kind = "token.revoked",
                                           .tenant_id = t->tenant_id,
                                           .admin = true,
                                           .subject_type = "token",
                                           .subject_id = t->id,
                                           .subject_name = t->prefix,
                                           .data = lg_buf_cstr(&b)},
                        e);
}

static int revoke(struct lg_db *db, const struct lg_token *t, const char *why, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_TOKEN_REVOKE, e, "ti", t->id, lg_clock_ms());
    return rc <= 0 ? rc : tell(db, t, why, e);
}

int lg_token_revoke(struct lg_db *db, const struct lg_token *t, struct lg_err *e)
{
    return revoke(db, t, "revoked", e);
}

/* The user's next live token after t->id: 1, or 0 when there is none. */
static int next_live(struct lg_db *db, const char *tenant_id, struct lg_token *t, struct lg_err *e)
{
    char after[LG_ID_LEN];
    memcpy(after, t->id, sizeof after);
    lg_stmt *s = lg_sql(db, Q_TOKEN_LIVE_AFTER, e, "ttt", t->user_id, after, tenant_id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        lg_col_copy(s, 0, t->id, sizeof t->id);
        lg_col_copy(s, 1, t->tenant_id, sizeof t->tenant_id);
        lg_col_copy(s, 2, t->prefix, sizeof t->prefix);
    }
    lg_sql_done(s);
    return rc;
}

int lg_token_revoke_all(struct lg_db *db, const char *user_id, const char *tenant_id, struct lg_err *e)
{
    struct lg_token t = {0};
    snprintf(t.user_id, sizeof t.user_id, "%s", user_id);
    int rc;
    while ((rc = next_live(db, tenant_id, &t, e)) > 0)
        if ((rc = revoke(db, &t, "member removed", e)) < 0)
            break;
    return rc;
}

int lg_token_tell_all(struct lg_db *db, const char *user_id, const char *tenant_id, const char *why,
                      struct lg_err *e)
{
    struct lg_token t = {0};
    snprintf(t.user_id, sizeof t.user_id, "%s", user_id);
    int rc;
    while ((rc = next_live(db, tenant_id, &t, e)) > 0)
        if ((rc = tell(db, &t, why, e)) < 0)
            break;
    return rc;
}

static int one_expired(struct lg_db *db, int64_t now, struct lg_token *t, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_TOKEN_ONE_EXPIRED, e, "i", now);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        lg_col_copy(s, 0, t->id, sizeof t->id);
        lg_col_copy(s, 1, t->tenant_id, sizeof t->tenant_id);
        lg_col_copy(s, 2, t->prefix, sizeof t->prefix);
        lg_col_copy(s, 3, t->user_id, sizeof t->user_id);
    }
    lg_sql_done(s);
    return rc;
}

int lg_token_sweep(struct lg_db *db, int64_t now, struct lg_err *e)
{
    struct lg_token t = {0};
    int rc;
    while ((rc = one_expired(db, now, &t, e)) > 0)
        if ((rc = revoke(db, &t, "expired", e)) < 0)
            break;
    if (!rc)
        rc = lg_sql_run(db, Q_TOKEN_PRUNE, e, "i", now - LG_TOKEN_KEEP_MS);
    return rc < 0 ? rc : 0;
}

void lg_token_render(struct lg_json *j, const char *key, const struct lg_token *t, const char *secret)
{
    lg_json_obj(j, key);
    lg_json_str(j, "id", t->id);
    lg_json_str(j, "name", t->name);
    lg_json_str(j, "prefix", t->prefix);
    if (secret)
        lg_json_str(j, "token", secret);
    lg_json_str(j, "user", t->username);
    lg_json_str(j, "tenant", t->tenant_slug);
    lg_json_time(j, "expiresAt", t->expires_at);
    lg_json_time(j, "createdAt", t->created_at);
    lg_json_time(j, "lastUsedAt", t->last_used_at);
    lg_json_time(j, "revokedAt", t->revoked_at);
    lg_json_end_obj(j);
}
