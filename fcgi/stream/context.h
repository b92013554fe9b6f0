/*
 * The signed context with which lodge-api hands a request over: the only thing about a client that
 * lodge-stream believes. See PROTOCOL.md for the fields.
 */
#ifndef LG_STREAM_CONTEXT_H
#define LG_STREAM_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/err.h"

#define LG_HANDOFF_MS 30000 /* `exp` is the time of signing plus this */

enum lg_kind {
    LG_KIND_WAIT,
    LG_KIND_EVENTS,
    LG_KIND_LOGS,
    LG_KIND_RUN,
    LG_KIND_CONSOLE,
    LG_KIND_ONESHOT,
    LG_KINDS
};
enum lg_proto { LG_PROTO_NONE, LG_PROTO_WS, LG_PROTO_SSE, LG_PROTO_TEXT };

struct lg_context {
    char *text; /* owned: all strings below point into it; "" where a field is absent */
    enum lg_kind kind;
    enum lg_proto proto;
    const char *user, *tenant, *token, *session;
    const char *op, *scope, *kinds, *instance, *format, *subject, *run, *type, *command;
    int64_t exp, until, after, tail, since, columns, rows;
    bool follow, read_only, again;
};

/*
 * Opens and checks it at wall-clock `now_ms`. LG_FORBIDDEN when the signature is wrong, it has expired, or a
 * field that its kind needs is missing or of the wrong type. On success lg_context_done frees it.
 */
int lg_context_open(struct lg_context *c, const struct lg_key *key, const char *text, size_t n,
                    int64_t now_ms, struct lg_err *e);
void lg_context_done(struct lg_context *c);

#endif
