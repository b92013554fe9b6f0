// sources: fcgi/stream/websocket.c fcgi/base/buf.c
// libs: -lsodium -lcrypto
/*
 * A client's bytes, whole and cut in two: the decoder must say the same of both, stay within its message
 * limit, and find its own frames whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/websocket.h"

struct seen {
    int rc;
    size_t data, control, messages;
    unsigned sum;
};

static void take(struct lg_ws *w, uint8_t *p, size_t n, struct seen *s)
{
    struct lg_ws_event ev;
    size_t message = 0;
    while (s->rc <= 1 && (s->rc = lg_ws_decode(w, &p, &n, &ev)) == 1) {
        for (size_t i = 0; i < ev.n; i++)
            s->sum = s->sum * 31 + ev.p[i];
        if (ev.opcode >= LG_WS_CLOSE) {
            s->control++;
            if (ev.n > 125 || !ev.last)
                abort();
            continue;
        }
        s->data += ev.n;
        message += ev.n;
        if (message > LG_WS_MESSAGE_MAX)
            abort();
        if (ev.last)
            s->messages++, message = 0;
    }
}

static struct seen run(const uint8_t *p, size_t n, size_t cut)
{
    struct seen s = {0};
    struct lg_ws w = {0};
    uint8_t *copy = malloc(n + 1);
    memcpy(copy, p, n);
    take(&w, copy, cut, &s);
    if (s.rc <= 1)
        take(&w, copy + cut, n - cut, &s);
    free(copy);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (!n)
        return 0;
    size_t cut = p[0] % n;
    struct seen a = run(p + 1, n - 1, 0), b = run(p + 1, n - 1, cut);
    if (a.rc != b.rc || a.data != b.data || a.control != b.control || a.messages != b.messages ||
        a.sum != b.sum)
        abort();
    struct lg_buf out = {0};
    lg_ws_frame(&out, LG_WS_TEXT, p, n);
    if (lg_ws_frame_size((const uint8_t *)out.data, out.len) != out.len)
        abort();
    lg_buf_done(&out);
    char accept[LG_WS_ACCEPT_LEN];
    lg_ws_accept((const char *)p, n, accept);
    return 0;
}
