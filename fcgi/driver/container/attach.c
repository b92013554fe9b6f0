#include "driver/container/attach.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define ATTACH_MS 10000

/* Reads the answer's head a byte at a time: what follows it is the stream. Returns the status or -1. */
static int read_head(int fd)
{
    char head[4096];
    size_t n = 0;
    int64_t until = lg_clock_mono() + ATTACH_MS;
    while (n < sizeof head - 1) {
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left = until - lg_clock_mono();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0 || read(fd, head + n, 1) != 1)
            return -1;
        head[++n] = 0;
        if (n >= 4 && !strcmp(head + n - 4, "\r\n\r\n"))
            return strncmp(head, "HTTP/1.", 7) ? -1 : atoi(head + 9);
    }
    return -1;
}

int lg_ct_attach(struct lg_engine *g, const char *name, bool input, struct lg_err *e)
{
    char text[512];
    lg_cleanup_fd int fd = lg_unix_connect(g->socket, SOCK_STREAM, e);
    if (fd < 0)
        return fd;
    int n = snprintf(text, sizeof text,
                     "POST /v1.41/containers/%s/attach?stream=1%s&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\n"
                     "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
                     name, input ? "&stdin=1" : "");
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return lg_fail_errno(e, LG_UNAVAILABLE, "the container engine broke off");
    int status = read_head(fd);
    if (status != 101 && status != 200)
        return lg_fail(e, LG_BACKEND, "the container engine does not attach to the container (%d)", status);
    int out = fd;
    fd = -1;
    return out;
}
