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
    struct lg_utf8_carry carry[2]; /* per stream */
};

extern const struct lg_client_ops lg_relay_ops;

#endif
