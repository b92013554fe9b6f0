/*
 * Writing the frames in which output, input and terminals travel between our processes, as an engine's log
 * has them: [type, 0, 0, 0, big-endian u32 length] payload. stream/frame.h reads them.
 */
#ifndef LG_MODEL_FRAME_H
#define LG_MODEL_FRAME_H

#include <stdint.h>

#include "base/buf.h"

#define LG_FRAME_HEAD 8 /* bytes */

static inline void lg_frame_head(uint8_t head[LG_FRAME_HEAD], int type, size_t n)
{
    for (int i = 0; i < LG_FRAME_HEAD; i++)
        head[i] = i < 4 ? 0 : (uint8_t)(n >> (8 * (LG_FRAME_HEAD - 1 - i)));
    head[0] = (uint8_t)type;
}

/* A whole frame; `p` may be NULL when n is 0. */
static inline void lg_frame_add(struct lg_buf *b, int type, const void *p, size_t n)
{
    uint8_t head[LG_FRAME_HEAD];
    lg_frame_head(head, type, n);
    lg_buf_add(b, head, sizeof head);
    if (n)
        lg_buf_add(b, p, n);
}

#endif
