#include "stream/events.h"

#include <string.h>

#include "base/json.h"
#include "model/dialect.h"
#include "stream/client.h"
#include "stream/sse.h"

enum {
    PAGES_AT_ONCE = 16,     /* clients that the feeder pages at the same time */
    HEAD_PATIENCE_MS = 5000 /* how long SSE withholds its 200 while a 410 is still possible */
};

bool lg_kinds_match(const char *kinds, const char *kind)
{
    if (!*kinds)
        return true;
    while (*kinds) {
        size_t n = strcspn(kinds, ",");
        if (n && !strncmp(kinds, kind, n) && (!kind[n] || kind[n] == '.'))
            return true;
        kinds += n + (kinds[n] == ',');
    }
    return false;
}

bool lg_events_mine(const struct lg_client *c, const struct lg_event *ev)
{
    const struct lg_context *x = &c->context;
    bool all = !strcmp(x->scope, "*");
    bool ours = !strcmp(ev->tenant, "*") || (*ev->tenant && !strcmp(x->scope, ev->tenant));
    if (!all && (ev->admin || !ours))
        return false;
    if (*x->subject && strcmp(x->subject, ev->subject))
        return false;
    return lg_kinds_match(x->kinds, ev->kind);
}

void lg_event_render(struct lg_event *ev, const char *data, size_t n)
{
    ev->ws.max = ev->sse.max = (size_t)32 << 20;
    lg_ws_frame(&ev->ws, LG_WS_TEXT, data, n);
    lg_sse_event(&ev->sse, ev->id, ev->kind, data, n);
}

/* NULL: no such state. */
static const char *cloud_word(const char *state)
{
    int s = lg_state_of(state);
    return s < 0 ? NULL : lg_dialect_status(LG_DIALECT_CLOUD, (enum lg_state)s);
}

/* The status that is news to a client of that dialect, NULL when there is none. */
static const char *cloud_news(const char *kind, const json_t *change)
{
    const char *now = cloud_word(lg_json_text(change, "state")),
               *before = cloud_word(lg_json_text(change, "previous"));
    if (!strcmp(kind, "instance.deleted"))
        return "deleted";
    if (!strcmp(kind, "instance.created"))
        return now;
    return !strcmp(kind, "instance.state") && now && before && strcmp(now, before) ? now : NULL;
}

void lg_event_render_cloud(struct lg_event *ev, const json_t *data)
{
    lg_cleanup_buf struct lg_buf b = {.max = 1024};
    struct lg_json j;
    const char *status = cloud_news(ev->kind, json_object_get(data, "data"));
    if (!status)
        return;
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "type", "container_status");
    lg_json_obj(&j, "data");
    lg_json_str(&j, "container_id", lg_json_text(json_object_get(data, "subject"), "id"));
    lg_json_str(&j, "status", status);
    lg_json_end_obj(&j);
    lg_json_end_obj(&j);
    lg_ws_frame(&ev->cloud, LG_WS_TEXT, lg_buf_cstr(&b), b.len);
}

void lg_event_done(struct lg_event *ev)
{
    lg_buf_done(&ev->cloud);
    lg_buf_done(&ev->ws);
    lg_buf_done(&ev->sse);
}

static bool speaks_cloud(const struct lg_client *c)
{
    return !strcmp(c->context.format, "cloud");
}

/* A message of ours, outside the sequence of events. */
static void say(struct lg_client *c, const char *type, const char *field, int64_t value, int64_t id)
{
    lg_cleanup_buf struct lg_buf data = {.max = 512};
    lg_cleanup_buf struct lg_buf b = {.max = 1024};
    struct lg_json j;
    lg_json_init(&j, &data);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "type", type);
    lg_json_int(&j, field, value);
    lg_json_end_obj(&j);
    if (c->context.proto == LG_PROTO_WS)
        lg_ws_frame(&b, LG_WS_TEXT, data.data, data.len);
    else
        lg_sse_event(&b, id, type, data.data, data.len);
    lg_client_send_buf(c, &b);
}

static void go_live(struct lg_client *c)
{
    struct lg_events *ev = &c->u.events;
    lg_client_open(c);
    ev->state = LG_EVENTS_LIVE;
    ev->missed = ev->again = -1;
    if (!ev->ready_sent && !speaks_cloud(c)) {
        ev->ready_sent = true;
        say(c, "ready", "last", lg_events_position(c), lg_events_position(c));
    }
}

static void want_page(struct lg_client *c)
{
    c->u.events.state = LG_EVENTS_WANT;
    TAILQ_INSERT_TAIL(&c->server->resuming, c, resume_link);
}

static void start(struct lg_client *c)
{
    struct lg_events *ev = &c->u.events;
    const struct lg_feed *f = &c->server->feed;
    *ev = (struct lg_events){.state = LG_EVENTS_HELLO, .last = c->context.after, .missed = -1, .again = -1};
    if (ev->last < 0)
        ev->last = -1;
    if (c->context.proto == LG_PROTO_WS || ev->last < 0)
        lg_client_open(c);
    else
        lg_client_timer(c, HEAD_PATIENCE_MS);
    if (speaks_cloud(c))
        want_page(c); /* its first page brings the whole state */
    else if (f->ready && (ev->last < 0 || ev->last == f->last)) {
        ev->last = f->last;
        go_live(c);
    } else if (ev->last >= 0) {
        want_page(c);
    }
}

