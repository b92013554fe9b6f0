/* What lodge-api asks the sandbox pool (fcgi/sandbox): one question a connection, answered at once. */
#ifndef LG_API_SANDBOX_H
#define LG_API_SANDBOX_H

#include <sys/uio.h>

#include "base/conf.h"
#include "base/json.h"

#define LG_SANDBOX_PARTS 70 /* pieces of bytes beside a question, at most */

/*
 * Sends `head` (JSON) and the bytes of `parts`; the answer is a new reference in *out. LG_UNAVAILABLE when
 * the runner is not there; a refusal of the pool is passed on with its code, message and details.
 */
int lg_sandbox_ask(const struct lg_conf *c, const struct lg_buf *head, const struct iovec *parts, int count,
                   json_t **out, struct lg_err *e);

#endif
