/*
 * The master's queue: which open operation goes to which worker. Knows workers as slots; starting and reaping
 * them is master.c's. One operation at a time per instance or image, in queue order. No tenant ever holds
 * all workers, nor do images on their way more than half, nor those and creates that may have to wait for
 * their image all of them: what hangs for some delays nobody else for long.
 */
#ifndef LG_JOB_QUEUE_H
#define LG_JOB_QUEUE_H

#include "job/job.h"

#define LG_WORKERS_MAX 64

struct lg_slot {
    pid_t pid; /* 0: no process */
    int sock;  /* to it, -1 */
    bool busy;
    char op[LG_ID_LEN], key[LG_ID_LEN]; /* of the operation it holds; key: the instance or image */
    char tenant[LG_ID_LEN];
    bool fetches; /* it brings an image here, which may take as long as the network likes */
    bool waits;   /* that, or a create that may have to wait for its image as long */
    enum lg_order order;
    int64_t deadline; /* mono ms; INT64_MAX: none any more */
    bool told;        /* cancellation was signalled */
    bool late;        /* killed at its deadline */
};

/* What the master remembers of operations whose worker died. Lost with the master, which is fine: they begin
 * again. */
struct lg_note {
    char op[LG_ID_LEN];
    int crashes; /* workers it took along */
    bool late;   /* its deadline has passed: it is to be ended, not run */
    int late_settles;
};

#define LG_NOTES 128

struct lg_queue {
    struct lg_runner *runner;
    struct lg_db *db;   /* NULL while it does not open, and while children are forked */
    int64_t version;    /* data version of the last look */
    int64_t hold_until; /* mono ms: the database refused, leave it alone until then */
    bool look;          /* something happened */
    struct lg_slot slot[LG_WORKERS_MAX];
    int slots;
    struct lg_note note[LG_NOTES];
    int next_note;
};

/* Reads the open operations and hands out what can run. Call when `look` is set or the data version changed.
 */
void lg_queue_scan(struct lg_queue *q);
/* A worker said something. */
void lg_queue_word(struct lg_queue *q, struct lg_slot *s, const struct lg_word_msg *m);
/* A worker has been reaped: what it held is anybody's again. */
void lg_queue_lost(struct lg_queue *q, struct lg_slot *s);
/* Kills workers past their deadline. Returns mono ms of the next deadline, INT64_MAX when none. */
int64_t lg_queue_deadlines(struct lg_queue *q);

#endif
