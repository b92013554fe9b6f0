/* Tenants, and their members. */
#include <string.h>

#include "api/page.h"
#include "api/routes.h"
#include "api/tenants.h"
#include "api/users.h"
#include "http/body.h"
#include "http/etag.h"
#include "model/net.h"
#include "model/validate.h"
#include "store/code_network.h"
#include "store/tenant.h"
#include "store/user.h"

struct render {
    struct lg_json *j;
    const struct lg_req *q;
};

static void render_tenant(void *arg, const struct lg_tenant *t)
{
    const struct render *x = arg;
    struct lg_net net;
    bool known = !lg_net_of(x->q->app->conf.subnet_pool, lg_db_site(x->q->db), t->net_index, &net, NULL);
    lg_json_obj(x->j, NULL);
    lg_json_str(x->j, "id", t->id);
    lg_json_str(x->j, "slug", t->slug);
    lg_json_str(x->j, "name", t->name);
    lg_json_str(x->j, "role", *t->role ? t->role : NULL);
    lg_json_time(x->j, "createdAt", t->created_at);
    lg_json_obj(x->j, "network");
    lg_json_str(x->j, "subnet", known ? net.subnet : NULL);
    lg_json_str(x->j, "gateway", known ? net.gateway : NULL);
    lg_json_end_obj(x->j);
    lg_json_bool(x->j, "codeNetwork", t->code_network);
    lg_json_end_obj(x->j);
}

static void add_tenant(void *arg, const struct lg_tenant *t)
{
    struct lg_list *l = arg;
    if (lg_page_take(&l->p, t->since, t->slug))
        render_tenant(&(struct render){&l->j, l->q}, t);
}

static int list_tenants(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    struct lg_page *p = &l.p;
    int rc = lg_list_begin(&l, q, r, "tenants", e);
    if (rc)
        return rc;
    const struct lg_tenant_key after = {p->key_n, p->key_s};
    rc = lg_tenant_each(q->db, q->who.user_id, q->who.admin, p->keyed ? &after : NULL, p->size + 1, p->offset,
                        &p->total, add_tenant, &l, e);
    return lg_list_end(&l, rc);
}

/* As the caller sees it. */
static int answer(struct lg_req *q, struct lg_resp *r, int status, const struct lg_tenant *t)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    render_tenant(&(struct render){&j, q}, t);
    lg_resp_etag(q, r, LG_NO_VERSION);
    return 0;
}

static int check_match(struct lg_req *q, const struct lg_tenant *t, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_json j;
    lg_json_init(&j, &b);
    render_tenant(&(struct render){&j, q}, t);
    return lg_if_match_bytes(q, b.data, b.len, e);
}

static int get_tenant(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_tenant t;
    int rc = lg_tenant_of_path(q, false, &t, e);
    return rc ? rc : answer(q, r, 200, &t);
}

struct tenant_body {
    const char *slug, *name;
};
static const struct lg_field tenant_fields[] = {
    {.name = "slug", .type = LG_T_STRING, .required = true, .offset = offsetof(struct tenant_body, slug)},
    {.name = "name", .type = LG_T_STRING, .offset = offsetof(struct tenant_body, name)},
    {.name = NULL},
};

static int create_tenant(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *body;
    struct tenant_body b = {0};
    struct lg_tenant t = {.role = "owner"};
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, tenant_fields, true, "", &b, e);
    if (!rc)
        rc = lg_check_name("slug", b.slug, e);
    if (!rc && b.name)
        rc = lg_check_title("name", b.name, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (rc)
        return rc;
    snprintf(t.slug, sizeof t.slug, "%s", b.slug);
    snprintf(t.name, sizeof t.name, "%s", b.name ? b.name : b.slug);
    lg_act_for_host(q);
    rc = lg_tenant_add(q->db, &t, e);
    if (!rc) /* its first owner, who can make others */
        rc = lg_member_put(q->db, t.id, q->who.user_id, "owner", e);
    if (!rc)
        rc = lg_req_commit(q, t.id, t.slug, e);
    return rc ? rc : answer(q, r, 201, &t);
}

struct change_body {
    const char *name;
    struct lg_opt_bool code_network;
};
static const struct lg_field change_fields[] = {
    {.name = "name", .type = LG_T_STRING, .offset = offsetof(struct change_body, name)},
    {.name = "codeNetwork", .type = LG_T_BOOL, .offset = offsetof(struct change_body, code_network)},
    {.name = NULL},
};

