#include "cli/ws.h"

#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX ((size_t)1 << 20) /* more than the server sends at once */
#define READ_MAX    ((size_t)65536)   /* bytes read before they are looked at */
#define LOOK_MS     20000

static bool send_all(struct lg_ws *w, const void *p, size_t n)
{
    while (n) {
        size_t sent = 0;
        CURLcode rc = curl_easy_send(w->k.h, p, n, &sent);
        struct pollfd f = {w->fd, POLLOUT, 0};
        if (rc == CURLE_AGAIN)
            poll(&f, 1, LOOK_MS);
        else if (rc)
            return false;
        p = (const char *)p + sent;
        n -= sent;
    }
    return true;
}

/* A client's frames are masked. */
bool lg_ws_send(struct lg_ws *w, enum lg_ws_op op, const void *p, size_t n)
{
    unsigned char frame[8 + LG_WS_OUT_MAX], *at = frame;
    if (n > LG_WS_OUT_MAX)
        return false;
    *at++ = (unsigned char)(0x80 | op);
    if (n < 126) {
        *at++ = (unsigned char)(0x80 | n);
    } else {
        *at++ = 0x80 | 126;
        *at++ = (unsigned char)(n >> 8);
        *at++ = (unsigned char)n;
    }
    unsigned char *mask = at;
    randombytes_buf(mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++)
        at[i] = ((const unsigned char *)p)[i] ^ mask[i & 3];
    return send_all(w, frame, (size_t)(at - frame) + n);
}

/* ---- opening ---- */

