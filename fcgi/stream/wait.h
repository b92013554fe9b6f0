/* Parked waits: a client that waits for the end of an operation. It costs one client and no timer thread. */
#ifndef LG_STREAM_WAIT_H
#define LG_STREAM_WAIT_H

#include <stdbool.h>

struct lg_server;
struct lg_client;

struct lg_wait {
    struct lg_client *next, *prev; /* in the bucket of the operation */
    bool parked;
};

extern const struct lg_client_ops lg_wait_ops;

void lg_waits_done(struct lg_server *s, const char *op); /* the operation has ended */
void lg_waits_ask_all(struct lg_server *s);              /* a feeder has come (back) */
void lg_wait_answered(struct lg_client *c, bool done);   /* the feeder's word */

#endif
