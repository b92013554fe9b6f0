/*
 * A growing byte buffer with a declared maximum and a sticky error: append freely, check once at the end.
 * After an overflow or a failed allocation `failed` stays set and further appends do nothing.
 */
#ifndef LG_BASE_BUF_H
#define LG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lg_buf {
    char *data;  /* owned; NUL-terminated whenever non-NULL */
    size_t len;  /* bytes used, the NUL not counted */
    size_t cap;  /* bytes allocated */
    size_t max;  /* never grows past this; 0 means LG_BUF_DEFAULT_MAX */
    bool failed; /* sticky: something did not fit */
};

#define LG_BUF_DEFAULT_MAX ((size_t)16 << 20)

/* Use: `lg_cleanup_buf struct lg_buf b = {.max = 4096};` */
#define lg_cleanup_buf __attribute__((cleanup(lg_buf_done)))

void lg_buf_done(struct lg_buf *b);              /* frees the bytes and empties the buffer */
void lg_buf_reset(struct lg_buf *b);             /* empties it and keeps the memory */
bool lg_buf_reserve(struct lg_buf *b, size_t n); /* room for n more bytes; false (and failed) if not */
void lg_buf_add(struct lg_buf *b, const void *p, size_t n);
void lg_buf_str(struct lg_buf *b, const char *s);
void lg_buf_char(struct lg_buf *b, char c);
void lg_buf_int(struct lg_buf *b, int64_t v);
void lg_buf_fmt(struct lg_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lg_buf_drop(struct lg_buf *b, size_t n);    /* removes n bytes from the front */
const char *lg_buf_cstr(const struct lg_buf *b); /* never NULL */
char *lg_buf_take(struct lg_buf *b);             /* the bytes, now the caller's to free(); NULL if failed */

#endif
