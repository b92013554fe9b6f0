/*
 * What a viewer of a screen may say when it may only look (RFC 6143, the client's side): its handshake, what
 * it wants to see and how; no key, no pointer, no clipboard. A codec without I/O that never allocates.
 */
#ifndef LG_STREAM_RFB_H
#define LG_STREAM_RFB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lg_rfb {
    uint8_t head[12]; /* of the message that is arriving, as far as its length is in there */
    uint8_t have;
    uint8_t step;  /* of the handshake: version, security, init; then messages */
    bool pass;     /* the payload at hand goes on */
    uint32_t left; /* bytes of payload still to come */
};

/*
 * Takes n bytes of the client's and writes those that may go on to `out`, which has room for n +
 * LG_RFB_EXTRA. Returns how many, or -1 when they are no RFB: nothing may follow then.
 */
#define LG_RFB_EXTRA 16
long lg_rfb_filter(struct lg_rfb *r, const uint8_t *p, size_t n, uint8_t *out);

#endif
