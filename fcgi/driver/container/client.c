#include "driver/container/client.h"

#include <ctype.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "driver/calls.h"
#include "driver/container/quirks.h"

#define API_VERSION "/v1.41"

struct state { /* of one call at work */
    const struct lg_call *call;
    struct lg_engine *g;
    struct lg_buf *reply;
    int64_t last; /* of progress, monotonic ms */
    int64_t head_us;
    bool head, stopped, source_failed;
};

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct state *s = arg;
    long status = 0;
    n *= size;
    s->last = lg_clock_mono();
    curl_easy_getinfo(s->g->easy, CURLINFO_RESPONSE_CODE, &status);
    if (s->call->sink && status < 400) {
        s->stopped = s->call->sink(s->call->sink_arg, p, n) != 0;
        return s->stopped ? 0 : n;
    }
    lg_buf_add(s->reply, p, n);
    return s->reply->failed ? 0 : n;
}

static size_t on_head(char *p, size_t size, size_t n, void *arg)
{
    struct state *s = arg;
    s->last = lg_clock_mono();
    s->head = size * n <= 2; /* the empty line */
    if (s->head)
        s->head_us = lg_clock_mono_us();
    lg_quirk_header(s->g, p, size * n);
    return size * n;
}

static size_t on_source(char *p, size_t size, size_t n, void *arg)
{
    struct state *s = arg;
    s->last = lg_clock_mono();
    ssize_t got = s->call->source(s->call->source_arg, p, size * n);
    s->source_failed = got < 0;
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static struct curl_slist *headers(const struct lg_call *c)
{
    char reference[96];
    struct curl_slist *h = curl_slist_append(NULL, "Expect:"); /* saves a second per upload */
    /* Podman's own log shows it beside each call; Docker does not mind. */
    snprintf(reference, sizeof reference, "X-Reference-Id: %s", lg_log_request_id());
    if (*lg_log_request_id())
        h = curl_slist_append(h, reference);
    if (c->source) {
        h = curl_slist_append(
            h, "Content-Type: application/x-tar"); /* without it Podman loses the body silently */
        return curl_slist_append(h, "Transfer-Encoding: chunked");
    }
    return c->body ? curl_slist_append(h, "Content-Type: application/json") : h;
}

static void set_up(struct state *s, const char *url, struct curl_slist *h)
{
    CURL *c = s->g->easy;
    const struct lg_call *call = s->call;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, s->g->socket);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
    if (call->source) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_source);
        curl_easy_setopt(c, CURLOPT_READDATA, s);
    } else if (!strcmp(call->method, "POST")) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body ? call->body : "");
    } else if (strcmp(call->method, "GET") != 0) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

static bool hung_up(int fd)
{
    struct pollfd p = {fd, POLLRDHUP, 0};
    return fd > 0 && poll(&p, 1, 0) > 0 && p.revents;
}

/* Why the call must end now: an error, or 0 to go on. */
static int must_end(struct state *s, struct lg_err *e)
{
    int64_t patience = s->call->patience_ms > 0 ? s->call->patience_ms : s->g->ctx.conf->engine_timeout_ms;
    if (lg_engine_cancelled(s->g))
        return lg_fail(e, LG_CANCELLED, "cancelled while the container engine was at work");
    if (s->call->patience_ms < 0 && s->head)
        return 0;
    if (lg_clock_mono() - s->last > patience)
        return lg_fail(e, LG_TIMEOUT, "the container engine did not answer within %lld ms",
                       (long long)patience);
    return 0;
}

static int transport_error(struct state *s, CURLcode cc, struct lg_err *e)
{
    if (s->source_failed)
        return lg_fail(e, LG_INVALID, "the image file cannot be read as a tar archive");
    if (s->reply->failed)
        return lg_fail(e, LG_BACKEND, "the container engine's answer is too large");
    if (cc == CURLE_COULDNT_CONNECT)
        return lg_fail(e, LG_UNAVAILABLE, "the container engine does not answer at %s", s->g->socket);
    return lg_fail(e, LG_UNAVAILABLE, "the container engine broke off: %s", curl_easy_strerror(cc));
}

