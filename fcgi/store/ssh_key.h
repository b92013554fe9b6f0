/* Users' public SSH keys. */
#ifndef LG_STORE_SSH_KEY_H
#define LG_STORE_SSH_KEY_H

#include "store/db.h"

#define LG_SSH_KEYS_MAX 100 /* of one user */

struct lg_ssh_key_row {
    int64_t id, created_at;
    const char *name, *public_key, *fingerprint;
};

/* Within a write transaction; fills id and created_at. LG_CONFLICT when the user has this key already,
 * LG_LIMIT. */
int lg_ssh_key_add(struct lg_db *db, const char *user_id, struct lg_ssh_key_row *k, struct lg_err *e);
/* Oldest first; the pointers live during the call of fn. Returns how many. */
int lg_ssh_key_each(struct lg_db *db, const char *user_id,
                    void (*fn)(void *arg, const struct lg_ssh_key_row *k), void *arg, struct lg_err *e);
/* Within a write transaction. LG_NOT_FOUND. */
int lg_ssh_key_remove(struct lg_db *db, const char *user_id, int64_t id, struct lg_err *e);

#endif
