/*
 * Operations: every change that takes time. lodge-api adds them in the transaction that states the wish;
 * lodge-runner's master hands them to job workers, which write progress and the end. Each write here also
 * writes its event (operation.created, operation.progress, operation.done), so all need a write transaction.
 */
#ifndef LG_STORE_OPERATION_H
#define LG_STORE_OPERATION_H

#include "base/json.h"
#include "store/db.h"

struct lg_operation {
    int64_t seq;
    char id[LG_ID_LEN], kind[32], status[12], tenant_id[LG_ID_LEN], instance_id[LG_ID_LEN], subject_name[256],
        image_id[LG_ID_LEN], volume_id[LG_ID_LEN], user_id[LG_ID_LEN], username[65], request_id[64];
    char params[4096]; /* JSON object */
    char step[128];
    double progress; /* 0…1, -1 unknown */
    char error_code[32], error_text[480];
    bool cancel;      /* somebody asked to cancel */
    bool needs_image; /* a create whose image may have to come first; set by lg_operation_open_each alone */
    int64_t attempts;
    int64_t created_at, started_at, ended_at; /* 0: not yet */
    char log[16385];                          /* lines */
};

/* Adds it as queued; fills id, seq, status, created_at. One open operation per instance, or per volume when
 * it is about none: LG_CONFLICT names the open one, unless `force`, which asks those of the instance to
 * cancel first (the master then runs this one when they have ended). */
int lg_operation_add(struct lg_db *db, struct lg_operation *op, bool force, struct lg_err *e);
/* That check of lg_operation_add, for who has others that come after it. */
int lg_operation_alone(struct lg_db *db, const struct lg_operation *op, struct lg_err *e);
/* As add, behind whatever is open for it: for what does not change an instance's state, and for what ends a
 * volume. */
int lg_operation_add_after(struct lg_db *db, struct lg_operation *op, struct lg_err *e);

int lg_operation_get(struct lg_db *db, const char *id, struct lg_operation *op,
                     struct lg_err *e); /* LG_NOT_FOUND */
/* The open operation of an instance; returns 1 and fills op, 0 when there is none. */
int lg_operation_open_of(struct lg_db *db, const char *instance_id, struct lg_operation *op,
                         struct lg_err *e);
/* Newest first; before_seq 0: from the newest. "" filters nothing. Returns how many. */
int lg_operation_each(struct lg_db *db, const char *tenant_id, const char *instance_id, const char *status,
                      int64_t before_seq, int limit, int offset,
                      void (*fn)(void *arg, const struct lg_operation *op), void *arg, struct lg_err *e);
/* How many lg_operation_each would visit without a limit. */
int lg_operation_count(struct lg_db *db, const char *tenant_id, const char *instance_id, const char *status,
                       int64_t *n, struct lg_err *e);
/* Queued and running ones for the master: each tenant's first, each one's second, … Returns how many. */
int lg_operation_open_each(struct lg_db *db, int limit, void (*fn)(void *arg, const struct lg_operation *op),
                           void *arg, struct lg_err *e);

/* A worker takes it: status running, attempts+1. LG_STATE when it is not open any more. */
int lg_operation_claim(struct lg_db *db, const char *id, struct lg_err *e);
/* Current step, progress (-1 unknown) and, when not NULL, a log line or several, parted by line ends. */
int lg_operation_progress(struct lg_db *db, const struct lg_operation *op, const char *step, double progress,
                          const char *line, struct lg_err *e);
/* The end: status "done", "failed" or "cancelled"; `why` for the latter two. Writes the event that ends
 * waits. A second end changes nothing. */
int lg_operation_end(struct lg_db *db, const struct lg_operation *op, const char *status,
                     const struct lg_err *why, struct lg_err *e);
/* Asks for cancellation of an open one; a queued one is ended by the master. LG_STATE when it has ended. */
int lg_operation_cancel(struct lg_db *db, const char *id, struct lg_err *e);
/* Back to the queue after its worker died (master, once the worker is reaped). */
int lg_operation_requeue(struct lg_db *db, const char *id, struct lg_err *e);
/* Forgets those that ended before `before_at`. */
int lg_operation_prune(struct lg_db *db, int64_t before_at, struct lg_err *e);

bool lg_operation_ended(const struct lg_operation *op); /* done, failed or cancelled */
void lg_operation_render(struct lg_json *j, const char *key, const struct lg_operation *op);

#endif
