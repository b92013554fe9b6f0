/* Log streams: a descriptor from lodge-runner, decoded and passed on as fast as the client takes it. */
#ifndef LG_STREAM_RELAY_H
#define LG_STREAM_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/ask.h"
#include "stream/frame.h"
#include "stream/loop.h"

struct lg_client;

struct lg_relay {
    struct lg_ask ask;       /* first, as of every kind that asks the runner */
    struct lg_source source; /* the stream */
    struct lg_frames frames;
    uint8_t carry[2][4]; /* per stream: the start of a UTF-8 sequence whose rest is in the next piece */
    uint8_t carry_len[2];
};

extern const struct lg_client_ops lg_relay_ops;

#endif
