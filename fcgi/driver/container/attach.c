#include "driver/container/attach.h"

#include <errno.h>
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
        int ready = left <= 0 ? 0 : poll(&p, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue; /* callers have timers of their own */
        if (ready <= 0 || read(fd, head + n, 1) != 1)
            return -1;
        head[++n] = 0;
        if (n >= 4 && !strcmp(head + n - 4, "\r\n\r\n"))
            return strncmp(head, "HTTP/1.", 7) ? -1 : atoi(head + 9);
    }
    return -1;
}

/* An engine prepares the container here, so the sentence is about that. */
static int refused(int fd, int status, const char *what, struct lg_err *e)
{
    char text[1024];
    struct pollfd p = {fd, POLLIN, 0};
    ssize_t n = poll(&p, 1, 1000) > 0 ? recv(fd, text, sizeof text - 1, MSG_DONTWAIT) : 0;
    const char *from = n > 0 ? memchr(text, '{', (size_t)n) : NULL;
    lg_cleanup_buf struct lg_buf reply = {.max = sizeof text};
    if (from)
        lg_buf_add(&reply, from, (size_t)(text + n - from));
    return lg_call_fail(status > 0 ? status : 500, &reply, what, e);
}

int lg_ct_hijack(struct lg_engine *g, const char *path, const char *body, const char *what, struct lg_err *e)
{
    char text[1024];
    lg_cleanup_fd int fd = lg_unix_connect(g->socket, SOCK_STREAM, e);
    if (fd < 0)
        return fd;
    int n = snprintf(text, sizeof text,
                     "POST /v1.41%s HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     path, strlen(body), body);
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return lg_fail_errno(e, LG_UNAVAILABLE, "the container engine broke off");
    int status = read_head(fd);
    if (status != 101 && status != 200)
        return refused(fd, status, what, e);
    int out = fd;
    fd = -1;
    return out;
}

int lg_ct_attach(struct lg_engine *g, const char *name, bool input, struct lg_err *e)
{
    char path[256];
    snprintf(path, sizeof path, "/containers/%s/attach?stream=1%s&stdout=1&stderr=1", name,
             input ? "&stdin=1" : "");
    return lg_ct_hijack(g, path, "", "the container cannot be attached to", e);
}
