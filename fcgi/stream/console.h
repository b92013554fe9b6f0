/*
 * Consoles: a descriptor from lodge-runner, bytes both ways. What it says goes to the client as binary
 * frames, as fast as the client takes it; the client's binary frames go to it, and a client whose console
 * does not read is not read from either. A viewer that may only look says nothing a machine would heed.
 */
#ifndef LG_STREAM_CONSOLE_H
#define LG_STREAM_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "stream/ask.h"
#include "stream/frame.h"
#include "stream/rfb.h"

struct lg_console {
    struct lg_ask ask;       /* first, as of every kind that asks the runner */
    struct lg_source source; /* the console */
    struct lg_buf to;        /* the client's bytes that it has not taken yet */
    size_t taken;            /* bytes of `to` already written */
    struct lg_rfb rfb;       /* of one that may only look at a screen */
    bool screen, terminal;   /* neither: a serial line */
    struct lg_frames up;     /* of a terminal: what it is saying, */
    uint8_t exit[4];         /* and at its end its program's exit code, */
    uint8_t exit_got;        /* so many bytes of it */
};

extern const struct lg_client_ops lg_console_ops;

#endif
