/* Containers that run one command and are thrown away: written by lodge-api (asked for, stop) and by
 * lodge-runner (claimed, ended). Each change adds an event in its transaction: container.created,
 * container.running, container.ended, without the command, which may hold a secret. */
#ifndef LG_STORE_ONESHOT_H
#define LG_STORE_ONESHOT_H

#include "base/json.h"
#include "store/db.h"

struct lg_oneshot {
    int64_t seq, created_at, ended_at; /* the last 0: not yet */
    char id[LG_ID_LEN], tenant_id[LG_ID_LEN], user_id[LG_ID_LEN];
    char image[256], image_ref[256];
    char state[12], error[128]; /* why it was ended or not run; "" it was not */
    int exit_code;              /* -1: it has none */
    char *command;              /* JSON array; owned */
    int host_number;            /* in the tenant's network while it runs; 0: it has none */
    bool whole, stop;
};
void lg_oneshot_done(struct lg_oneshot *o);
#define lg_cleanup_oneshot __attribute__((cleanup(lg_oneshot_done)))

/* {id,image,state,exitCode,error,createdAt,endedAt} */
void lg_oneshot_render(struct lg_json *j, const char *key, const struct lg_oneshot *o);

/* Fills id and created_at. LG_RATE with details.retryAfter when the tenant, or all together, have as many as
 * the settings allow. In a write transaction, as all that change something. */
int lg_oneshot_add(struct lg_db *db, struct lg_oneshot *o, struct lg_err *e);
/* 1: it is the caller's to run, in *o; 0: not (any more). */
int lg_oneshot_claim(struct lg_db *db, const char *id, const char *tenant_id, struct lg_oneshot *o,
                     struct lg_err *e);
/* After the claim, in its transaction: an address in the tenant's network, and that network's number.
 * LG_RATE: all are in use. LG_FORBIDDEN: see code_network.h. Fills o anew. */
int lg_oneshot_place(struct lg_db *db, struct lg_oneshot *o, int *net_index, struct lg_err *e);
int lg_oneshot_stop(struct lg_db *db, const char *id, const char *tenant_id, struct lg_err *e); /* 1 / 0 */
bool lg_oneshot_stopped(struct lg_db *db, const char *id);
/* exit_code < 0: it has none. In a transaction of its own. */
int lg_oneshot_end(struct lg_db *db, const char *id, int exit_code, const char *error, struct lg_err *e);
/* Ends those that nobody came for; in a transaction of its own when there are any. */
int lg_oneshot_sweep(struct lg_db *db, struct lg_err *e);
/* What a dead runner left as running has ended; in a transaction of its own. */
int lg_oneshot_lost(struct lg_db *db, struct lg_err *e);
int lg_oneshot_each(struct lg_db *db, const char *tenant_id,
                    void (*fn)(void *arg, const struct lg_oneshot *o), void *arg, struct lg_err *e);

#endif
