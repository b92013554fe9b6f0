/*
 * The feeder's side: one process of lodge-api at a time connects, pushes rendered events, and answers
 * questions. The newest connection wins.
 */
#ifndef LG_STREAM_FEED_H
#define LG_STREAM_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "stream/loop.h"

struct lg_server;
struct lg_client;

#define LG_REQ_BUCKETS  1024
#define LG_REVOKED_KEPT 256

/* A revocation remembered for as long as a hand-off signed before it may still arrive. */
struct lg_revocation {
    int64_t at; /* epoch ms; 0: empty */
    char token[64], session[64], user[64], tenant[64];
};

struct lg_feed {
    struct lg_source listener;
    struct lg_source peer;  /* fd -1: no feeder */
    struct lg_timer answer; /* armed while questions are open: a feeder that goes mute is dropped */
    struct lg_buf in, out;
    size_t scanned, sent; /* bytes of `in` known to hold no line end; bytes of `out` already written */
    bool ready;           /* said hello */
    int64_t last;         /* highest event id that has passed; -1 before the first hello */
    int64_t next_req;
    size_t asked; /* questions without an answer */
    size_t pages; /* those of them that ask for a page of events */
    struct lg_client *reqs[LG_REQ_BUCKETS];
    struct lg_revocation revoked[LG_REVOKED_KEPT];
    size_t revoked_at; /* ring position of the next */
};

/* The socket the feeder connects to, mode 0660 of group `gid` (-1: ours). */
int lg_feed_open(struct lg_server *s, const char *path, int gid, struct lg_err *e);
void lg_feed_close(struct lg_server *s);
void lg_feed_flush(struct lg_server *s); /* at the end of a turn */

/* Questions. The client must have none open, and the feeder must be `ready`. */
void lg_feed_ask_resume(struct lg_client *c);
void lg_feed_ask_op(struct lg_client *c);
void lg_feed_forget(struct lg_client *c); /* drops the client's open question, if any */

/* True when what this client shows was revoked after it was signed. */
bool lg_feed_is_revoked(const struct lg_feed *f, const struct lg_client *c);

#endif
