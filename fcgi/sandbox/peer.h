/* Between the two that answer lodge-api: serve.c has the connections, questions.c what is asked. Private to
 * them. */
#ifndef LG_SANDBOX_PEER_H
#define LG_SANDBOX_PEER_H

#include "sandbox/pool.h"

#define LG_PEER_BLOB_MAX ((size_t)32 << 20) /* bytes that may come with a question */

struct lg_peer { /* a connection of lodge-api */
    struct lg_source source;
    struct lg_timer timer;
    struct lg_pool_state *pool;
    struct lg_buf in, out;
    size_t sent;
    bool answered;
    int64_t came_at;         /* its question was whole; 0: not yet */
    bool later;              /* it waits, and a worker of lodge-api with it: */
    struct lg_repl *session; /* for this one's word; NULL: it is asked again until a sandbox is ready */
    char tenant[LG_ID_LEN];
    TAILQ_ENTRY(lg_peer) link; /* of those that wait */
};

/* serve.c: an answer that comes later; `peer` is the struct lg_peer that asked. */
void lg_peer_answer(void *peer, const struct lg_buf *text);
/* LG_RATE: so many wait that lodge-api would soon have no worker for anybody. */
int lg_peer_may_wait(const struct lg_peer *c, const char *tenant, struct lg_err *e);
/* It waits until it is answered or its time is over; without a session it is asked again with every turn. */
void lg_peer_wait(struct lg_peer *c, const char *tenant, struct lg_repl *session);

/* questions.c: 0 with the answer in `out`, 1 when it comes later, or a negative code. `n` bytes of `blob`
 * came with the question. */
int lg_question(struct lg_peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                struct lg_err *e);

#endif
