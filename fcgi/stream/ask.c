#include "stream/ask.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "stream/client.h"

enum {
    ANSWER_TIMEOUT_MS = 30000, /* the runner opens the stream */
    RETRY_MS = 100,            /* its backlog is full */
    ATTEMPTS = 50,
};

void lg_ask_fail(struct lg_client *c, enum lg_code code, const char *msg)
{
    struct lg_err e = {0};
    lg_fail(&e, code, "%s", msg);
    lg_client_fail(c, &e);
}

static void fail(struct lg_client *c, enum lg_code code, const char *fmt)
{
    struct lg_err e = {0};
    lg_fail(&e, code, "the runner %s the %s", fmt, c->u.ask.what);
    lg_client_fail(c, &e);
}

void lg_ask_close(struct lg_client *c)
{
    lg_loop_close(&c->server->loop, &c->u.ask.runner);
}

static void refuse(struct lg_client *c, const json_t *j)
{
    const json_t *error = json_object_get(j, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *msg = json_string_value(json_object_get(error, "message"));
    lg_ask_fail(c, code ? lg_code_of(code) : LG_BACKEND, msg ? msg : "the backend gave no stream");
}

static void on_runner(struct lg_source *src, uint32_t events)
{
    static char bytes[65536];
    struct lg_client *c = lg_container_of(src, struct lg_client, u.ask.runner);
    (void)events;
    lg_cleanup_fd int fd = -1;
    ssize_t n = lg_recv_fd(src->fd, bytes, sizeof bytes, &fd);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    lg_loop_close(&c->server->loop, src);
    if (n <= 0) {
        fail(c, LG_UNAVAILABLE, "ended while it opened");
        return;
    }
    lg_cleanup_json json_t *j = lg_json_parse(bytes, (size_t)n, 8, NULL);
    if (fd < 0 || !json_is_true(json_object_get(j, "ok"))) {
        refuse(c, j);
        return;
    }
    int stream = fd;
    fd = -1;
    c->u.ask.opened(c, stream);
}

void lg_ask_start(struct lg_client *c)
{
    struct lg_ask *a = &c->u.ask;
    struct lg_err e = {0};
    struct lg_json j;
    char path[PATH_MAX];
    lg_cleanup_buf struct lg_buf b = {.max = 8192};
    lg_conf_path(c->server->conf, path, sizeof path, "run/runner-streams.sock");
    int fd = lg_unix_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, &e);
    if (fd < 0) {
        bool full = errno == EAGAIN && ++a->attempts < ATTEMPTS;
        if (full)
            lg_client_timer(c, RETRY_MS);
        else
            lg_ask_fail(c, LG_UNAVAILABLE, "the runner does not answer");
        return;
    }
    a->runner = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_runner};
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    a->write(c, &j);
    lg_json_end_obj(&j);
    if (b.failed || lg_send_fd(fd, b.data, b.len, -1, &e) || lg_loop_add(&c->server->loop, &a->runner)) {
        lg_loop_close(&c->server->loop, &a->runner);
        lg_ask_fail(c, LG_UNAVAILABLE, "the runner does not take the request");
        return;
    }
    lg_client_timer(c, ANSWER_TIMEOUT_MS);
}

void lg_ask_timeout(struct lg_client *c)
{
    if (c->u.ask.runner.fd < 0) {
        lg_ask_start(c);
        return;
    }
    lg_ask_close(c);
    fail(c, LG_TIMEOUT, "did not open in time");
}