static int read_change(struct lg_req *q, struct change_body *b, struct lg_err *e)
{
    json_t *body;
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, change_fields, true, "", b, e);
    if (!rc && b->name)
        rc = lg_check_title("name", b->name, e);
    if (!rc && b->code_network.set && !q->who.admin)
        return lg_fail(e, LG_FORBIDDEN, "only administrators say whether a tenant's code has a network");
    if (rc || b->name || b->code_network.set)
        return rc;
    lg_fail(e, LG_INVALID, "name or codeNetwork is missing");
    return lg_err_detail(e, "field", "name");
}

static int apply_change(struct lg_req *q, const struct change_body *b, struct lg_tenant *t, struct lg_err *e)
{
    int rc = b->name ? lg_tenant_rename(q->db, t, b->name, e) : 0;
    if (rc || !b->code_network.set)
        return rc;
    t->code_network = b->code_network.v;
    return lg_code_network_set(q->db, t->id, t->code_network, e);
}

static int change_tenant(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct change_body b = {0};
    struct lg_tenant t;
    char said[160];
    int rc = read_change(q, &b, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_tenant_of_path(q, true, &t, e);
    if (!rc)
        rc = check_match(q, &t, e);
    if (!rc)
        rc = apply_change(q, &b, &t, e);
    snprintf(said, sizeof said, "%s%s", rc ? "" : t.name,
             b.code_network.set ? b.code_network.v ? ": code has the network" : ": code has no network" : "");
    if (!rc)
        rc = lg_req_commit(q, t.id, said, e);
    return rc ? rc : answer(q, r, 200, &t);
}

static int delete_tenant(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_tenant t;
    int rc = lg_req_begin(q, e);
    if (rc)
        return rc;
    rc = lg_tenant_of_path(q, true, &t, e);
    if (!rc)
        rc = check_match(q, &t, e);
    lg_act_for_host(q);
    if (!rc)
        rc = lg_tenant_remove(q->db, &t, e);
    if (!rc)
        rc = lg_req_commit(q, t.id, t.slug, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

int lg_tenant_of_path(struct lg_req *q, bool change, struct lg_tenant *t, struct lg_err *e)
{
    struct lg_member m = {0};
    int rc = lg_tenant_get(q->db, q->param[0], t, e);
    int member = rc ? rc : lg_member_get(q->db, t->id, q->who.user_id, &m, e);
    if (member < 0)
        return member;
    bool bound = *q->who.token_id && strcmp(q->who.tenant_id, t->id) != 0;
    if (!q->who.admin && (!member || bound))
        return lg_fail(e, LG_NOT_FOUND, "there is no such tenant");
    snprintf(t->role, sizeof t->role, "%s", member ? m.role : "owner"); /* an admin may what owners may */
    bool owner = q->who.admin || !strcmp(m.role, "owner");
    if (change && !owner)
        return lg_fail(e, LG_FORBIDDEN, "only owners of the tenant may do this");
    memcpy(q->who.tenant_id, t->id, sizeof q->who.tenant_id);
    memcpy(q->who.tenant_slug, t->slug, sizeof q->who.tenant_slug);
    return 0;
}

struct member_list {
    struct lg_json j;
    int64_t count;
};

static void add_member(void *arg, const struct lg_member *m)
{
    struct member_list *l = arg;
    lg_json_obj(&l->j, NULL);
    lg_json_str(&l->j, "user", m->user_id);
    lg_json_str(&l->j, "username", m->username);
    lg_json_str(&l->j, "role", m->role);
    lg_json_time(&l->j, "since", m->since);
    lg_json_end_obj(&l->j);
    l->count++;
}

static int answer_members(struct lg_req *q, struct lg_resp *r, int status, const struct lg_tenant *t,
                          struct lg_err *e)
{
    struct member_list l = {.count = 0};
    lg_resp_json(r, status, &l.j);
    lg_json_arr(&l.j, "members");
    int rc = lg_member_each(q->db, t->id, add_member, &l, e);
    lg_json_end_arr(&l.j);
    lg_json_int(&l.j, "total", l.count);
    lg_json_end_obj(&l.j);
    return rc < 0 ? rc : 0;
}

static int list_members(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_tenant t;
    int rc = lg_tenant_of_path(q, false, &t, e);
    return rc ? rc : answer_members(q, r, 200, &t, e);
}

struct member_body {
    const char *username, *role;
};
static const struct lg_field member_fields[] = {
    {.name = "username",
     .type = LG_T_STRING,
     .required = true,
     .offset = offsetof(struct member_body, username)},
    {.name = "role", .type = LG_T_STRING, .required = true, .offset = offsetof(struct member_body, role)},
    {.name = NULL},
};

static int read_member(struct lg_req *q, struct member_body *b, struct lg_err *e)
{
    json_t *body;
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, member_fields, true, "", b, e);
    if (rc)
        return rc;
    if (!strcmp(b->role, "member") || !strcmp(b->role, "owner"))
        return 0;
    return lg_invalid(e, "role", "must be member or owner");
}

static int find_user(struct lg_req *q, const char *username, struct lg_user *u, struct lg_err *e)
{
    int rc = lg_user_by_name(q->db, username, u, e);
    if (rc)
        return rc < 0 ? rc : 0;
    lg_fail(e, LG_NOT_FOUND, "there is no user of that name; an administrator makes users");
    return lg_err_detail(e, "field", "username");
}

static int put_member(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct member_body b = {0};
    struct lg_tenant t;
    struct lg_user u;
    struct lg_member was;
    char said[160];
    int rc = read_member(q, &b, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_tenant_of_path(q, true, &t, e);
    if (!rc)
        rc = find_user(q, b.username, &u, e);
    int known = rc ? rc : lg_member_get(q->db, t.id, u.id, &was, e);
    rc = known < 0 ? known : lg_member_put(q->db, t.id, u.id, b.role, e);
    if (rc)
        return rc;
    snprintf(said, sizeof said, "%s is %s of %s", u.username, b.role, t.slug);
    rc = lg_req_commit(q, u.id, said, e);
    return rc ? rc : answer_members(q, r, known ? 200 : 201, &t, e);
}

/* An owner removes anybody, a member itself. */
static int remove_member(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_tenant t;
    bool self = !strcmp(q->param[1], q->who.user_id);
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_tenant_of_path(q, !self, &t, e);
    if (!rc)
        rc = lg_member_remove(q->db, t.id, q->param[1], e);
    if (!rc)
        rc = lg_req_commit(q, q->param[1], NULL, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

const struct lg_route lg_routes_tenants[] = {
    {.method = "GET",
     .pattern = "/api/v1/tenants",
     .perm = LG_PERM_USER,
     .handler = list_tenants,
     .doc = "One's own tenants; to admins all"},
    {.method = "POST",
     .pattern = "/api/v1/tenants",
     .perm = LG_PERM_ADMIN,
     .action = "tenant.create",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(tenant_fields),
     .handler = create_tenant,
     .doc = "Create a tenant with a network of its own"},
    {.method = "GET",
     .pattern = "/api/v1/tenants/:id",
     .perm = LG_PERM_USER,
     .handler = get_tenant,
     .doc = "One tenant"},
    {.method = "PUT",
     .pattern = "/api/v1/tenants/:id",
     .perm = LG_PERM_USER,
     .action = "tenant.update",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(change_fields),
     .handler = change_tenant,
     .doc = "Give a tenant another name for people; admins: whether its code is on its network"},
    {.method = "DELETE",
     .pattern = "/api/v1/tenants/:id",
     .perm = LG_PERM_ADMIN,
     .action = "tenant.delete",
     .handler = delete_tenant,
     .doc = "Delete an empty tenant"},
    {.method = "GET",
     .pattern = "/api/v1/tenants/:id/members",
     .perm = LG_PERM_USER,
     .handler = list_members,
     .doc = "Who may act in a tenant"},
    {.method = "POST",
     .pattern = "/api/v1/tenants/:id/members",
     .perm = LG_PERM_USER,
     .action = "member.put",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(member_fields),
     .handler = put_member,
     .doc = "Add a member, or change its role"},
    {.method = "DELETE",
     .pattern = "/api/v1/tenants/:id/members/:user",
     .perm = LG_PERM_USER,
     .action = "member.remove",
     .handler = remove_member,
     .doc = "End a membership: the user's tokens of that tenant are revoked"},
    {.method = NULL},
};
