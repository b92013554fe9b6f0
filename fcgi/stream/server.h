/*
 * The process's one object: loop, sockets, clients. Everything in fcgi/stream runs in the one thread of
 * lodge-stream.
 */
#ifndef LG_STREAM_SERVER_H
#define LG_STREAM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/conf.h"
#include "base/crypto.h"
#include "base/err.h"
#include "stream/feed.h"
#include "stream/loop.h"

struct lg_client;
TAILQ_HEAD(lg_client_list, lg_client);

#define LG_OP_BUCKETS 1024

struct lg_server {
    struct lg_loop loop;
    const struct lg_conf *conf;
    struct lg_key key;
    struct lg_source listener;
    struct lg_source signals;
    struct lg_timer accept_again; /* after running out of descriptors */
    struct lg_client_list clients, dirty, dead;
    struct lg_client_list resuming;       /* event clients that want a page from the feeder */
    struct lg_client *ops[LG_OP_BUCKETS]; /* parked waits by operation */
    size_t connections, streams, waits;   /* all clients; those past their head; those of these that wait */
    struct lg_feed feed;
    bool stopping;
};

/* Opens the sockets, drops privileges, serves until SIGTERM or SIGINT, ends within a second of it. */
int lg_stream_run(const struct lg_conf *conf, struct lg_err *e);

#endif
