#include "api/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"

#define PATIENCE_S 10
#define REPLY_MAX  ((size_t)16 << 20) /* the largest file of a session in base64, with room to spare */

static void be32(uint8_t *p, size_t n)
{
    p[0] = (uint8_t)(n >> 24);
    p[1] = (uint8_t)(n >> 16);
    p[2] = (uint8_t)(n >> 8);
    p[3] = (uint8_t)n;
}

static int send_all(int fd, struct iovec *v, int count, struct lg_err *e)
{
    while (count) {
        struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)count};
        ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lg_fail_errno(e, LG_UNAVAILABLE, "the runner does not take the code");
        for (; count && (size_t)n >= v->iov_len; count--, v++)
            n -= (ssize_t)v->iov_len;
        if (count) {
            v->iov_base = (char *)v->iov_base + n;
            v->iov_len -= (size_t)n;
        }
    }
    return 0;
}

static int receive(int fd, struct lg_buf *out, struct lg_err *e)
{
    char piece[16384];
    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (!n && out->len < 4))
            return lg_fail(e, LG_UNAVAILABLE, "the runner ended before it answered");
        if (!n)
            return 0;
        lg_buf_add(out, piece, (size_t)n);
        if (out->failed)
            return lg_fail(e, LG_BACKEND, "the runner's answer is longer than %zu bytes", out->max);
    }
}

/* A refusal, as the pool said it. */
static int refusal(const json_t *error, struct lg_err *e)
{
    const char *code = json_string_value(json_object_get(error, "code")), *key;
    const char *msg = json_string_value(json_object_get(error, "message"));
    json_t *details = json_object_get(error, "details"), *v;
    int rc = lg_fail(e, code ? lg_code_of(code) : LG_INTERNAL, "%s", msg ? msg : "the runner refused");
    json_object_foreach(details, key, v)
    {
        if (json_is_string(v))
            lg_err_detail(e, key, "%s", json_string_value(v));
    }
    return rc;
}

int lg_sandbox_ask(const struct lg_conf *c, const struct lg_buf *head, const struct iovec *parts, int count,
                   json_t **out, struct lg_err *e)
{
    char path[PATH_MAX];
    uint8_t sizes[8];
    struct iovec v[LG_SANDBOX_PARTS + 2];
    size_t blob = 0;
    lg_cleanup_buf struct lg_buf reply = {.max = REPLY_MAX};
    *out = NULL;
    if (head->failed || count > LG_SANDBOX_PARTS)
        return lg_fail(e, LG_INVALID, "the request has too many details");
    lg_cleanup_fd int fd =
        lg_unix_connect(lg_conf_path(c, path, sizeof path, "run/sandbox.sock"), SOCK_STREAM, e);
    if (fd < 0)
        return lg_fail(e, LG_UNAVAILABLE, "the runner does not answer, so no code can be run now");
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int i = 0; i < count; i++) {
        v[2 + i] = parts[i];
        blob += parts[i].iov_len;
    }
    be32(sizes, head->len);
    be32(sizes + 4, blob);
    v[0] = (struct iovec){sizes, sizeof sizes};
    v[1] = (struct iovec){head->data, head->len};
    int rc = send_all(fd, v, count + 2, e);
    rc = rc ? rc : receive(fd, &reply, e);
    if (rc)
        return rc;
    lg_cleanup_json json_t *j = lg_json_parse(reply.data + 4, reply.len - 4, 16, NULL);
    const json_t *error = json_object_get(j, "error");
    if (!j)
        return lg_fail(e, LG_BACKEND, "the runner's answer is no JSON");
    if (error)
        return refusal(error, e);
    *out = json_incref(j);
    return 0;
}
