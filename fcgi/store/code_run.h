/* History of code that was run in sandboxes. */
#ifndef LG_STORE_CODE_RUN_H
#define LG_STORE_CODE_RUN_H

#include "store/db.h"

#define LG_CODE_RUN_CODE   16384 /* bytes kept of the code */
#define LG_CODE_RUN_OUTPUT 4096  /* and of what it printed */

/* Plain data; read: pointers live during the call of fn. */
struct lg_code_run {
    const char *id, *tenant_id, *user_id, *language, *code, *output;
    const char *limit, *error; /* "" none */
    int64_t seq;               /* order of the list; filled by each */
    int64_t code_bytes, exit_code /* -1: none */, signal /* 0: none */;
    int64_t time_ms, memory_bytes, queue_ms, created_at;
    bool success;
};

/* Within a write transaction. A tenant that is gone: nothing is written. */
int lg_code_run_add(struct lg_db *db, const struct lg_code_run *r, struct lg_err *e);
/* Newest first, of those before that one. Returns how many; all there are in *total. */
int lg_code_run_each(struct lg_db *db, const char *tenant_id, int64_t before_seq, int64_t limit,
                     int64_t offset, int64_t *total, void (*fn)(void *arg, const struct lg_code_run *r),
                     void *arg, struct lg_err *e);
/* Within a write transaction: of each tenant only the newest `keep` stay. */
int lg_code_run_prune(struct lg_db *db, int64_t keep, struct lg_err *e);

#endif
