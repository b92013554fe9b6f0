/* The audit record, for reading. */
#include "store/audit.h"

#include "api/page.h"
#include "api/routes.h"

static void add_line(void *arg, const struct lg_audit_line *a)
{
    struct lg_list *l = arg;
    if (lg_page_take(&l->p, a->id, ""))
        lg_audit_render(&l->j, NULL, a);
}

/* Admins see the whole host's, owners their tenant's. */
static int list_audit(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    const struct lg_page *p = &l.p;
    int rc = q->who.owner ? lg_list_begin(&l, q, r, "audit", e)
                          : lg_fail(e, LG_FORBIDDEN, "only owners of the tenant may do this");
    if (rc)
        return rc;
    rc = lg_audit_each(q->db, q->who.admin ? NULL : q->who.tenant_id, lg_req_query(q, "q", ""),
                       p->keyed ? p->key_n : INT64_MAX, p->size + 1, p->offset, &l.p.total, add_line, &l, e);
    return lg_list_end(&l, rc);
}

const struct lg_route lg_routes_audit[] = {
    {.method = "GET",
     .pattern = "/api/v1/audit",
     .perm = LG_PERM_USER,
     .handler = list_audit,
     .doc = "Who changed what: the tenant's for its owners, all for admins"},
    {.method = NULL},
};
