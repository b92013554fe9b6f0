/*
 * Finds members of a JSON text without building a tree, so that an event's data goes out byte for byte as it
 * came in. The text must have been parsed before (it is valid); on anything else the result is merely
 * useless.
 */
#ifndef LG_STREAM_SLICE_H
#define LG_STREAM_SLICE_H

#include <stdbool.h>
#include <stddef.h>

struct lg_json_slice {
    const char *p;
    size_t n;
};

/* The value of `key` in the object `text`; keys are compared as written, without escapes. */
bool lg_slice_member(const char *text, size_t n, const char *key, struct lg_json_slice *out);
/* Walks an array: `*at` starts at 0. False after the last element. */
bool lg_slice_element(const char *text, size_t n, size_t *at, struct lg_json_slice *out);

#endif
