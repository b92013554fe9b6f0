#include "store/identity.h"

#include <string.h>

#include "base/clock.h"
#include "store/sql.h"
#include "store/tenant.h"

#define TOUCH_MS 60000 /* last_used_at is as exact as this, so that reading does not write */

/* Columns 0…6 of both look-ups. */
static void read_identity(lg_stmt *s, struct lg_identity *id)
{
    memset(id, 0, sizeof *id);
    lg_col_copy(s, 0, id->user_id, sizeof id->user_id);
    lg_col_copy(s, 1, id->username, sizeof id->username);
    id->admin = lg_col_int(s, 2);
    lg_col_copy(s, 3, id->tenant_id, sizeof id->tenant_id);
    lg_col_copy(s, 4, id->tenant_slug, sizeof id->tenant_slug);
    id->net_index = (int)lg_col_int(s, 5);
    id->owner = id->admin || lg_col_int(s, 6);
}

/* Notes the use. A courtesy: when the database cannot be written just now, the request goes on without. */
static void touch(struct lg_db *db, enum lg_query q, const char *id, int64_t now)
{
    if (lg_tx_write(db, NULL))
        return;
    if (lg_sql_run(db, q, NULL, "ti", id, now) < 0 || lg_tx_commit(db, NULL))
        lg_tx_rollback(db);
}

/*
 * What the database said of a token is still so as long as nobody has committed anything since; only time
 * passes. One process' memory of its latest callers.
 */
#define KNOWN 16
static struct known {
    uint8_t digest[LG_DIGEST_BYTES];
    struct lg_stamp stamp; /* taken before it was read; all 0: an empty slot */
    struct lg_identity id;
    int64_t used_at, expires_at; /* 0: never */
} known[KNOWN];

static struct known *known_of(const uint8_t digest[LG_DIGEST_BYTES])
{
    return &known[digest[0] % KNOWN];
}

static bool still_known(const struct known *k, const uint8_t digest[LG_DIGEST_BYTES],
                        const struct lg_stamp *stamp, int64_t now)
{
    return lg_stamp_same(&k->stamp, stamp) && !memcmp(k->digest, digest, LG_DIGEST_BYTES) &&
           (!k->expires_at || k->expires_at > now) && now - k->used_at < TOUCH_MS;
}

/* 1 and fills `k`, 0 when the token is not good. */
static int read_token(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], const struct lg_stamp *stamp,
                      int64_t now, struct known *k, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_AUTH_TOKEN, e, "bi", digest, (size_t)LG_DIGEST_BYTES, now);
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    memset(k, 0, sizeof *k);
    if (rc) {
        read_identity(s, &k->id);
        lg_col_copy(s, 7, k->id.token_id, sizeof k->id.token_id);
        k->used_at = lg_col_int(s, 8);
        k->expires_at = lg_col_int(s, 9);
        k->stamp = *stamp;
        memcpy(k->digest, digest, LG_DIGEST_BYTES);
    }
    lg_sql_done(s);
    return rc;
}

/* An administrator's token may be used in every tenant: its owner could make itself a member there. */
static int choose(struct lg_db *db, const char *slug, struct lg_identity *id, struct lg_err *e)
{
    struct lg_tenant t;
    int rc = id->admin ? lg_tenant_by_slug(db, slug, &t, e) : -(int)LG_NOT_FOUND;
    if (!rc) {
        memcpy(id->tenant_id, t.id, sizeof id->tenant_id);
        memcpy(id->tenant_slug, t.slug, sizeof id->tenant_slug);
        id->net_index = t.net_index;
        return 1;
    }
    bool admin = id->admin;
    memset(id, 0, sizeof *id);
    if (rc != -(int)LG_NOT_FOUND)
        return rc;
    lg_err_clear(e);
    return lg_fail(e, LG_FORBIDDEN,
                   admin ? "there is no tenant of that name" : "this token is bound to another tenant");
}

