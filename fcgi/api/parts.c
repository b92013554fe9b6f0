#include "api/parts.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define ANSWER_MS 1000

static int open_part(const struct lg_req *q, const char *rel, int type)
{
    char path[PATH_MAX];
    return lg_unix_connect(lg_conf_path(&q->app->conf, path, sizeof path, rel), type, NULL);
}

bool lg_runner_answers(const struct lg_req *q)
{
    lg_cleanup_fd int fd = open_part(q, "run/runner-streams.sock", SOCK_SEQPACKET);
    return fd >= 0;
}

/* Reads until the peer closes, the text is full or the time is up. */
static size_t read_all(int fd, char *to, size_t cap)
{
    size_t n = 0;
    ssize_t got = 1;
    int64_t end = lg_clock_mono() + ANSWER_MS;
    while (got > 0 && n + 1 < cap && lg_clock_mono() < end) {
        got = read(fd, to + n, cap - 1 - n);
        if (got > 0)
            n += (size_t)got;
    }
    to[n] = 0;
    return n;
}

void lg_stream_look(const struct lg_req *q, struct lg_stream_state *s)
{
    static const char ask[] = "GET /health HTTP/1.1\r\nHost: lodge\r\nConnection: close\r\n\r\n";
    const struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
    char text[2048];
    memset(s, 0, sizeof *s);
    lg_cleanup_fd int fd = open_part(q, "run/stream.sock", SOCK_STREAM);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1)
        return;
    read_all(fd, text, sizeof text);
    const char *body = strstr(text, "\r\n\r\n");
    lg_cleanup_json json_t *j = body ? lg_json_parse(body + 4, strlen(body + 4), 4, NULL) : NULL;
    if (!j)
        return;
    s->answers = true;
    s->clients = json_integer_value(json_object_get(j, "clients"));
    s->waits = json_integer_value(json_object_get(j, "waits"));
    s->feeder = json_is_true(json_object_get(j, "feeder"));
}

bool lg_is_local(const struct lg_req *q)
{
    const char *listener = lg_req_header(q, "LODGE_LISTENER");
    return listener && !strcmp(listener, "http") &&
           (!strncmp(q->address, "127.", 4) || !strcmp(q->address, "::1"));
}
