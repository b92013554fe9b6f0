/* The audit record, for reading. */
#include "store/audit.h"

#include "api/page.h"
#include "api/routes.h"

struct list {
    struct lg_json j;
    struct lg_page p;
};

static void add_line(void *arg, const struct lg_audit_line *a)
{
    struct list *l = arg;
    if (lg_page_take(&l->p, a->id, ""))
        lg_audit_render(&l->j, NULL, a);
}

/* Admins see the whole host's, owners their tenant's. */
static int list_audit(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct list l;
    struct lg_page *p = &l.p;
    int rc = q->who.owner ? lg_page_of(q, p, e)
                          : lg_fail(e, LG_FORBIDDEN, "only owners of the tenant may do this");
    if (rc)
        return rc;
    lg_resp_json(r, 200, &l.j);
    lg_json_arr(&l.j, "audit");
    rc = lg_audit_each(q->db, q->who.admin ? NULL : q->who.tenant_id, lg_req_query(q, "q", ""),
                       p->keyed ? p->key_n : INT64_MAX, p->size + 1, p->offset, &p->total, add_line, &l, e);
    lg_page_end(&l.j, p);
    return rc < 0 ? rc : 0;
}

const struct lg_route lg_routes_audit[] = {
    {.method = "GET",
     .pattern = "/api/v1/audit",
     .perm = LG_PERM_USER,
     .handler = list_audit,
     .doc = "Who changed what: the tenant's for its owners, all for admins"},
    {.method = NULL},
};
