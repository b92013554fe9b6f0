/* API tokens, kept as keyed hashes. Whatever ends one writes token.revoked, so that its open streams close.
 */
#ifndef LG_STORE_TOKEN_H
#define LG_STORE_TOKEN_H

#include "base/crypto.h"
#include "base/json.h"
#include "store/db.h"

#define LG_TOKENS_MAX    200                          /* live ones of one user */
#define LG_TOKEN_KEEP_MS ((int64_t)90 * 86400 * 1000) /* how long a revoked one is still shown */

struct lg_token {
    char id[LG_ID_LEN], name[101], prefix[16], user_id[LG_ID_LEN], username[65], tenant_id[LG_ID_LEN],
        tenant_slug[64];
    int64_t created_at, expires_at, last_used_at, revoked_at; /* 0: never, not yet */
};

int lg_token_get(struct lg_db *db, const char *id, struct lg_token *t, struct lg_err *e); /* LG_NOT_FOUND */
/* The newest of a tenant, of one user unless user_id is ""; made before that moment, or then with a lesser
 * id. Returns how many; `total` gets how many there are. */
int lg_token_each(struct lg_db *db, const char *tenant_id, const char *user_id, int64_t before_at,
                  const char *before_id, int64_t limit, int64_t offset, int64_t *total,
                  void (*fn)(void *arg, const struct lg_token *t), void *arg, struct lg_err *e);

/* All below need a write transaction. */

/* Fills id and created_at; LG_LIMIT past LG_TOKENS_MAX. */
int lg_token_add(struct lg_db *db, struct lg_token *t, const uint8_t digest[LG_DIGEST_BYTES],
                 struct lg_err *e);
/* Nothing happens when it was revoked before. */
int lg_token_revoke(struct lg_db *db, const struct lg_token *t, struct lg_err *e);
/* Revokes all of a user in one tenant. */
int lg_token_revoke_all(struct lg_db *db, const char *user_id, const char *tenant_id, struct lg_err *e);
/* Closes the streams of a user's live tokens (of one tenant, or tenant_id "") without revoking them. */
int lg_token_tell_all(struct lg_db *db, const char *user_id, const char *tenant_id, const char *why,
                      struct lg_err *e);
/* Revokes what has expired and forgets what was revoked LG_TOKEN_KEEP_MS before `now`. */
int lg_token_sweep(struct lg_db *db, int64_t now, struct lg_err *e);

/* `secret` NULL, or the token itself: only in the answer to its creation. */
void lg_token_render(struct lg_json *j, const char *key, const struct lg_token *t, const char *secret);

#endif
