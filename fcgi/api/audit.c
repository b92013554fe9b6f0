/* The audit record, for reading. */
#include "store/audit.h"

#include "api/page.h"
#include "api/routes.h"

static void add_line(void *arg, const struct lg_audit_line *a)
{
    lg_audit_render(arg, NULL, a);
}

/* Admins see the whole host's, owners their tenant's. */
static int list_audit(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_page p;
    struct lg_json j;
    int rc = q->who.owner ? lg_page_of(q, &p, e)
                          : lg_fail(e, LG_FORBIDDEN, "only owners of the tenant may do this");
    if (rc)
        return rc;
    lg_resp_json(r, 200, &j);
    lg_json_arr(&j, "audit");
    rc = lg_audit_each(q->db, q->who.admin ? NULL : q->who.tenant_id, lg_req_query(q, "q", ""), p.size,
                       p.offset, &p.total, add_line, &j, e);
    lg_page_end(&j, &p);
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
