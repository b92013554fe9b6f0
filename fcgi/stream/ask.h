/*
 * One question to lodge-runner: please open this stream. Its answer is a descriptor or a refusal, which
 * becomes the client's HTTP answer. The first member of each kind of stream that comes from the runner.
 */
#ifndef LG_STREAM_ASK_H
#define LG_STREAM_ASK_H

#include "base/json.h"
#include "stream/loop.h"

struct lg_client;

struct lg_ask {
    struct lg_source runner; /* the request's connection, until it has answered; fd -1 otherwise */
    int attempts;
    const char *what;                                      /* "log", "console": for messages */
    void (*write)(struct lg_client *c, struct lg_json *j); /* members of the request */
    void (*opened)(struct lg_client *c, int fd);           /* fd is the callee's */
};

/* Asks; called again by lg_ask_timeout while the runner's backlog is full. */
void lg_ask_start(struct lg_client *c);
void lg_ask_timeout(struct lg_client *c); /* the slot `timeout` of such kinds */
void lg_ask_close(struct lg_client *c);
/* Ends the client before its stream is open. */
void lg_ask_fail(struct lg_client *c, enum lg_code code, const char *msg);

#endif
