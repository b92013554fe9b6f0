/* Users, for admins. */
#include "api/users.h"

#include <string.h>

#include "api/page.h"
#include "api/routes.h"
#include "http/body.h"
#include "http/etag.h"
#include "model/validate.h"
#include "store/user.h"

void lg_act_for_host(struct lg_req *q)
{
    q->who.tenant_id[0] = q->who.tenant_slug[0] = 0;
}

struct user_body {
    const char *username, *password, *role;
    struct lg_opt_bool disabled;
};
#define FIELD(n, t, req, m)                                                                                  \
    {                                                                                                        \
        .name = n, .type = t, .required = req, .max = 1024, .offset = offsetof(struct user_body, m)          \
    }
static const struct lg_field create_fields[] = {
    FIELD("username", LG_T_STRING, true, username),
    FIELD("password", LG_T_TEXT, true, password),
    FIELD("role", LG_T_STRING, false, role),
    {.name = NULL},
};
static const struct lg_field update_fields[] = {
    FIELD("password", LG_T_TEXT, false, password),
    FIELD("role", LG_T_STRING, false, role),
    FIELD("disabled", LG_T_BOOL, false, disabled),
    {.name = NULL},
};

const struct lg_body lg_user_create_body[] = {{.where = "", .fields = create_fields}, {.where = NULL}};
const struct lg_body lg_user_update_body[] = {{.where = "", .fields = update_fields}, {.where = NULL}};

static int check_role(const char *role, struct lg_err *e)
{
    if (!role || !strcmp(role, "user") || !strcmp(role, "admin"))
        return 0;
    return lg_invalid(e, "role", "must be user or admin");
}

static int read_body(struct lg_req *q, const struct lg_field *fields, struct user_body *b, struct lg_err *e)
{
    json_t *body;
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, fields, true, "", b, e);
    if (!rc && b->username)
        rc = lg_check_username("username", b->username, e);
    if (!rc && b->password)
        rc = lg_check_password("password", b->password, e);
    return rc ? rc : check_role(b->role, e);
}

static int answer(const struct lg_req *q, struct lg_resp *r, int status, const struct lg_user *u)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    lg_user_render(&j, NULL, u);
    lg_resp_etag(q, r, LG_NO_VERSION);
    return 0;
}

static int check_match(const struct lg_req *q, const struct lg_user *u, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_json j;
    lg_json_init(&j, &b);
    lg_user_render(&j, NULL, u);
    return lg_if_match_bytes(q, b.data, b.len, e);
}

static int get_user(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_user u;
    int rc = lg_user_get(q->db, q->param[0], &u, e);
    return rc ? rc : answer(q, r, 200, &u);
}

int lg_user_create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct user_body b = {0};
    struct lg_user u = {0};
    int rc = read_body(q, create_fields, &b, e);
    if (!rc)
        rc = lg_password_hash(b.password, u.password_hash, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (rc)
        return rc;
    snprintf(u.username, sizeof u.username, "%s", b.username);
    u.admin = b.role && !strcmp(b.role, "admin");
    lg_act_for_host(q);
    rc = lg_user_add(q->db, &u, e);
    if (!rc)
        rc = lg_req_commit(q, u.id, u.username, e);
    return rc ? rc : answer(q, r, 201, &u);
}

/* One sentence for the audit record. */
static void describe(const struct lg_user *was, const struct lg_user *u, bool password, char out[160])
{
    snprintf(out, 160, "%s:%s%s%s", u->username, password ? " password set" : "",
             was->admin == u->admin ? ""
             : u->admin             ? " made admin"
                                    : " no admin any more",
             was->disabled == u->disabled ? ""
             : u->disabled                ? " disabled"
                                          : " enabled");
}

static int apply(struct lg_req *q, const struct user_body *b, const char *hash, struct lg_user *u,
                 struct lg_err *e)
{
    char said[160];
    int rc = lg_user_get(q->db, q->param[0], u, e);
    if (!rc)
        rc = check_match(q, u, e);
    if (rc)
        return rc;
    struct lg_user was = *u;
    u->admin = b->role ? !strcmp(b->role, "admin") : u->admin;
    u->disabled = b->disabled.set ? b->disabled.v : u->disabled;
    bool self = !strcmp(u->id, q->who.user_id);
    if (b->password)
        rc = lg_user_set_password(q->db, u->id, hash, self ? q->who.session_id : "", e);
    if (!rc)
        rc = lg_user_set(q->db, u, e);
    if (rc)
        return rc;
    describe(&was, u, b->password, said);
    return lg_req_commit(q, u->id, said, e);
}

int lg_user_update(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct user_body b = {0};
    struct lg_user u;
    char hash[LG_PWHASH_LEN] = "";
    int rc = read_body(q, update_fields, &b, e);
    if (!rc)
        rc = lg_user_get(q->db, q->param[0], &u, e); /* before the costly hash */
    if (!rc && b.password)
        rc = lg_password_hash(b.password, hash, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (rc)
        return rc;
    lg_act_for_host(q);
    rc = apply(q, &b, hash, &u, e);
    return rc ? rc : answer(q, r, 200, &u);
}

static void add_user(void *arg, const struct lg_user *u)
{
    struct lg_list *l = arg;
    if (lg_page_take(&l->p, 0, u->username))
        lg_user_render(&l->j, NULL, u);
}

static int list_users(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    struct lg_page *p = &l.p;
    int rc = lg_list_begin(&l, q, r, "users", e);
    if (rc)
        return rc;
    rc = lg_user_each(q->db, p->key_s, p->size + 1, p->offset, &p->total, add_user, &l, e);
    return lg_list_end(&l, rc);
}

static int delete_user(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_user u;
    int rc = lg_req_begin(q, e);
    if (rc)
        return rc;
    lg_act_for_host(q);
    rc = lg_user_get(q->db, q->param[0], &u, e);
    if (!rc)
        rc = check_match(q, &u, e);
    if (!rc)
        rc = lg_user_remove(q->db, &u, e);
    if (!rc)
        rc = lg_req_commit(q, u.id, u.username, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

const struct lg_route lg_routes_users[] = {
    {.method = "GET",
     .pattern = "/api/v1/users",
     .perm = LG_PERM_ADMIN,
     .handler = list_users,
     .doc = "All users"},
    {.method = "GET",
     .pattern = "/api/v1/users/:id",
     .perm = LG_PERM_ADMIN,
     .handler = get_user,
     .doc = "One user"},
    {.method = "DELETE",
     .pattern = "/api/v1/users/:id",
     .perm = LG_PERM_ADMIN,
     .action = "user.delete",
     .handler = delete_user,
     .doc = "Delete a user with its sessions, tokens and memberships; instances stay with their tenants"},
    {.method = NULL},
};
