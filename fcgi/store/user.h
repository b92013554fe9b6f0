/* Users. What takes access away here also ends sessions and tells of it, so that open streams close. */
#ifndef LG_STORE_USER_H
#define LG_STORE_USER_H

#include "base/crypto.h"
#include "base/json.h"
#include "store/db.h"

struct lg_user {
    char id[LG_ID_LEN], username[65],
        password_hash[LG_PWHASH_LEN]; /* the hash is filled by get and by_name */
    bool admin, disabled;
    int64_t created_at;
};

int lg_user_get(struct lg_db *db, const char *id, struct lg_user *u, struct lg_err *e); /* LG_NOT_FOUND */
/* Case does not matter. 1 and fills u, 0 when there is none. */
int lg_user_by_name(struct lg_db *db, const char *username, struct lg_user *u, struct lg_err *e);
/* By name, those after `after` ("": from the first). Returns how many; `total` (may be NULL) gets how many
 * there are. */
int lg_user_each(struct lg_db *db, const char *after, int64_t limit, int64_t offset, int64_t *total,
                 void (*fn)(void *arg, const struct lg_user *u), void *arg, struct lg_err *e);

/* All below need a write transaction. */

/* Fills id and created_at; LG_CONFLICT (details.field "username") when the name is taken. */
int lg_user_add(struct lg_db *db, struct lg_user *u, struct lg_err *e);
/* Ends the user's sessions but `keep_session` ("": all). */
int lg_user_set_password(struct lg_db *db, const char *id, const char *password_hash,
                         const char *keep_session, struct lg_err *e);
/* Writes u->admin and u->disabled. A user who is disabled or no admin any more loses its sessions, and the
 * streams its tokens opened. LG_CONFLICT for the last admin. */
int lg_user_set(struct lg_db *db, const struct lg_user *u, struct lg_err *e);
/* With sessions, tokens, memberships; instances stay with their tenants. LG_CONFLICT for the last admin. */
int lg_user_remove(struct lg_db *db, const struct lg_user *u, struct lg_err *e);

/* Without the password's hash. */
void lg_user_render(struct lg_json *j, const char *key, const struct lg_user *u);

#endif
