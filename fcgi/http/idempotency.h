/*
 * Idempotency-Key on whatever changes something: the change, the key and the answer commit together, and the
 * same request under the same key is answered from there for 24 hours. An answer that waits for its operation
 * is kept when it is shown; until that operation has ended the key is in flight.
 *
 * To make one transaction of it, lg_req_commit only closes the audit line while a key is at work; lodge-api's
 * loop commits when the handler has written its answer. So a handler makes its change in one transaction and
 * begins none after it. A refused request leaves no key behind: it may be tried again.
 */
#ifndef LG_HTTP_IDEMPOTENCY_H
#define LG_HTTP_IDEMPOTENCY_H

#include "http/handoff.h"
#include "store/idempotency.h"

/* The key a request came with. */
struct lg_idem {
    struct lg_idempotency row;
    bool deferred; /* the change waits for its answer, then both are committed */
    bool raced;    /* somebody else's commit under this key came first */
};

/* Renders the result of the operation in `h` into r, an error's envelope included. The loop's. */
typedef void lg_idem_show(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, void *arg);

/*
 * Looks for a key and for what was done under it: 0 nothing yet (q->idem is set when there is a key),
 * 1 answered in `r` as it was then. LG_INVALID for what can be no key, LG_KEY_REUSED when it belongs to
 * another request, LG_IN_FLIGHT while its operation runs.
 */
int lg_idem_open(struct lg_req *q, struct lg_resp *r, lg_idem_show *show, void *arg, struct lg_err *e);
/* Within the write transaction: LG_IN_FLIGHT (and raced) when the key has been used meanwhile. */
int lg_idem_check(struct lg_req *q, struct lg_err *e);
/* The change is to wait for its operation: its answer will be shown later. */
void lg_idem_parked(struct lg_req *q, const struct lg_handoff *h);
/* Commits what lg_req_commit deferred, with the key and the answer in `r`. */
int lg_idem_commit(struct lg_req *q, const struct lg_resp *r, struct lg_err *e);
/* An answer that waited is shown in `r`: it is kept when the operation had ended before (lg_idem_final). */
bool lg_idem_final(struct lg_req *q, const struct lg_handoff *h);
void lg_idem_keep(struct lg_req *q, const struct lg_resp *r, const struct lg_handoff *h);

#endif