int lg_auth_token(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], const char *want_slug,
                  struct lg_identity *id, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    struct lg_stamp stamp = lg_db_stamp(db);
    struct known *k = known_of(digest);
    if (!still_known(k, digest, &stamp, now)) {
        int rc = read_token(db, digest, &stamp, now, k, e);
        if (rc <= 0)
            return rc;
    }
    *id = k->id;
    if (want_slug && *want_slug && strcmp(want_slug, id->tenant_slug)) {
        int rc = choose(db, want_slug, id, e);
        if (rc < 0)
            return rc;
    }
    if (now - k->used_at >= TOUCH_MS)
        touch(db, Q_TOKEN_TOUCH, id->token_id, now);
    return 1;
}

int lg_auth_session(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], const char *want_slug,
                    struct lg_identity *id, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    const char *want = want_slug ? want_slug : "";
    lg_stmt *s = lg_sql(db, Q_AUTH_SESSION, e, "bit", digest, (size_t)LG_DIGEST_BYTES, now, want);
    int rc = lg_sql_step(db, s, e);
    int64_t used_at = now;
    if (rc > 0) {
        read_identity(s, id);
        lg_col_copy(s, 7, id->session_id, sizeof id->session_id);
        used_at = lg_col_int(s, 8);
    }
    lg_sql_done(s);
    if (rc <= 0)
        return rc;
    if (*want && !*id->tenant_id) {
        memset(id, 0, sizeof *id);
        return lg_fail(e, LG_FORBIDDEN, "you are not a member of that tenant");
    }
    if (now - used_at >= TOUCH_MS)
        touch(db, Q_SESSION_TOUCH, id->session_id, now);
    return 1;
}

int64_t lg_user_count(struct lg_db *db)
{
    int64_t n;
    return lg_sql_int(db, lg_sql(db, Q_USER_COUNT, NULL, ""), &n, NULL) ? -1 : n;
}

/* Everything of the first start, within its transaction. */
static int add_first(struct lg_db *db, const char *username, const char *password_hash,
                     const uint8_t *token_digest, const char *token_prefix, struct lg_err *e)
{
    char user[LG_ID_LEN], tenant[LG_ID_LEN], token[LG_ID_LEN];
    int64_t now = lg_clock_ms();
    lg_id_new(user);
    lg_id_new(tenant);
    lg_id_new(token);
    int64_t users = lg_user_count(db);
    if (users < 0)
        return lg_fail(e, LG_STORAGE, "the users cannot be counted");
    if (users > 0)
        return lg_fail(e, LG_CONFLICT, "there is a user already");
    int rc = lg_sql_run(db, Q_USER_ADD, e, "tttti", user, username, password_hash, "admin", now);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_TENANT_ADD, e, "tttii", tenant, "default", "Default", (int64_t)0, now);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_MEMBER_PUT, e, "ttti", tenant, user, "owner", now);
    if (rc >= 0 && token_digest)
        rc = lg_sql_run(db, Q_TOKEN_ADD, e, "tbttttii", token, token_digest, (size_t)LG_DIGEST_BYTES,
                        token_prefix, "first", user, tenant, now, (int64_t)0);
    if (rc >= 0)
        rc = lg_audit_add(db,
                          &(struct lg_audit){.username = "",
                                             .address = "local",
                                             .action = "admin.create",
                                             .subject = user,
                                             .result = "ok",
                                             .details = "first start"},
                          e);
    return rc < 0 ? rc : 0;
}

int lg_admin_create(struct lg_db *db, const char *username, const char *password_hash,
                    const uint8_t *token_digest, const char *token_prefix, struct lg_err *e)
{
    int rc = lg_tx_write(db, e);
    if (rc)
        return rc;
    rc = add_first(db, username, password_hash, token_digest, token_prefix, e);
    if (!rc)
        rc = lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc;
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

int lg_audit_add(struct lg_db *db, const struct lg_audit *a, struct lg_err *e)
{
    const struct lg_identity nobody = {0}, *who = a->who ? a->who : &nobody;
    int rc = lg_sql_run(db, Q_AUDIT_ADD, e, "ittttttttt", lg_clock_ms(), who->user_id,
                        a->who ? who->username : or_empty(a->username), who->token_id, or_empty(a->address),
                        or_empty(a->action), or_empty(a->subject), who->tenant_id,
                        a->result ? a->result : "ok", or_empty(a->details));
    return rc < 0 ? rc : 0;
}
