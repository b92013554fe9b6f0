#include "stream/websocket.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { FIN = 0x80, RSV = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };

bool lg_ws_accept(const char *key, size_t n, char out[LG_WS_ACCEPT_LEN])
{
    uint8_t raw[16], sha[EVP_MAX_MD_SIZE], text[24 + sizeof GUID];
    size_t raw_len = 0;
    if (n != 24 ||
        sodium_base642bin(raw, sizeof raw, key, n, NULL, &raw_len, NULL, sodium_base64_VARIANT_ORIGINAL) ||
        raw_len != sizeof raw)
        return false;
    memcpy(text, key, n);
    memcpy(text + n, GUID, sizeof GUID - 1);
    unsigned len = 0;
    if (!EVP_Digest(text, n + sizeof GUID - 1, sha, &len, EVP_sha1(), NULL) || len != 20)
        return false;
    sodium_bin2base64(out, LG_WS_ACCEPT_LEN, sha, len, sodium_base64_VARIANT_ORIGINAL);
    return true;
}

static bool is_control(unsigned opcode)
{
    return opcode & 8;
}

/* Bytes in a client's frame head, judged by the first two. */
static size_t head_size(const uint8_t *h)
{
    unsigned len = h[1] & LENGTH;
    return 2U + (len == 126 ? 2 : len == 127 ? 8 : 0) + 4;
}

/* 0, or the close code for a first pair of bytes that can only be wrong. */
static int check_first(const struct lg_ws *w)
{
    unsigned opcode = w->head[0] & OPCODE, len = w->head[1] & LENGTH;
    if (w->head[0] & RSV || !(w->head[1] & MASKED))
        return LG_WS_PROTOCOL;
    if (is_control(opcode))
        return opcode > LG_WS_PONG || len > 125 || !(w->head[0] & FIN) ? LG_WS_PROTOCOL : 0;
    if (opcode > LG_WS_BINARY)
        return LG_WS_PROTOCOL;
    return (opcode == LG_WS_CONTINUATION) != (w->message != 0) ? LG_WS_PROTOCOL : 0;
}

static int begin_payload(struct lg_ws *w)
{
    unsigned len = w->head[1] & LENGTH;
    uint64_t size = len;
    size_t extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (extra) {
        size = 0;
        for (size_t i = 0; i < extra; i++)
            size = size << 8 | w->head[2 + i];
        if (size < (extra == 2 ? 126 : 65536) || size >> 63)
            return LG_WS_PROTOCOL;
    }
    w->opcode = w->head[0] & OPCODE;
    w->fin = w->head[0] & FIN;
    w->left = size;
    w->mask_at = 0;
    memmove(w->head, w->head + w->have - 4, 4); /* the mask, to where the payload finds it */
    w->in_payload = true;
    if (is_control(w->opcode)) {
        w->control_len = 0;
        return 0;
    }
    if (w->opcode != LG_WS_CONTINUATION) {
        w->message = w->opcode;
        w->message_size = 0;
    }
    if (size > LG_WS_MESSAGE_MAX - w->message_size)
        return LG_WS_TOO_BIG;
    w->message_size += (uint32_t)size;
    return 0;
}

static void unmask(struct lg_ws *w, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] ^= w->head[(w->mask_at + i) & 3];
    w->mask_at = (uint8_t)((w->mask_at + n) & 3);
}

static bool valid_close(int code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static int control_event(struct lg_ws *w, struct lg_ws_event *out)
{
    *out = (struct lg_ws_event){
        .opcode = w->opcode, .last = true, .p = w->control, .n = w->control_len, .code = LG_WS_NO_CODE};
    if (w->opcode != LG_WS_CLOSE || !w->control_len)
        return 1;
    if (w->control_len == 1)
        return LG_WS_PROTOCOL;
    out->code = w->control[0] << 8 | w->control[1];
    return valid_close(out->code) ? 1 : LG_WS_PROTOCOL;
}

/* One step inside a payload: 1 with an event, 0 to go on, or a close code. */
static int payload(struct lg_ws *w, uint8_t **p, size_t *n, struct lg_ws_event *out)
{
    size_t take = *n < w->left ? *n : (size_t)w->left;
    uint8_t *at = *p;
    unmask(w, at, take);
    w->left -= take;
    *p += take;
    *n -= take;
    bool control = is_control(w->opcode);
    if (control && take) {
        memcpy(w->control + w->control_len, at, take);
        w->control_len = (uint8_t)(w->control_len + take);
    }
    bool frame_ends = !w->left;
    if (frame_ends) {
        w->in_payload = false;
        w->have = 0;
    }
    if (control)
        return frame_ends ? control_event(w, out) : 0;
    bool last = frame_ends && w->fin;
    *out = (struct lg_ws_event){.opcode = w->message, .last = last, .p = at, .n = take};
    if (last)
        w->message = 0;
    return take || last ? 1 : 0;
}

int lg_ws_decode(struct lg_ws *w, uint8_t **p, size_t *n, struct lg_ws_event *out)
{
    while (*n || (w->in_payload && !w->left)) {
        int rc = 0;
        if (w->in_payload) {
            rc = payload(w, p, n, out);
        } else {
            w->head[w->have++] = **p;
            ++*p;
            --*n;
            if (w->have == 2)
                rc = check_first(w);
            if (!rc && w->have >= 2 && w->have == head_size(w->head))
                rc = begin_payload(w);
        }
        if (rc)
            return rc;
    }
    return 0;
}

void lg_ws_frame(struct lg_buf *out, enum lg_ws_opcode opcode, const void *p, size_t n)
{
    uint8_t head[10] = {(uint8_t)(FIN | opcode)};
    size_t len = 2;
    if (n < 126) {
        head[1] = (uint8_t)n;
    } else {
        size_t extra = n < 65536 ? 2 : 8;
        head[1] = extra == 2 ? 126 : 127;
        for (size_t i = 0; i < extra; i++)
            head[2 + i] = (uint8_t)((uint64_t)n >> 8 * (extra - 1 - i));
        len += extra;
    }
    lg_buf_add(out, head, len);
    lg_buf_add(out, p, n);
}

void lg_ws_close_frame(struct lg_buf *out, int code, const char *reason)
{
    uint8_t body[125] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t n = strnlen(reason, sizeof body - 2);
    if (code == LG_WS_NO_CODE) {
        lg_ws_frame(out, LG_WS_CLOSE, NULL, 0);
        return;
    }
    memcpy(body + 2, reason, n);
    lg_ws_frame(out, LG_WS_CLOSE, body, n + 2);
}

size_t lg_ws_frame_size(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    size_t extra = p[1] == 126 ? 2 : p[1] == 127 ? 8 : 0;
    if (!extra)
        return 2U + p[1];
    if (n < 2 + extra)
        return 0;
    uint64_t size = 0;
    for (size_t i = 0; i < extra; i++)
        size = size << 8 | p[2 + i];
    return (size_t)size + 2 + extra;
}