static bool send_request(struct lg_ws *w, const char *path)
{
    lg_cleanup_buf struct lg_buf b = {.max = 16384};
    unsigned char key[16];
    char key64[32];
    const char *host = strstr(w->k.url, "://");
    host = host ? host + 3 : w->k.url;
    randombytes_buf(key, sizeof key);
    sodium_bin2base64(key64, sizeof key64, key, sizeof key, sodium_base64_VARIANT_ORIGINAL);
    lg_buf_fmt(&b, "GET %s%s HTTP/1.1\r\nHost: %.*s\r\n", strncmp(path, "/api/", 5) ? "/api/v1" : "", path,
               (int)strcspn(host, "/"), host);
    lg_buf_fmt(&b, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    lg_buf_fmt(&b, "Sec-WebSocket-Key: %s\r\n", key64);
    for (const struct curl_slist *h = w->k.headers; h; h = h->next)
        lg_buf_fmt(&b, "%s\r\n", h->data);
    lg_buf_str(&b, "\r\n");
    bool sent = !b.failed && send_all(w, b.data, b.len);
    if (b.data)
        explicit_bzero(b.data, b.len); /* it holds the token */
    return sent;
}

/* More bytes into w->in; false when the connection has ended. */
static bool read_some(struct lg_ws *w)
{
    char bytes[16384];
    size_t n = 0;
    CURLcode rc = curl_easy_recv(w->k.h, bytes, sizeof bytes, &n);
    if (rc == CURLE_AGAIN)
        return true;
    if (rc || !n)
        return false;
    lg_buf_add(&w->in, bytes, n);
    return !w->in.failed;
}

static int refused(struct lg_ws *w, long status, size_t head)
{
    struct lg_err e = {0};
    json_t *body = NULL;
    for (int i = 0; i < 50 && !body; i++) { /* what is left of it is small */
        struct pollfd f = {w->fd, POLLIN, 0};
        body = json_loadb(w->in.data + head, w->in.len - head, JSON_DISABLE_EOF_CHECK, NULL);
        if (!body && (poll(&f, 1, 100) < 0 || !read_some(w)))
            break;
    }
    lg_client_refused(status, body, &e);
    json_decref(body);
    return lg_say(lg_exit_of(e.code), "%s", e.msg);
}

static int read_head(struct lg_ws *w)
{
    for (;;) {
        struct pollfd f = {w->fd, POLLIN, 0};
        char *end = w->in.len ? memmem(w->in.data, w->in.len, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t head = (size_t)(end - w->in.data) + 4;
            long status = w->in.len > 12 ? strtol(w->in.data + 9, NULL, 10) : 0;
            if (status != 101)
                return refused(w, status, head);
            lg_buf_drop(&w->in, head);
            return 0;
        }
        if (poll(&f, 1, LOOK_MS) <= 0 || !read_some(w))
            return lg_say(LG_EXIT_UNREACHABLE, "the server does not answer");
    }
}

int lg_ws_open(struct lg_ws *w, const struct lg_client *k, const char *path)
{
    struct lg_err e = {0};
    curl_socket_t fd = CURL_SOCKET_BAD;
    *w = (struct lg_ws){.k = *k, .fd = -1, .in = {.max = MESSAGE_MAX + READ_MAX + 16384}};
    CURL *h = w->k.h = curl_easy_init();
    if (!h)
        return lg_say(LG_EXIT_FAILED, "out of memory");
    signal(SIGPIPE, SIG_IGN);
    lg_client_begin(&w->k, path);
    curl_easy_setopt(h, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_SSL_ENABLE_ALPN, 0L);
    CURLcode rc = curl_easy_perform(h);
    if (!rc)
        rc = curl_easy_getinfo(h, CURLINFO_ACTIVESOCKET, &fd);
    if (rc || fd == CURL_SOCKET_BAD) {
        int code = lg_client_unreachable(&w->k, rc, &e);
        return lg_say(code, "%s", e.msg);
    }
    w->fd = fd;
    if (!send_request(w, path))
        return lg_say(LG_EXIT_UNREACHABLE, "the server does not take the request");
    return read_head(w);
}

void lg_ws_done(struct lg_ws *w)
{
    if (w->k.h)
        curl_easy_cleanup(w->k.h);
    w->k.h = NULL;
    lg_buf_done(&w->in);
}

/* ---- messages ---- */

bool lg_ws_receive(struct lg_ws *w)
{
    size_t before;
    bool open;
    do { /* TLS may hold more than the socket shows */
        before = w->in.len;
        open = read_some(w);
    } while (open && w->in.len > before && w->in.len < READ_MAX);
    return open;
}

/* The head of a frame: how long it and the payload are. 0: not all of it is here, or it is nothing that the
 * server sends (*n is above all bounds then). */
static size_t frame_head(const struct lg_buf *in, size_t *n)
{
    const unsigned char *p = (const unsigned char *)in->data;
    *n = 0;
    if (in->len < 2)
        return 0;
    size_t bytes = (p[1] & 0x7f) == 126 ? 2 : (p[1] & 0x7f) == 127 ? 8 : 0;
    if (p[1] & 0x80) {
        *n = SIZE_MAX;
        return 0;
    }
    if (in->len < 2 + bytes)
        return 0;
    *n = bytes ? 0 : p[1];
    for (size_t i = 0; i < bytes; i++)
        *n = *n << 8 | p[2 + i];
    return 2 + bytes;
}

static void closed(struct lg_ws *w, const unsigned char *p, size_t n)
{
    w->code = n >= 2 ? p[0] << 8 | p[1] : 1005;
    snprintf(w->reason, sizeof w->reason, "%.*s", n > 2 ? (int)n - 2 : 0, (const char *)p + 2);
    lg_ws_send(w, LG_WS_OP_CLOSE, p, n >= 2 ? 2 : 0);
}

bool lg_ws_take(struct lg_ws *w, bool (*fn)(void *arg, enum lg_ws_op op, const char *p, size_t n), void *arg)
{
    size_t head, n;
    while ((head = frame_head(&w->in, &n)) && n <= MESSAGE_MAX && w->in.len >= head + n) {
        enum lg_ws_op op = (enum lg_ws_op)(w->in.data[0] & 15);
        const char *p = w->in.data + head;
        bool more = true;
        if (op == LG_WS_OP_CLOSE) {
            closed(w, (const unsigned char *)p, n);
            return false;
        }
        if (op == LG_WS_OP_PING)
            lg_ws_send(w, LG_WS_OP_PONG, p, n);
        else
            more = fn(arg, op, p, n);
        if (!more)
            return false;
        lg_buf_drop(&w->in, head + n);
    }
    return n <= MESSAGE_MAX;
}
