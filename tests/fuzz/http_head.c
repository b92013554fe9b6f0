// sources: fcgi/stream/http_head.c
/* A head that arrives in two pieces is found at the same place; accepted heads hold only what they may. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/http_head.h"

static void inside(struct lg_slice s, const char *p, size_t n)
{
    if (!s.p)
        return;
    if (s.p < p || s.p + s.n > p + n || memchr(s.p, '\r', s.n) || memchr(s.p, '\n', s.n) ||
        memchr(s.p, 0, s.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t n = size - 1, cut = n ? data[0] % n : 0, scanned = 0, again = 0;
    char *p = malloc(n + 1);
    memcpy(p, data + 1, n);
    size_t whole = lg_head_end(p, n, &scanned);
    size_t end = lg_head_end(p, cut, &again);
    if (!end)
        end = lg_head_end(p, n, &again);
    if (end != whole)
        abort();
    struct lg_head h;
    if (end && lg_head_parse(&h, p, end)) {
        const struct lg_slice all[] = {h.method,     h.target, h.context,   h.upgrade,
                                       h.connection, h.ws_key, h.ws_version};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            inside(all[i], p, end);
        lg_slice_has_token(h.connection, "upgrade");
    }
    free(p);
    return 0;
}
