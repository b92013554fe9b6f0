/* Server-sent events, the text format. `data` must hold no line ends (JSON on one line has none). */
#ifndef LG_STREAM_SSE_H
#define LG_STREAM_SSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* `id` < 0 and NULL `event` leave their line out. */
void lg_sse_event(struct lg_buf *out, int64_t id, const char *event, const char *data, size_t n);
/* A comment that keeps the connection alive and, with `id` >= 0, moves the client's Last-Event-ID on. */
void lg_sse_ping(struct lg_buf *out, int64_t id);

#endif
