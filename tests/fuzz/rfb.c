// sources: fcgi/stream/rfb.c
/* What a viewer that may only look sends, in any pieces: it never writes more than its room, never loops, and what it lets
 * pass of the pieces is what it lets pass of the whole. */
#include <stdlib.h>
#include <string.h>

#include "stream/rfb.h"

static long run(const uint8_t *p, size_t n, size_t step, uint8_t *out)
{
    struct lg_rfb r = {0};
    long total = 0;
    for (size_t at = 0; at < n; at += step) {
        size_t take = n - at < step ? n - at : step;
        uint8_t *room = malloc(take + LG_RFB_EXTRA); /* of its own, so that the sanitizer sees its end */
        long got = lg_rfb_filter(&r, p + at, take, room);
        if (got > 0)
            memcpy(out + total, room, (size_t)got);
        free(room);
        if (got < 0)
            return -1;
        total += got;
    }
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 65536 || !n)
        return 0;
    size_t step = 1 + data[0] % 37;
    uint8_t *whole = malloc(2 * n + LG_RFB_EXTRA), *cut = malloc(2 * n + LG_RFB_EXTRA);
    long a = run(data, n, n, whole), b = run(data, n, step, cut);
    if (a != b || (a > 0 && memcmp(whole, cut, (size_t)a) != 0))
        abort();
    free(whole);
    free(cut);
    return 0;
}
