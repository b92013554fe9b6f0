/* What lasts: event streams over reconnects, and plain output copied through. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/client.h"

#define LINE_MAX_BYTES ((size_t)4 << 20)
#define SILENCE_S      90 /* the server says something every 25 s */

struct stream {
    struct lg_cli *c;
    struct lg_follow *f;
    struct lg_buf pending; /* bytes of a line that has not ended, or the body of a refusal */
    struct lg_buf event, data, id;
    bool opened, ended; /* the server accepted; fn had enough */
    int64_t clock_ahead_ms;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* An empty line ends an event. */
static void dispatch(struct stream *s)
{
    struct lg_sse e = {lg_buf_cstr(&s->id), lg_buf_cstr(&s->event), lg_buf_cstr(&s->data)};
    if ((s->data.len || s->event.len) && !s->f->fn(s->f->arg, &e))
        s->ended = true;
    lg_buf_reset(&s->event);
    lg_buf_reset(&s->data);
}

static void take_line(struct stream *s, const char *line, size_t n)
{
    static const char *const names[] = {"id", "event", "data"};
    struct lg_buf *const to[] = {&s->id, &s->event, &s->data};
    if (!n) {
        dispatch(s);
        return;
    }
    const char *colon = memchr(line, ':', n);
    size_t name = colon ? (size_t)(colon - line) : n;
    const char *value = line + name + (colon ? 1 : 0);
    size_t len = n - (size_t)(value - line);
    if (len && *value == ' ')
        value++, len--;
    for (size_t i = 0; i < 3; i++)
        if (strlen(names[i]) == name && !strncmp(names[i], line, name)) {
            if (i < 2)
                lg_buf_reset(to[i]);
            else if (s->data.len)
                lg_buf_char(&s->data, '\n');
            lg_buf_add(to[i], value, len);
        }
}

static size_t take_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct stream *s = arg;
    lg_buf_add(&s->pending, p, size * n);
    char *end;
    while (s->opened && !s->ended && s->pending.len &&
           (end = memchr(s->pending.data, '\n', s->pending.len))) {
        size_t len = (size_t)(end - s->pending.data);
        take_line(s, s->pending.data, len && end[-1] == '\r' ? len - 1 : len);
        lg_buf_drop(&s->pending, len + 1);
    }
    return s->ended || s->pending.failed || s->data.failed ? 0 : size * n;
}

/* The status line opens the stream; Date: tells how the clocks differ. */
static size_t take_header(char *p, size_t size, size_t n, void *arg)
{
    struct stream *s = arg;
    size_t len = size * n;
    long status = 0;
    if (len > 9 && !strncmp(p, "HTTP/", 5)) {
        curl_easy_getinfo(s->c->client->h, CURLINFO_RESPONSE_CODE, &status);
        s->opened = status == 200;
    } else if (len > 6 && !strncasecmp(p, "date:", 5)) {
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)(len - 5 > 60 ? 60 : len - 5), p + 5);
        time_t server = curl_getdate(text, NULL);
        s->clock_ahead_ms = server < 0 ? 0 : (int64_t)server * 1000 - now_ms();
    } else if (len <= 2 && s->opened && s->f->connected) {
        s->f->connected(s->f->arg, s->clock_ahead_ms);
    }
    return len;
}

/* One connection, to its end. 0 and *again when another should be tried. */
static int connect_once(struct stream *s, bool *again, struct lg_err *e)
{
    struct lg_client *k = s->c->client;
    char path[LG_PATH_LEN];
    lg_client_begin(k, s->f->path_now(s->f->arg, path));
    struct curl_slist accept = {.data = (char[]){"Accept: text/event-stream"}, .next = k->headers};
    curl_easy_setopt(k->h, CURLOPT_HTTPHEADER, &accept);
    curl_easy_setopt(k->h, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(k->h, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(k->h, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(k->h, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(k->h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(k->h, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
    lg_buf_reset(&s->pending);
    lg_buf_reset(&s->event);
    lg_buf_reset(&s->data);
    s->opened = false;
    CURLcode rc = curl_easy_perform(k->h);
    s->f->status = 0;
    curl_easy_getinfo(k->h, CURLINFO_RESPONSE_CODE, &s->f->status);
    if (s->ended)
        return 0;
    *again = s->opened || rc || s->f->status >= 500 || s->f->status == 429;
    if (rc)
        return lg_client_unreachable(k, rc, e);
    if (s->opened)
        return 0;
    json_t *body = s->pending.len ? json_loadb(s->pending.data, s->pending.len, 0, NULL) : NULL;
    lg_client_refused(s->f->status, body, e);
    json_decref(body);
    return lg_exit_of(e->code);
}

static int run(struct stream *s)
{
    static const long waits_ms[] = {100, 250, 500, 1000, 2000, 5000};
    size_t tries = 0;
    bool worked = false, told = false;
    for (;;) {
        struct lg_err e = {0};
        bool again = false;
        int rc = connect_once(s, &again, &e);
        if (s->ended)
            return 0;
        worked |= s->opened;
        if (!worked || !again)
            return rc ? lg_say(rc, "%s", e.msg) : 0;
        tries = s->opened ? 0 : tries + (tries + 1 < sizeof waits_ms / sizeof waits_ms[0]);
        if (!s->opened && !told)
            lg_say(0, "the connection is lost; trying again (%s)", e.msg);
        told = !s->opened;
        fflush(stdout);
        nanosleep(&(struct timespec){waits_ms[tries] / 1000, waits_ms[tries] % 1000 * 1000000}, NULL);
    }
}

int lg_follow(struct lg_cli *c, struct lg_follow *f)
{
    struct stream s = {.c = c,
                       .f = f,
                       .pending.max = LINE_MAX_BYTES,
                       .event.max = 256,
                       .data.max = LINE_MAX_BYTES,
                       .id.max = 256};
    int rc = lg_client_open(c);
    if (!rc)
        rc = run(&s);
    lg_buf_done(&s.pending);
    lg_buf_done(&s.event);
    lg_buf_done(&s.data);
    lg_buf_done(&s.id);
    return rc;
}

struct copy {
    struct lg_cli *c;
    struct lg_buf refusal;
    long status;
};

static size_t copy_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct copy *x = arg;
    curl_easy_getinfo(x->c->client->h, CURLINFO_RESPONSE_CODE, &x->status);
    if (x->status == 200)
        return fwrite(p, size, n, stdout);
    lg_buf_add(&x->refusal, p, size * n);
    return size * n;
}

int lg_copy(struct lg_cli *c, const char *path)
{
    struct copy x = {.c = c, .refusal.max = 65536};
    struct lg_err e = {0};
    int rc = lg_client_open(c);
    if (rc)
        return rc;
    struct lg_client *k = c->client;
    lg_client_begin(k, path);
    curl_easy_setopt(k->h, CURLOPT_WRITEFUNCTION, copy_bytes);
    curl_easy_setopt(k->h, CURLOPT_WRITEDATA, &x);
    CURLcode got = curl_easy_perform(k->h);
    curl_easy_getinfo(k->h, CURLINFO_RESPONSE_CODE, &x.status);
    if (got) {
        rc = lg_client_unreachable(k, got, &e);
    } else if (x.status != 200) {
        json_t *body = x.refusal.len ? json_loadb(x.refusal.data, x.refusal.len, 0, NULL) : NULL;
        lg_client_refused(x.status, body, &e);
        json_decref(body);
        rc = lg_exit_of(e.code);
    }
    lg_buf_done(&x.refusal);
    return rc ? lg_say(rc, "%s", e.msg) : 0;
}
