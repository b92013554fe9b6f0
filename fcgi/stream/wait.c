#include "stream/wait.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "stream/client.h"

static size_t bucket_of(const char *op)
{
    return lg_name_hash(op) % LG_OP_BUCKETS;
}

static void park(struct lg_client *c)
{
    struct lg_client **head = &c->server->ops[bucket_of(c->context.op)];
    c->u.wait = (struct lg_wait){.next = *head, .parked = true};
    if (*head)
        (*head)->u.wait.prev = c;
    *head = c;
    c->server->waits++;
}

static void unpark(struct lg_client *c)
{
    struct lg_wait *w = &c->u.wait;
    if (!w->parked)
        return;
    if (w->prev)
        w->prev->u.wait.next = w->next;
    else
        c->server->ops[bucket_of(c->context.op)] = w->next;
    if (w->next)
        w->next->u.wait.prev = w->prev;
    *w = (struct lg_wait){0};
    c->server->waits--;
}

static void complete(struct lg_client *c)
{
    unpark(c);
    lg_feed_forget(c);
    lg_client_render(c);
}

static void start(struct lg_client *c)
{
    int64_t left = c->context.until - lg_clock_ms();
    park(c);
    if (left <= 0) {
        complete(c);
        return;
    }
    lg_client_timer(c, left);
    /* Parked first, asked second: whichever of "done" and the answer comes first ends the wait. */
    if (c->server->feed.ready)
        lg_feed_ask_op(c);
}

void lg_waits_done(struct lg_server *s, const char *op)
{
    struct lg_client *next;
    for (struct lg_client *c = s->ops[bucket_of(op)]; c; c = next) {
        next = c->u.wait.next;
        if (!strcmp(c->context.op, op))
            complete(c);
    }
}

void lg_waits_ask_all(struct lg_server *s)
{
    for (size_t i = 0; i < LG_OP_BUCKETS; i++)
        for (struct lg_client *c = s->ops[i]; c; c = c->u.wait.next)
            if (!c->req)
                lg_feed_ask_op(c);
}

void lg_wait_answered(struct lg_client *c, bool done)
{
    if (done)
        complete(c);
}

const struct lg_client_ops lg_wait_ops = {
    .start = start,
    .timeout = complete,
    .goodbye = complete, /* @render shows the operation as it is */
    .end = unpark,
};
