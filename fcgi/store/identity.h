/* Users, sessions, tokens, tenants, members, the audit record. Secrets arrive here as keyed hashes only. */
#ifndef LG_STORE_IDENTITY_H
#define LG_STORE_IDENTITY_H

#include "base/crypto.h"
#include "store/db.h"

/* Who acts. What authentication finds, and every handler gets. */
struct lg_identity {
    char user_id[LG_ID_LEN], username[65];
    bool admin;
    char tenant_id[LG_ID_LEN], tenant_slug[64]; /* "" when the user is in no tenant */
    int net_index;
    bool owner;                 /* of that tenant (admins count as owners) */
    char token_id[LG_ID_LEN];   /* "" when by session */
    char session_id[LG_ID_LEN]; /* "" when by token */
};

/* Both outside a transaction: at most once a minute they note the use in a small one of their own, which may
 * fail without harm. By keyed hash. 1 and fills `id`, 0 when unknown, expired, revoked, user disabled, or
 * (tokens) membership gone. `want_slug` NULL or "": the token's own tenant, the session's chosen one or the
 * first membership. A wanted tenant that is not the caller's own is LG_FORBIDDEN; admins may choose every
 * tenant, other users' tokens stay with their own. */
int lg_auth_token(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], const char *want_slug,
                  struct lg_identity *id, struct lg_err *e);
int lg_auth_session(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], const char *want_slug,
                    struct lg_identity *id, struct lg_err *e);

/* First start: tenant "default", user `username` as admin and owner, one token (none when
 * `token_digest` is NULL), in a transaction of its own. Fails with LG_CONFLICT when a user exists.
 * `password_hash` from lg_password_hash; `token_digest` of a token from lg_token_new. */
int lg_admin_create(struct lg_db *db, const char *username, const char *password_hash,
                    const uint8_t *token_digest, const char *token_prefix, struct lg_err *e);
int64_t lg_user_count(struct lg_db *db); /* -1: the database fails */

/* Adds one line to the audit record, within the caller's write transaction. */
struct lg_audit {
    const struct lg_identity *who; /* NULL: nobody known, `username` says what was tried */
    const char *username, *address, *action, *subject, *result, *details;
};
int lg_audit_add(struct lg_db *db, const struct lg_audit *a, struct lg_err *e);

#endif
