/* Whole answers and heads, in HTTP and in each protocol's way of saying "this ends". */
#include <string.h>

#include "base/json.h"
#include "stream/client.h"

static const struct phrase {
    int status;
    const char *text, *extra;
} phrases[] = {
    {200, "OK", ""},
    {400, "Bad Request", ""},
    {401, "Unauthorized", ""},
    {403, "Forbidden", ""},
    {404, "Not Found", ""},
    {405, "Method Not Allowed", ""},
    {409, "Conflict", ""},
    {410, "Gone", ""},
    {412, "Precondition Failed", ""},
    {413, "Content Too Large", ""},
    {415, "Unsupported Media Type", ""},
    {426, "Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"},
    {429, "Too Many Requests", ""},
    {500, "Internal Server Error", ""},
    {502, "Bad Gateway", ""},
    {503, "Service Unavailable", "Retry-After: 5\r\n"},
    {504, "Gateway Timeout", ""},
};

static const struct phrase *phrase_of(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return &phrases[i];
    return phrase_of(500);
}

/* `retry`: value of Retry-After where the status does not imply one; NULL none. */
static void answer(struct lg_client *c, int status, const char *type, const struct lg_buf *body,
                   const char *retry)
{
    lg_cleanup_buf struct lg_buf b = {.max = body->len + 65536};
    const struct phrase *p = phrase_of(status);
    lg_buf_fmt(&b, "HTTP/1.1 %d %s\r\n%s", status, p->text, p->extra);
    if (retry)
        lg_buf_fmt(&b, "Retry-After: %s\r\n", retry);
    lg_buf_fmt(&b, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body->len);
    lg_buf_str(&b, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
    lg_buf_add(&b, body->data, body->len);
    lg_client_send_buf(c, &b);
    lg_client_finish(c);
}

static void fail_with(struct lg_client *c, int status, const struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf body = {.max = 8192};
    lg_json_error(&body, e);
    const char *retry = NULL;
    for (int i = 0; i < e->details; i++)
        if (status == 429 && !strcmp(e->detail[i].key, "retryAfter"))
            retry = e->detail[i].value;
    answer(c, status, "application/json", &body, retry);
}

void lg_client_fail(struct lg_client *c, const struct lg_err *e)
{
    fail_with(c, lg_code_http(e->code), e);
}

void lg_client_answer(struct lg_client *c, int status, const struct lg_buf *json)
{
    if (json->failed)
        lg_client_drop(c);
    else
        answer(c, status, "application/json", json, NULL);
}

void lg_client_health(struct lg_client *c)
{
    const struct lg_server *s = c->server;
    lg_cleanup_buf struct lg_buf body = {.max = 1024};
    struct lg_json j;
    lg_json_init(&j, &body);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "status", "ok");
    lg_json_int(&j, "clients", (int64_t)s->streams);
    lg_json_int(&j, "waits", (int64_t)s->waits);
    lg_json_bool(&j, "feeder", s->feed.ready);
    lg_json_end_obj(&j);
    answer(c, 200, "application/json", &body, NULL);
}

void lg_client_render(struct lg_client *c)
{
    lg_cleanup_buf struct lg_buf b = {.max = 65536};
    lg_buf_str(&b, "HTTP/1.1 200 OK\r\nX-Accel-Redirect: @render\r\nX-Lodge-Context: ");
    lg_buf_str(&b, c->handoff);
    lg_buf_str(&b, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    lg_client_send_buf(c, &b);
    lg_client_finish(c);
}

void lg_client_head(struct lg_client *c)
{
    lg_cleanup_buf struct lg_buf b = {.max = 4096};
    if (c->context.proto == LG_PROTO_WS) {
        lg_buf_fmt(&b,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: %s\r\n\r\n",
                   c->ws_accept);
    } else {
        lg_buf_fmt(&b, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s",
                   c->context.proto == LG_PROTO_SSE ? "text/event-stream" : "text/plain; charset=utf-8",
                   c->context.proto == LG_PROTO_TEXT ? "Transfer-Encoding: chunked\r\n" : "");
        lg_buf_str(&b,
                   "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n"
                   "Connection: close\r\n\r\n");
    }
    lg_client_send_buf(c, &b);
}

bool lg_client_handshake(struct lg_client *c, const struct lg_head *h)
{
    struct lg_err e = {0};
    if (!lg_slice_is(h->method, "GET") || h->minor < 1 || !lg_slice_has_token(h->upgrade, "websocket") ||
        !lg_slice_has_token(h->connection, "upgrade") || !lg_slice_is(h->ws_version, "13")) {
        lg_fail(&e, LG_INVALID, "this address speaks WebSocket, version 13");
        fail_with(c, 426, &e);
        return false;
    }
    if (!lg_ws_accept(h->ws_key.p ? h->ws_key.p : "", h->ws_key.n, c->ws_accept)) {
        lg_fail(&e, LG_INVALID, "Sec-WebSocket-Key is not the base64 of 16 bytes");
        lg_client_fail(c, &e);
        return false;
    }
    return true;
}

void lg_client_revoke(struct lg_client *c)
{
    struct lg_err e = {0};
    if (c->state != LG_CLIENT_OPEN)
        return;
    if (!c->opened) {
        lg_fail(&e, LG_UNAUTHENTICATED, "the credential was revoked");
        lg_client_fail(c, &e);
    } else if (c->context.proto == LG_PROTO_WS) {
        lg_client_ws_close(c, LG_WS_REVOKED, "revoked");
    } else {
        lg_client_finish(c);
    }
}
