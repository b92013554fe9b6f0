/*
 * A code run: the sandbox pool gives a pair's end that yields frames (model/run_frame.h) and takes input. As
 * SSE and WebSocket while it goes on, or one JSON answer when it has ended (proto text). Our closing the
 * descriptor ends the run.
 */
#ifndef LG_STREAM_RUN_H
#define LG_STREAM_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "stream/frame.h"
#include "stream/loop.h"

struct lg_client_ops;

struct lg_run_stream {
    struct lg_source pool;   /* the answer to our request; then closed */
    struct lg_source source; /* the run's frames */
    int attempts;
    uint8_t head[8];
    uint8_t have;                  /* bytes of a frame's head that have arrived */
    uint32_t left;                 /* payload bytes still to come */
    struct lg_buf text;            /* JSON of a frame */
    struct lg_buf typed;           /* a client's message that comes in pieces */
    struct lg_utf8_carry carry[2]; /* per stream */
    int64_t events;                /* sent so far: the SSE id */
};

extern const struct lg_client_ops lg_run_ops;

#endif
