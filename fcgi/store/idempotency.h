/*
 * What was done under an Idempotency-Key. The row commits with the change it tells of, so after a crash there
 * are both or neither. Answers arrive sealed: one may show a secret that exists nowhere else.
 */
#ifndef LG_STORE_IDEMPOTENCY_H
#define LG_STORE_IDEMPOTENCY_H

#include "base/crypto.h"
#include "store/db.h"

#define LG_IDEMPOTENCY_KEEP_MS ((int64_t)24 * 3600 * 1000)
#define LG_IDEMPOTENCY_KEY_MAX 255

struct lg_idempotency {
    char caller[LG_ID_LEN], tenant[64], key[LG_IDEMPOTENCY_KEY_MAX + 1];
    uint8_t request[LG_DIGEST_BYTES];
    char operation_id[LG_ID_LEN], view[24], subject_id[LG_ID_LEN]; /* "": the answer was at once */
    int status;                                                    /* 0: not shown yet */
};

/* By caller, tenant and key: 1 and fills the rest, the sealed answer into `headers` and `body`; 0 when there
 * is none that is young enough. */
int lg_idempotency_get(struct lg_db *db, struct lg_idempotency *i, struct lg_buf *headers,
                       struct lg_buf *body, struct lg_err *e);

/* All below need a write transaction. */
int lg_idempotency_put(struct lg_db *db, const struct lg_idempotency *i, const struct lg_buf *headers,
                       const struct lg_buf *body, struct lg_err *e);
/* The answer of one that was not shown yet; nothing happens when it was. */
int lg_idempotency_finish(struct lg_db *db, const struct lg_idempotency *i, const struct lg_buf *headers,
                          const struct lg_buf *body, struct lg_err *e);
/* Forgets up to `most` that came before `before_at`. Returns how many. */
int lg_idempotency_prune(struct lg_db *db, int64_t before_at, int64_t most, struct lg_err *e);
/* Those of a tenant that is about to go: its name may be given to another. */
int lg_idempotency_forget(struct lg_db *db, const char *tenant_id, struct lg_err *e);

#endif
