// sources: fcgi/stream/frame.c
/* Log frames, whole and cut in two, give the same bytes; a text's open tail is never more than it can be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/frame.h"

struct seen {
    int rc;
    size_t n[2];
    unsigned sum;
};

static void take(struct lg_frames *f, const uint8_t *p, size_t n, struct seen *s)
{
    struct lg_piece piece;
    while (s->rc >= 0 && (s->rc = lg_frames_next(f, &p, &n, &piece)) == 1) {
        if (piece.stream < 1 || piece.stream > 2 || !piece.n)
            abort();
        s->n[piece.stream - 1] += piece.n;
        for (size_t i = 0; i < piece.n; i++)
            s->sum = s->sum * 31 + piece.p[i];
        if (lg_utf8_open_tail(piece.p, piece.n) > 3)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (!n)
        return 0;
    size_t cut = p[0] % n;
    struct lg_frames f = {0}, g = {0};
    struct seen a = {0}, b = {0};
    take(&f, p + 1, n - 1, &a);
    take(&g, p + 1, cut, &b);
    take(&g, p + 1 + cut, n - 1 - cut, &b);
    if (a.rc != b.rc || a.n[0] != b.n[0] || a.n[1] != b.n[1] || a.sum != b.sum)
        abort();
    return 0;
}
