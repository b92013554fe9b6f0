#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lg_buf_done(struct lg_buf *b)
{
    free(b->data);
    *b = (struct lg_buf){.max = b->max};
}

void lg_buf_reset(struct lg_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

bool lg_buf_reserve(struct lg_buf *b, size_t n)
{
    if (b->failed)
        return false;
    size_t max = b->max ? b->max : LG_BUF_DEFAULT_MAX;
    if (n > max || b->len > max - n) {
        b->failed = true;
        return false;
    }
    if (b->len + n + 1 <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < b->len + n + 1)
        cap *= 2;
    char *p = realloc(b->data, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->data = p;
    b->cap = cap;
    return true;
}

void lg_buf_add(struct lg_buf *b, const void *p, size_t n)
{
    if (!lg_buf_reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
}

void lg_buf_str(struct lg_buf *b, const char *s)
{
    lg_buf_add(b, s, strlen(s));
}

void lg_buf_char(struct lg_buf *b, char c)
{
    lg_buf_add(b, &c, 1);
}

void lg_buf_int(struct lg_buf *b, int64_t v)
{
    char tmp[24], *p = tmp + sizeof tmp;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        *--p = '-';
    lg_buf_add(b, p, (size_t)(tmp + sizeof tmp - p));
}

void lg_buf_fmt(struct lg_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && lg_buf_reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    } else {
        b->failed = true;
    }
    va_end(again);
}

void lg_buf_drop(struct lg_buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else if (n) {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data)
        b->data[b->len] = 0;
}

const char *lg_buf_cstr(const struct lg_buf *b)
{
    return b->data ? b->data : "";
}

char *lg_buf_take(struct lg_buf *b)
{
    if (b->failed || !lg_buf_reserve(b, 0))
        return NULL;
    b->data[b->len] = 0;
    char *p = b->data;
    *b = (struct lg_buf){.max = b->max};
    return p;
}
