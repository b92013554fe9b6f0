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
    struct lg_repl *waits;     /* for this session's word */
    int64_t came_at;           /* its question was whole; 0: not yet */
    bool again;                /* it is asked again until a sandbox is ready */
    TAILQ_ENTRY(lg_peer) link; /* of those */
};

/* serve.c: an answer that comes later; `peer` is the struct lg_peer that asked. */
void lg_peer_answer(void *peer, const struct lg_buf *text);
/* It is asked again with every turn of the pool, until it is answered or its time is over. */
void lg_peer_wait(struct lg_peer *c);

/* questions.c: 0 with the answer in `out`, 1 when it comes later, or a negative code. `n` bytes of `blob`
 * came with the question. */
int lg_question(struct lg_peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                struct lg_err *e);

#endif