int64_t lg_events_position(const struct lg_client *c)
{
    const struct lg_events *ev = &c->u.events;
    int64_t seen = c->server->feed.last;
    return ev->state == LG_EVENTS_LIVE && seen > ev->last ? seen : ev->last;
}

static bool send_event(struct lg_client *c, const struct lg_event *ev)
{
    c->u.events.last = ev->id;
    if (speaks_cloud(c))
        return !ev->cloud.len || lg_client_send_buf(c, &ev->cloud);
    return lg_client_send_buf(c, c->context.proto == LG_PROTO_WS ? &ev->ws : &ev->sse);
}

void lg_events_push(struct lg_server *s, const struct lg_event *event)
{
    struct lg_client *c;
    TAILQ_FOREACH(c, &s->clients, all)
    {
        if (c->state != LG_CLIENT_OPEN || c->ops != &lg_events_ops || !lg_events_mine(c, event))
            continue;
        struct lg_events *ev = &c->u.events;
        if (event->id <= ev->last)
            continue;
        if (ev->state == LG_EVENTS_LIVE)
            send_event(c, event);
        else
            ev->missed = event->id;
    }
}

void lg_events_feeder_came(struct lg_server *s)
{
    struct lg_client *c;
    TAILQ_FOREACH(c, &s->clients, all)
    {
        if (c->state != LG_CLIENT_OPEN || c->ops != &lg_events_ops || c->u.events.state != LG_EVENTS_HELLO)
            continue;
        c->u.events.last = s->feed.last;
        go_live(c);
    }
}

void lg_events_feeder_left(struct lg_server *s)
{
    struct lg_client *c;
    TAILQ_FOREACH(c, &s->clients, all)
    {
        if (c->state != LG_CLIENT_OPEN || c->ops != &lg_events_ops)
            continue;
        struct lg_events *ev = &c->u.events;
        if (ev->state == LG_EVENTS_LIVE)
            ev->last = lg_events_position(c);
        if (ev->state == LG_EVENTS_LIVE || ev->state == LG_EVENTS_ASKED)
            want_page(c);
    }
}

void lg_events_pump(struct lg_server *s)
{
    struct lg_client *c;
    while (s->feed.ready && s->feed.pages < PAGES_AT_ONCE && (c = TAILQ_FIRST(&s->resuming))) {
        TAILQ_REMOVE(&s->resuming, c, resume_link);
        c->u.events.state = LG_EVENTS_ASKED;
        if (c->state == LG_CLIENT_OPEN)
            lg_feed_ask_resume(c);
    }
}

bool lg_events_page(struct lg_client *c, const struct lg_event *event)
{
    struct lg_events *ev = &c->u.events;
    if (event->id <= ev->last || !lg_events_mine(c, event))
        return true;
    if (lg_client_pending(c) > lg_client_cap(c) / 2)
        lg_client_write(c);
    if (c->state != LG_CLIENT_OPEN || lg_client_pending(c) > lg_client_cap(c) / 2)
        return false;
    lg_client_open(c);
    return send_event(c, event);
}

void lg_events_first(struct lg_client *c, const char *message, size_t n)
{
    lg_cleanup_buf struct lg_buf b = {.max = (size_t)32 << 20};
    lg_ws_frame(&b, LG_WS_TEXT, message, n);
    lg_client_send_buf(c, &b);
}

void lg_events_page_end(struct lg_client *c, bool cut, bool more, int64_t next)
{
    struct lg_events *ev = &c->u.events;
    if (c->state != LG_CLIENT_OPEN)
        return;
    if (ev->last < 0)
        ev->last = next; /* the whole state, as of `next` */
    if (!cut && !more && ev->missed > ev->last && ev->missed != ev->again) {
        /* Pushed past us but not in the page: look once more before believing that it is not for us. */
        ev->again = ev->missed;
        want_page(c);
        return;
    }
    if (!cut && next > ev->last)
        ev->last = next;
    /* What was cut off is thrown away and fetched again, once there is room. */
    if (cut || lg_client_pending(c) > lg_client_cap(c) / 2)
        ev->state = LG_EVENTS_DRAIN;
    else if (more)
        want_page(c);
    else
        go_live(c);
}

void lg_events_gone(struct lg_client *c, int64_t oldest)
{
    if (!c->opened) {
        struct lg_err e = {0};
        lg_fail(&e, LG_GONE, "the events after %lld are no longer kept", (long long)c->context.after);
        lg_err_detail(&e, "oldest", "%lld", (long long)oldest);
        lg_client_fail(c, &e);
        return;
    }
    if (!speaks_cloud(c))
        say(c, "gone", "oldest", oldest, -1);
    if (c->context.proto == LG_PROTO_WS)
        lg_client_ws_close(c, LG_WS_GONE, "gone");
    else
        lg_client_finish(c);
}

static void drained(struct lg_client *c)
{
    if (c->u.events.state == LG_EVENTS_DRAIN)
        want_page(c);
}

static void end(struct lg_client *c)
{
    if (c->u.events.state == LG_EVENTS_WANT)
        TAILQ_REMOVE(&c->server->resuming, c, resume_link);
    c->u.events.state = LG_EVENTS_LIVE;
}

const struct lg_client_ops lg_events_ops = {
    .start = start,
    .drained = drained,
    .timeout = lg_client_open,
    .goodbye = lg_client_finish,
    .end = end,
};
