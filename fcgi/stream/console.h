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
#include "stream/rfb.h"

struct lg_console {
    struct lg_ask ask;       /* first, as of every kind that asks the runner */
    struct lg_source source; /* the console */
    struct lg_buf to;        /* the client's bytes that it has not taken yet */
    size_t taken;            /* bytes of `to` already written */
    struct lg_rfb rfb;       /* of one that may only look at a screen */
    bool screen, terminal;   /* neither: a serial line */
    struct lg_terminal_up {  /* what a terminal is saying */
        uint8_t head[8], code[4];
        size_t got, code_got; /* bytes of the frame's head, and of the exit code */
        uint32_t left;        /* bytes of its payload to come */
    } up;
};

extern const struct lg_client_ops lg_console_ops;

#endif
