/* Dashboard sessions, and the count of failed sign-ins. All but lg_sign_in_wait and lg_session_sweep need a
 * write transaction. */
#ifndef LG_STORE_SESSION_H
#define LG_STORE_SESSION_H

#include "base/crypto.h"
#include "store/db.h"

/* A new session; `id` gets its name. The oldest ends when the user has more than 50. */
int lg_session_add(struct lg_db *db, const char *user_id, const uint8_t digest[LG_DIGEST_BYTES],
                   const char *address, int64_t life_ms, char id[LG_ID_LEN], struct lg_err *e);
/* Ends one; event session.ended. Nothing happens when there is none. */
int lg_session_end(struct lg_db *db, const char *id, const char *user_id, struct lg_err *e);
/* Ends all of a user but `keep` ("": all of them). */
int lg_session_end_all(struct lg_db *db, const char *user_id, const char *keep, struct lg_err *e);
int lg_session_set_tenant(struct lg_db *db, const char *id, const char *tenant_id, struct lg_err *e);

/* Ends what has expired (sessions, tokens), so that open streams close, and forgets old failures and
 * long-dead tokens. In a transaction of its own, and only when there is something to do: lodge-runner calls
 * it every few seconds. */
int lg_session_sweep(struct lg_db *db, struct lg_err *e);

/* Milliseconds that this user or this address has to wait: 0 it may try. `limit` failures a minute are free
 * to an address, five times as many to a user over all addresses, so that one address shuts nobody out.
 * An IPv6 address counts as its /64. */
int lg_sign_in_wait(struct lg_db *db, const char *username, const char *address, int64_t limit,
                    int64_t *wait_ms, struct lg_err *e);
int lg_sign_in_failed(struct lg_db *db, const char *username, const char *address, struct lg_err *e);
/* The user proved itself: its failures are forgotten, the address' are not. */
int lg_sign_in_good(struct lg_db *db, const char *username, struct lg_err *e);

#endif
