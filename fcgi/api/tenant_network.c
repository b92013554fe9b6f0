/* The tenant dialect's network service: a view over the same networks. */
#include <string.h>

#include "api/networks.h"
#include "http/auth.h"
#include "http/body.h"

#define LIST_MAX 1000

static void render(struct lg_json *j, const struct lg_network *n)
{
    lg_json_obj(j, NULL);
    lg_json_str(j, "id", n->id);
    lg_json_str(j, "name", n->name);
    lg_json_str(j, "tenantId", n->tenant_slug);
    lg_json_str(j, "cidr", n->cidr);
    lg_json_str(j, "status", "active");
    lg_json_int(j, "createdAt", n->created_at / 1000);
    lg_json_int(j, "updatedAt", n->updated_at / 1000);
    lg_json_obj(j, "metadata");
    lg_json_end_obj(j);
    lg_json_end_obj(j);
}

/* This dialect tells a foreign one from one that does not exist. */
static int find(struct lg_req *q, struct lg_network *n, struct lg_err *e)
{
    int rc = lg_network_get(q->db, q->param[0], n, e);
    if (rc == -(int)LG_NOT_FOUND)
        return lg_fail(e, LG_NOT_FOUND, "Network not found");
    return rc || !strcmp(n->tenant_id, q->who.tenant_id) ? rc : lg_fail(e, LG_FORBIDDEN, "Access denied");
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_network n;
    struct lg_json j;
    int rc = find(q, &n, e);
    if (rc)
        return rc;
    lg_json_init(&j, &r->body);
    render(&j, &n);
    return 0;
}

static void add_one(void *arg, const struct lg_network *n)
{
    render(arg, n);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_arr(&j, "networks");
    int rc = lg_network_each(q->db, q->who.tenant_id, (int64_t)0, "", LIST_MAX, 0, NULL, add_one, &j, e);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    return rc < 0 ? rc : 0;
}

struct body {
    const char *name, *cidr;
};

static const struct lg_field fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "cidr", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, cidr)},
    {0}};

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_network n;
    struct lg_json j;
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, fields, false, "", &b, e)) ||
        (rc = lg_network_fill(q, &n, b.name, b.cidr, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = lg_gateway_tenant(q, e)) || (rc = lg_network_ask_create(q, &n, e)))
        return rc;
    r->status = 201;
    lg_json_init(&j, &r->body);
    render(&j, &n);
    return lg_req_commit(q, n.id, n.name, e);
}

static int delete (struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_network n;
    int rc = lg_req_begin(q, e);
    if (rc || (rc = find(q, &n, e)) || (rc = lg_network_remove(q->db, &n, e)) ||
        (rc = lg_req_commit(q, n.id, n.name, e)))
        return rc;
    lg_resp_empty(r, 204);
    return 0;
}

#define BASE "/api/v1/network/networks"

const struct lg_route lg_routes_tenant_network[] = {
    {.method = "GET",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .handler = list,
     .doc = "Tenant dialect: all networks of the tenant"},
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .action = "network.create",
     .body_max = LG_BODY_SMALL,
     .handler = create,
     .doc = "Tenant dialect: {name, cidr}"},
    {.method = "GET",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .handler = get_one,
     .doc = "Tenant dialect: one network"},
    {.method = "DELETE",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .action = "network.delete",
     .body_max = LG_BODY_SMALL,
     .handler = delete,
     .doc = "Tenant dialect: deletes it unless it is in use; 204"},
    {.method = NULL}};