/* Runs the transfer; 0 when there is a status, or a negative code. */
static int run(struct state *s, struct lg_err *e)
{
    CURLM *m = s->g->multi;
    int running = 1, left;
    while (running) {
        if (curl_multi_perform(m, &running))
            return lg_fail(e, LG_INTERNAL, "libcurl failed");
        if (!running)
            break;
        int rc = must_end(s, e);
        if (rc)
            return rc;
        if (hung_up(s->call->hangup_fd)) {
            s->stopped = true;
            return 0;
        }
        struct curl_waitfd w = {s->call->hangup_fd, CURL_WAIT_POLLIN, 0};
        curl_multi_poll(m, &w, s->call->hangup_fd > 0, 100, NULL);
    }
    CURLMsg *msg = curl_multi_info_read(m, &left);
    if (msg && msg->data.result && !s->stopped)
        return transport_error(s, msg->data.result, e);
    return 0;
}

/* What streams (a log, a pull) has answered with its head: how long it goes on is not the engine's doing. */
static void count(const struct state *s, int64_t begun_us, int result)
{
    char name[64];
    int64_t end = s->call->sink && s->head_us ? s->head_us : lg_clock_mono_us();
    lg_calls_name(s->call->method, s->call->path, name, sizeof name);
    lg_calls_add("docker", name, end - begun_us, result);
}

int lg_call(struct lg_engine *g, const struct lg_call *c, struct lg_buf *reply, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf url = {0}, unused = {0};
    struct state s = {.call = c, .g = g, .reply = reply ? reply : &unused, .last = lg_clock_mono()};
    long status = 0;
    if (lg_engine_cancelled(g))
        return lg_fail(e, LG_CANCELLED, "cancelled before the container engine was asked");
    lg_buf_reset(s.reply);
    lg_buf_fmt(&url, "http://engine%s%s", c->path[0] == '/' && c->path[1] == 'v' ? "" : API_VERSION, c->path);
    int64_t begun_us = lg_clock_mono_us();
    struct curl_slist *h = headers(c);
    set_up(&s, lg_buf_cstr(&url), h);
    curl_multi_add_handle(g->multi, g->easy);
    int rc = run(&s, e);
    if (!rc)
        curl_easy_getinfo(g->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(g->multi, g->easy);
    curl_slist_free_all(h);
    count(&s, begun_us, rc ? rc : (int)status);
    if (rc)
        return rc;
    return status > 0 || s.stopped ? (int)(status ? status : 200)
                                   : lg_fail(e, LG_UNAVAILABLE, "the container engine gave no answer");
}

int lg_callf(struct lg_engine *g, struct lg_buf *reply, struct lg_err *e, const char *method,
             const char *body, const char *path, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, path);
    int n = vsnprintf(text, sizeof text, path, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text)
        return lg_fail(e, LG_INVALID, "a name is too long for the container engine");
    struct lg_call c = {.method = method, .path = text, .body = body};
    return lg_call(g, &c, reply, e);
}

/* The engine's sentence, one line, without the quoting around it. */
static void sentence(const struct lg_buf *reply, char *out, size_t cap)
{
    lg_cleanup_json json_t *o = json_loadb(lg_buf_cstr(reply), reply->len, 0, NULL);
    const char *m = lg_json_text(o, "message");
    snprintf(out, cap, "%s", *m ? m : lg_buf_cstr(reply));
    for (char *p = out; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    for (size_t n = strlen(out); n && out[n - 1] == ' ';)
        out[--n] = 0;
}

int lg_call_fail(int status, const struct lg_buf *reply, const char *what, struct lg_err *e)
{
    char text[400];
    sentence(reply, text, sizeof text);
    enum lg_code code = status == 404 ? LG_NOT_FOUND : status == 409 ? LG_CONFLICT : LG_BACKEND;
    return lg_fail(e, code, "%s: %s", what, *text ? text : "the container engine refused without a reason");
}

json_t *lg_call_json(const struct lg_buf *reply, struct lg_err *e)
{
    json_t *o = json_loadb(lg_buf_cstr(reply), reply->len, JSON_ALLOW_NUL, NULL);
    if (!o)
        lg_fail(e, LG_BACKEND, "the container engine's answer is not JSON");
    return o;
}

void lg_url_escape(struct lg_buf *b, const char *s, const char *keep)
{
    for (; *s; s++)
        if (isalnum((unsigned char)*s) || strchr("-._~", *s) || strchr(keep, *s))
            lg_buf_char(b, *s);
        else
            lg_buf_fmt(b, "%%%02X", (unsigned char)*s);
}

int64_t lg_member_int(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_real(v) ? (int64_t)json_real_value(v) : json_integer_value(v);
}
