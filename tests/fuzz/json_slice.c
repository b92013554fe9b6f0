// sources: fcgi/stream/slice.c
// libs: -ljansson
/* On any bytes: no access outside them. On valid JSON: the same member and elements that jansson finds. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/slice.h"

static void same(const struct lg_json_slice *s, const json_t *want)
{
    json_t *got = json_loadb(s->p, s->n, JSON_DECODE_ANY, NULL);
    if (!got || !json_equal(got, want))
        abort();
    json_decref(got);
}

static void elements(const struct lg_json_slice *s, const json_t *list)
{
    struct lg_json_slice one;
    size_t at = 0, i = 0;
    while (lg_slice_element(s->p, s->n, &at, &one)) {
        if (i >= json_array_size(list))
            abort();
        same(&one, json_array_get(list, i++));
    }
    if (i != json_array_size(list))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *p = malloc(n + 1); /* a copy of its own, so that one byte too far is noticed */
    struct lg_json_slice s;
    size_t at = 0;
    memcpy(p, data, n);
    bool found = lg_slice_member(p, n, "data", &s);
    json_t *j = json_loadb(p, n, JSON_REJECT_DUPLICATES, NULL);
    json_t *want = json_is_object(j) ? json_object_get(j, "data") : NULL;
    /* A key written with escapes ("d\u0061ta") is known to jansson alone: no feeder writes one. */
    if (found && j) {
        if (!want)
            abort();
        same(&s, want);
        if (json_is_array(want))
            elements(&s, want);
    }
    while (lg_slice_element(p, n, &at, &s))
        ;
    json_decref(j);
    free(p);
    return 0;
}
