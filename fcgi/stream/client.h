/*
 * A connection from nginx: the request's head, then one of the kinds of stream. Bytes go through a capped
 * queue that is written at the end of each turn; a client that lets it fill is dropped.
 *
 * Life: HEAD → OPEN → CLOSING → DEAD. A dead client is out of the way at once (no descriptor, no callbacks)
 * and freed when the turn ends, so pointers stay good within a turn.
 */
#ifndef LG_STREAM_CLIENT_H
#define LG_STREAM_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/err.h"
#include "stream/console.h"
#include "stream/context.h"
#include "stream/events.h"
#include "stream/http_head.h"
#include "stream/loop.h"
#include "stream/relay.h"
#include "stream/run.h"
#include "stream/server.h"
#include "stream/wait.h"
#include "stream/websocket.h"

enum lg_client_state { LG_CLIENT_HEAD, LG_CLIENT_OPEN, LG_CLIENT_CLOSING, LG_CLIENT_DEAD };

/* What a kind of stream does. A NULL slot: nothing. */
struct lg_client_ops {
    void (*start)(struct lg_client *c);   /* the context is good */
    void (*drained)(struct lg_client *c); /* the queue is nearly empty again */
    void (*timeout)(struct lg_client *c); /* the timer, before the stream is opened */
    void (*message)(struct lg_client *c, const struct lg_ws_event *ev); /* a WebSocket message, or a piece */
    void (*goodbye)(struct lg_client *c);                               /* the process ends */
    void (*end)(struct lg_client *c);                                   /* release what the kind holds */
};

struct lg_client {
    struct lg_source source;
    struct lg_timer timer;
    struct lg_server *server;
    const struct lg_client_ops *ops;                 /* NULL until the context is read */
    TAILQ_ENTRY(lg_client) all, queued, resume_link; /* `queued`: the dirty or the dead list */
    enum lg_client_state state;
    bool dirty;       /* in the dirty list */
    bool opened;      /* the head of a lasting answer is sent */
    bool no_input;    /* end of file seen while closing */
    bool held;        /* not read from for now: what it sent has not gone where it goes */
    struct lg_buf in; /* the head as it arrives; empty afterwards */
    size_t scanned;
    struct lg_buf out;
    size_t sent;                            /* bytes of `out` already written */
    size_t mark;                            /* WebSocket: a frame border in `out` at or after `sent` */
    int64_t heard_at, progress_at, ping_at; /* lg_clock_mono */
    struct lg_ws ws;
    struct lg_context context;
    char ws_accept[LG_WS_ACCEPT_LEN];
    char *handoff; /* wait: the context as it came, for @render */
    int64_t req;   /* open question to the feeder; 0: none */
    struct lg_client *req_next;
    union {
        struct lg_events events;
        struct lg_ask ask; /* of logs and consoles, whose first member it is */
        struct lg_relay relay;
        struct lg_run_stream run;
        struct lg_console console;
        struct lg_wait wait;
    } u;
};

/* The socket that nginx connects to, mode 0660 of group `gid` (-1: ours). */
int lg_clients_listen(struct lg_server *s, const char *path, int gid, struct lg_err *e);
void lg_clients_flush(struct lg_server *s);   /* end of turn: writes what is queued, frees the dead */
void lg_clients_goodbye(struct lg_server *s); /* shutting down: each is told in its protocol's way */

size_t lg_client_pending(const struct lg_client *c); /* bytes queued */
size_t lg_client_cap(const struct lg_client *c);     /* and how many may be before it is dropped */
/* Queues bytes. False when the client is not (or, too slow, no longer) open. */
bool lg_client_send(struct lg_client *c, const void *p, size_t n);
bool lg_client_send_buf(struct lg_client *c, const struct lg_buf *b); /* a failed buffer drops the client */
void lg_client_write(struct lg_client *c);                            /* writes what the socket takes, now */
void lg_client_open(struct lg_client *c);   /* sends the head of the lasting answer, starts pings */
void lg_client_finish(struct lg_client *c); /* ends once the queue is written */
void lg_client_drop(struct lg_client *c);   /* ends now */
void lg_client_ws_close(struct lg_client *c, int code, const char *reason);
void lg_client_timer(struct lg_client *c, int64_t in_ms);
void lg_client_hold(struct lg_client *c, bool held); /* stops reading from it, or goes on */

/* reply.c: whole answers. */
void lg_client_fail(struct lg_client *c, const struct lg_err *e); /* an HTTP error; only before `opened` */
void lg_client_answer(struct lg_client *c, int status, const struct lg_buf *json); /* a whole JSON answer */
void lg_client_render(struct lg_client *c);                                        /* to @render */
void lg_client_health(struct lg_client *c);
void lg_client_head(struct lg_client *c); /* the head of 101 or 200, by protocol */
/* Checks the upgrade; answers and returns false when it is not one. */
bool lg_client_handshake(struct lg_client *c, const struct lg_head *h);
/* The credential was revoked: ends the stream in its own way. */
void lg_client_revoke(struct lg_client *c);

#endif
