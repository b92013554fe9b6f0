#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "box/box.h"

void lg_say(int type, const void *p, size_t n)
{
    unsigned char head[LG_BOX_HEAD] = {(unsigned char)type, (unsigned char)(n >> 24),
                                       (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n};
    struct iovec v[2] = {{head, sizeof head}, {(void *)(uintptr_t)p, n}};
    size_t left = sizeof head + n;
    while (left) {
        ssize_t k = writev(1, v, 2);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            _exit(1); /* the pool is gone, and with us everything in here */
        left -= (size_t)k;
        for (int i = 0; i < 2 && k; i++) {
            size_t take = (size_t)k < v[i].iov_len ? (size_t)k : v[i].iov_len;
            v[i].iov_base = (char *)v[i].iov_base + take;
            v[i].iov_len -= take;
            k -= (ssize_t)take;
        }
    }
}

void lg_sayf(int type, const char *fmt, ...)
{
    char text[4352];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    lg_say(type, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}
