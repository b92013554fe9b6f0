/*
 * RFC 6455, the server's side, as a codec without I/O: the accept key, an incremental decoder that unmasks in
 * place and never allocates, and writers for unmasked frames.
 */
#ifndef LG_STREAM_WEBSOCKET_H
#define LG_STREAM_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define LG_WS_MESSAGE_MAX 65536 /* bytes in one message of a client */
#define LG_WS_ACCEPT_LEN  29    /* with the NUL */

enum lg_ws_opcode {
    LG_WS_CONTINUATION = 0,
    LG_WS_TEXT = 1,
    LG_WS_BINARY = 2,
    LG_WS_CLOSE = 8,
    LG_WS_PING = 9,
    LG_WS_PONG = 10,
};

/* Close codes used here; 4000–4999 are the application's. */
enum lg_ws_code {
    LG_WS_NORMAL = 1000,
    LG_WS_GOING_AWAY = 1001,
    LG_WS_PROTOCOL = 1002,
    LG_WS_NO_CODE = 1005, /* never on the wire */
    LG_WS_TOO_BIG = 1009,
    LG_WS_FAILED = 1011,
    LG_WS_SLOW = 1013,
    LG_WS_REVOKED = 4401,
    LG_WS_GONE = 4410,
};

struct lg_ws {
    uint8_t head[14];
    uint8_t have;    /* bytes of the frame's head */
    bool in_payload; /* the head is complete */
    uint8_t opcode;  /* of the current frame */
    bool fin;
    uint8_t message;       /* opcode of the message whose fragments are arriving; 0: none */
    uint8_t mask_at;       /* next byte of the mask */
    uint32_t message_size; /* bytes of that message so far */
    uint64_t left;         /* payload bytes still to come */
    uint8_t control_len;
    uint8_t control[125]; /* a control frame's payload, collected */
};

struct lg_ws_event {
    enum lg_ws_opcode opcode; /* TEXT or BINARY (a piece of a message), CLOSE, PING or PONG (whole) */
    bool last;                /* the message ends with this piece */
    const uint8_t *p;         /* payload, unmasked; valid until the next call */
    size_t n;
    int code; /* CLOSE: the client's code, LG_WS_NO_CODE without one */
};

/*
 * Takes bytes off the front of `p` and `n`. Returns 1 with an event, 0 when all bytes are used, or the close
 * code (> 1) with which the connection must fail; nothing may follow then.
 */
int lg_ws_decode(struct lg_ws *w, uint8_t **p, size_t *n, struct lg_ws_event *out);

/* Sec-WebSocket-Accept for a client's key; false when the key is not the base64 of 16 bytes. */
bool lg_ws_accept(const char *key, size_t n, char out[LG_WS_ACCEPT_LEN]);

/* One whole frame of the server's, unmasked; the second with a code of RFC 6455 7.4. */
void lg_ws_frame(struct lg_buf *out, enum lg_ws_opcode opcode, const void *p, size_t n);
void lg_ws_close_frame(struct lg_buf *out, int code, const char *reason);
/* Size in bytes of the server's frame that starts at p (n bytes are there); 0 when that is not whole enough
 * to tell. */
size_t lg_ws_frame_size(const uint8_t *p, size_t n);

#endif
