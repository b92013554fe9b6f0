#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/compute.h"
#include "api/event_kinds.h"
#include "store/event.h"

#define KINDS_MAX 200
#define BATCH     500 /* rows looked at between two looks at the page's size */

struct wish {
    const char *kinds, *tenant; /* tenant NULL: all, an admin's */
    int64_t after;              /* -1: nothing said */
};

static int bad_query(struct lg_err *e, const char *name, const char *why)
{
    lg_fail(e, LG_INVALID, "%s %s", name, why);
    return lg_err_detail(e, "field", "%s", name);
}

int lg_req_event_position(const struct lg_req *q, int64_t *after, struct lg_err *e)
{
    const char *last = lg_req_header(q, "HTTP_LAST_EVENT_ID");
    if (!last || !*last)
        return lg_req_query_int(q, "since", 0, INT64_MAX, -1, after, e);
    char *end;
    errno = 0;
    *after = strtoll(last, &end, 10);
    return errno || *end || *after < 0 ? bad_query(e, "Last-Event-ID", "must be the id of an event") : 0;
}

static int parse(const struct lg_req *q, struct wish *w, struct lg_err *e)
{
    const char *scope = lg_req_query(q, "scope", "");
    w->kinds = lg_req_query(q, "kinds", "");
    w->tenant = q->who.tenant_id;
    if (strlen(w->kinds) > KINDS_MAX || strspn(w->kinds, "abcdefghijklmnopqrstuvwxyz._,") != strlen(w->kinds))
        return bad_query(e, "kinds", "must be kinds such as instance,operation");
    if (*scope && strcmp(scope, "all") && strcmp(scope, "tenant"))
        return bad_query(e, "scope", "must be all or tenant");
    if (!strcmp(scope, "all")) {
        if (!q->who.admin)
            return lg_fail(e, LG_FORBIDDEN, "only administrators may see the events of all tenants");
        w->tenant = NULL;
    }
    return lg_req_event_position(q, &w->after, e);
}

/* Everything after `after` must still be there, and `after` must be of this history. */
static int check_kept(struct lg_db *db, int64_t after, struct lg_err *e)
{
    int64_t last, oldest;
    int rc = lg_event_bounds(db, &last, &oldest, e);
    if (rc || (after <= last && (oldest ? after + 1 >= oldest : after == last)))
        return rc;
    lg_fail(e, LG_GONE,
            "events after %lld are not kept any more; read the present state and go on from there",
            (long long)after);
    lg_err_detail(e, "oldest", "%lld", (long long)oldest);
    return lg_err_detail(e, "last", "%lld", (long long)last);
}

struct page {
    struct lg_json j;
    const char *kinds;
    int64_t seen, size, shown;
};

static void add_one(void *arg, const struct lg_event *ev)
{
    struct page *p = arg;
    if (p->shown == p->size)
        return;
    p->seen = ev->id;
    if (!lg_kind_wanted(p->kinds, ev->kind))
        return;
    lg_event_render(&p->j, NULL, ev);
    p->shown++;
}

static int json_page(struct lg_req *q, struct lg_resp *r, const struct wish *w, struct lg_err *e)
{
    int64_t page, size;
    int rc = lg_req_page(q, &page, &size, e);
    if (rc || (rc = lg_tx_read(q->db, e)))
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    if (w->after >= 0 && (rc = check_kept(db, w->after, e)))
        return rc;
    struct page p = {.kinds = w->kinds, .seen = w->after > 0 ? w->after : 0, .size = size};
    lg_resp_json(r, 200, &p.j);
    lg_json_arr(&p.j, "events");
    do
        rc = lg_event_each(db, p.seen, w->tenant, BATCH, add_one, &p, e);
    while (rc == BATCH && p.shown < size);
    if (rc < 0)
        return rc;
    lg_json_end_arr(&p.j);
    lg_json_int(&p.j, "next", p.seen);
    lg_json_end_obj(&p.j);
    return 0;
}

static int events(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct wish w;
    struct lg_handoff h = {.k = "events"};
    int rc = parse(q, &w, e);
    if (!rc)
        rc = lg_handoff_proto(q, &h.proto, e);
    if (rc)
        return rc;
    if (!strcmp(h.proto, "text"))
        return json_page(q, r, &w, e);
    h.after = w.after;
    h.scope = w.tenant ? w.tenant : "*";
    h.kinds = w.kinds;
    return lg_handoff(q, r, &h, e);
}

const struct lg_route lg_routes_events[] = {
    {.method = "GET",
     .pattern = "/api/v1/events",
     .perm = LG_PERM_MEMBER,
     .handler = events,
     .doc = "What happened: SSE, WebSocket or a page of JSON; since, kinds, scope"},
    {.method = NULL}};
