#include "stream/frame.h"

#include <string.h>

int lg_frames_next(struct lg_frames *f, const uint8_t **p, size_t *n, struct lg_piece *out)
{
    while (*n) {
        if (f->left) {
            size_t take = *n < f->left ? *n : f->left;
            *out = (struct lg_piece){.stream = f->head[0], .p = *p, .n = take};
            f->left -= (uint32_t)take;
            *p += take;
            *n -= take;
            return 1;
        }
        f->head[f->have++] = **p;
        ++*p;
        --*n;
        if (f->have < sizeof f->head)
            continue;
        f->have = 0;
        const uint8_t *h = f->head;
        if ((h[0] != 1 && h[0] != 2) || h[1] || h[2] || h[3])
            return -1;
        f->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    }
    return 0;
}

bool lg_frames_whole(const struct lg_frames *f)
{
    return !f->have && !f->left;
}

size_t lg_utf8_open_tail(const uint8_t *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t c = p[n - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t len = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
        return c < 0xf5 && len > back ? back : 0;
    }
    return 0;
}

size_t lg_utf8_whole(struct lg_utf8_carry *c, const uint8_t *p, size_t n, bool last, uint8_t *out)
{
    size_t len = c->count;
    memcpy(out, c->byte, len);
    if (n)
        memcpy(out + len, p, n);
    len += n;
    c->count = last ? 0 : (uint8_t)lg_utf8_open_tail(out, len);
    len -= c->count;
    memcpy(c->byte, out + len, c->count);
    return len;
}
