/*
 * The pool's memory: what code brings along, what it has said and nobody has fetched yet. Runs are few enough
 * to be added up when the question comes.
 */
#include <string.h>

#include "sandbox/pool.h"

/* What a tenant has up to this is not kept out by what others have; of more, this part of the room is left
 * while the host is short of memory. */
#define LITTLE         ((size_t)1 << 20)
#define PRESSURE_SHARE 8

struct held {
    size_t own, all; /* bytes, of one tenant and of everybody */
};

static size_t of_step(const struct lg_task_step *s)
{
    return s->out.cap + s->err.cap;
}

static size_t of_run(const struct lg_task *r)
{
    size_t on_its_way = r->box && !r->session ? r->box->out.cap : 0;
    return r->blob.cap + r->in.cap + r->out.cap + r->mixed.cap + of_step(&r->compile) + of_step(&r->step) +
           on_its_way;
}

static size_t of_session(const struct lg_repl *s)
{
    return s->said.cap + (s->box ? s->box->out.cap : 0);
}

static void count(struct held *h, bool own, size_t n)
{
    h->all += n;
    h->own += own ? n : 0;
}

static struct held held(const struct lg_pool_state *p, const char *tenant, bool waiting_too)
{
    struct held h = {0};
    const struct lg_task *r;
    const struct lg_repl *s;
    TAILQ_FOREACH(r, &p->runs, all)
    if (waiting_too || r->state != LG_TASK_WAITING)
        count(&h, !strcmp(r->tenant, tenant), of_run(r));
    TAILQ_FOREACH(s, &p->sessions, link)
    count(&h, !strcmp(s->tenant, tenant), of_session(s));
    return h;
}

static size_t room(long mib, size_t share)
{
    return ((size_t)mib << 20) / share;
}

int lg_room_for(const struct lg_pool_state *p, const char *tenant, size_t n, struct lg_err *e)
{
    const struct lg_conf *c = p->runner->conf;
    const struct held h = held(p, tenant, true);
    bool little = h.own + n <= LITTLE;
    size_t share = p->pressure && n > LITTLE ? PRESSURE_SHARE : 1;
    bool own_full = h.own && h.own + n > room(c->sandbox_tenant_room_mib, share);
    bool all_full = h.all && h.all + n > room(c->sandbox_room_mib, share);
    if (!own_full && (!all_full || little))
        return 0;
    lg_fail(e, LG_RATE,
            "code that waits and answers that nobody has fetched yet take up too much memory; try again");
    return lg_err_detail(e, "retryAfter", "%d", lg_task_retry_after(p));
}

bool lg_room_to_begin(const struct lg_pool_state *p, const char *tenant)
{
    const struct lg_conf *c = p->runner->conf;
    const struct held h = held(p, tenant, false);
    return h.own <= room(c->sandbox_tenant_room_mib, 1) &&
           (h.own <= LITTLE || h.all <= room(c->sandbox_room_mib, 1));
}
