/* Sign-in, sign-out and what the dashboard knows about its user. */
#include <string.h>

#include "api/routes.h"
#include "api/signin.h"
#include "api/users.h"
#include "base/version.h"
#include "http/auth.h"
#include "http/body.h"
#include "model/validate.h"
#include "store/event.h"
#include "store/session.h"
#include "store/tenant.h"

#define TENANTS_SHOWN 1000 /* more than anybody chooses from a menu */

static void set_cookie(struct lg_resp *r, const char *value, int64_t max_age_s)
{
    char line[256];
    snprintf(line, sizeof line, LG_COOKIE "=%s; Path=/; Max-Age=%lld; Secure; HttpOnly; SameSite=Lax", value,
             (long long)max_age_s);
    lg_resp_header(r, "Set-Cookie", line);
}

static void render_user(struct lg_json *j, const struct lg_identity *who)
{
    lg_json_obj(j, "user");
    lg_json_str(j, "id", who->user_id);
    lg_json_str(j, "username", who->username);
    lg_json_str(j, "role", who->admin ? "admin" : "user");
    lg_json_end_obj(j);
}

struct credentials {
    const char *username, *password;
};
static const struct lg_field credential_fields[] = {
    {.name = "username",
     .type = LG_T_TEXT,
     .required = true,
     .max = 256,
     .offset = offsetof(struct credentials, username)},
    {.name = "password",
     .type = LG_T_TEXT,
     .required = true,
     .max = 1024,
     .offset = offsetof(struct credentials, password)},
    {.name = NULL},
};

/* While the password was being hashed the user may have been disabled, deleted or given another one. */
static int still_good(struct lg_req *q, const struct lg_user *proved, struct lg_err *e)
{
    struct lg_user now;
    int known = lg_user_by_name(q->db, proved->username, &now, e);
    if (known < 0)
        return known;
    if (known && !now.disabled && !strcmp(now.id, proved->id) &&
        !strcmp(now.password_hash, proved->password_hash))
        return 0;
    return lg_fail(e, LG_UNAUTHENTICATED, "wrong user name or password");
}

/* A session is always a new one, whatever the browser sent: the old one of the same browser ends. */
static int open_session(struct lg_req *q, const struct lg_user *u, char token[LG_TOKEN_LEN], int64_t life_ms,
                        struct lg_err *e)
{
    uint8_t digest[LG_DIGEST_BYTES];
    char id[LG_ID_LEN];
    lg_token_new(token);
    lg_digest(&q->app->token_key, token, strlen(token), digest);
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = still_good(q, u, e);
    if (!rc && q->signed_in && *q->who.session_id)
        rc = lg_session_end(q->db, q->who.session_id, q->who.user_id, e);
    if (!rc)
        rc = lg_sign_in_good(q->db, u->username, e);
    if (!rc)
        rc = lg_session_add(q->db, u->id, digest, q->address, life_ms, id, e);
    if (rc)
        return rc;
    memset(&q->who, 0, sizeof q->who);
    memcpy(q->who.user_id, u->id, sizeof q->who.user_id);
    memcpy(q->who.username, u->username, sizeof q->who.username);
    q->who.admin = u->admin;
    q->signed_in = true;
    return lg_req_commit(q, id, NULL, e);
}

static int sign_in(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *body;
    struct credentials c = {0};
    struct lg_user u;
    char token[LG_TOKEN_LEN];
    int64_t life_s = q->app->conf.session_hours * 3600;
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, credential_fields, true, "", &c, e);
    if (!rc && !lg_same_origin(q))
        rc = lg_fail(e, LG_FORBIDDEN, "the request comes from another site");
    if (!rc)
        rc = lg_prove_password(q, c.username, c.password, &u, e);
    if (!rc)
        rc = open_session(q, &u, token, life_s * 1000, e);
    if (rc)
        return rc;
    set_cookie(r, token, life_s);
    explicit_bzero(token, sizeof token);
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    render_user(&j, &q->who);
    lg_json_end_obj(&j);
    return 0;
}

static void render_tenant(void *arg, const struct lg_tenant *t)
{
    struct lg_json *j = arg;
    lg_json_obj(j, NULL);
    lg_json_str(j, "id", t->id);
    lg_json_str(j, "slug", t->slug);
    lg_json_str(j, "name", t->name);
    lg_json_str(j, "role", t->role);
    lg_json_end_obj(j);
}

static int get_session(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    int64_t last = 0, oldest = 0;
    struct lg_json j;
    int rc = lg_event_bounds(q->db, &last, &oldest, e);
    if (rc)
        return rc;
    lg_resp_json(r, 200, &j);
    render_user(&j, &q->who);
    lg_json_str(&j, "tenant", *q->who.tenant_slug ? q->who.tenant_slug : NULL);
    lg_json_arr(&j, "tenants");
    rc = lg_tenant_each(q->db, q->who.user_id, q->who.admin, NULL, TENANTS_SHOWN, 0, NULL, render_tenant, &j,
                        e);
    lg_json_end_arr(&j);
    lg_json_str(&j, "csrf", "header");
    lg_json_str(&j, "version", LG_VERSION);
    lg_json_str(&j, "appsDomain", q->app->conf.apps_domain);
    lg_json_int(&j, "appsPort", q->app->conf.https_port);
    lg_json_int(&j, "lastEvent", last);
    lg_json_end_obj(&j);
    return rc < 0 ? rc : 0;
}

static int need_session(const struct lg_req *q, struct lg_err *e)
{
    if (*q->who.session_id)
        return 0;
    return lg_fail(e, LG_UNSUPPORTED, "this is for dashboard sessions; the request came with a token");
}

static int sign_out(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    int rc = need_session(q, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_session_end(q->db, q->who.session_id, q->who.user_id, e);
    if (!rc)
        rc = lg_req_commit(q, q->who.session_id, NULL, e);
    if (rc)
        return rc;
    set_cookie(r, "", 0);
    lg_resp_empty(r, 204);
    return 0;
}

struct choice {
    const char *tenant;
};
static const struct lg_field choice_fields[] = {
    {.name = "tenant", .type = LG_T_STRING, .required = true, .offset = offsetof(struct choice, tenant)},
    {.name = NULL},
};

/* The caller's own tenant of that name; to an admin all are. Others are refused alike, known or not. */
static int find_own(struct lg_req *q, const char *slug, struct lg_tenant *t, struct lg_member *m,
                    struct lg_err *e)
{
    int rc = lg_tenant_by_slug(q->db, slug, t, e);
    int member = rc ? 0 : lg_member_get(q->db, t->id, q->who.user_id, m, e);
    if (member < 0 || (rc && rc != -(int)LG_NOT_FOUND))
        return member < 0 ? member : rc;
    if (!rc && (member || q->who.admin))
        return 0;
    return lg_fail(e, LG_FORBIDDEN, "you are not a member of that tenant");
}

static int choose_tenant(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *body;
    struct choice c = {0};
    struct lg_tenant t;
    struct lg_member m = {0};
    int rc = need_session(q, e);
    if (!rc)
        rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, choice_fields, true, "", &c, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = find_own(q, c.tenant, &t, &m, e);
    if (!rc)
        rc = lg_session_set_tenant(q->db, q->who.session_id, t.id, e);
    if (rc)
        return rc;
    memcpy(q->who.tenant_id, t.id, sizeof q->who.tenant_id);
    memcpy(q->who.tenant_slug, t.slug, sizeof q->who.tenant_slug);
    q->who.net_index = t.net_index;
    q->who.owner = q->who.admin || !strcmp(m.role, "owner");
    rc = lg_req_commit(q, t.id, NULL, e);
    return rc ? rc : get_session(q, r, e);
}

struct change {
    const char *current, *new;
};
static const struct lg_field change_fields[] = {
    {.name = "current",
     .type = LG_T_TEXT,
     .required = true,
     .max = 1024,
     .offset = offsetof(struct change, current)},
    {.name = "new", .type = LG_T_TEXT, .required = true, .max = 1024, .offset = offsetof(struct change, new)},
    {.name = NULL},
};

static int change_password(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *body;
    struct change c = {0};
    struct lg_user u;
    char hash[LG_PWHASH_LEN];
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, change_fields, true, "", &c, e);
    if (!rc)
        rc = lg_check_password("new", c.new, e);
    if (!rc)
        rc = lg_prove_password(q, q->who.username, c.current, &u, e);
    if (rc ==
        -(int)LG_UNAUTHENTICATED) { /* signed in all the same: 401 would send the browser to the sign-in */
        lg_fail(e, LG_INVALID, "the current password is wrong");
        return lg_err_detail(e, "field", "current");
    }
    if (!rc)
        rc = lg_password_hash(c.new, hash, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = still_good(q, &u, e);
    if (!rc)
        rc = lg_sign_in_good(q->db, q->who.username, e);
    if (!rc)
        rc = lg_user_set_password(q->db, q->who.user_id, hash, q->who.session_id, e);
    if (!rc)
        rc = lg_req_commit(q, q->who.user_id, NULL, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

const struct lg_route lg_routes_session[] = {
    {.method = "GET",
     .pattern = "/api/v1/session",
     .perm = LG_PERM_USER,
     .handler = get_session,
     .doc = "Who is signed in, and where"},
    {.method = "DELETE",
     .pattern = "/api/v1/session",
     .perm = LG_PERM_USER,
     .action = "session.end",
     .handler = sign_out,
     .doc = "Sign out"},
    {.method = "PUT",
     .pattern = "/api/v1/session/tenant",
     .perm = LG_PERM_USER,
     .action = "session.tenant",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(choice_fields),
     .handler = choose_tenant,
     .doc = "Choose the tenant this session works in"},
    {.method = NULL},
};

const struct lg_route lg_routes_auth[] = {
    {.method = "POST",
     .pattern = "/api/v1/session",
     .perm = LG_PERM_PUBLIC,
     .action = "session.begin",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(credential_fields),
     .handler = sign_in,
     .doc = "Sign in with a password: sets the cookie"},
    {.method = "PUT",
     .pattern = "/api/v1/session/password",
     .perm = LG_PERM_USER,
     .action = "user.password",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(change_fields),
     .handler = change_password,
     .doc = "Change one's own password: the other sessions end"},
    {.method = "POST",
     .pattern = "/api/v1/users",
     .perm = LG_PERM_ADMIN,
     .action = "user.create",
     .body_max = LG_BODY_SMALL,
     .body = lg_user_create_body,
     .handler = lg_user_create,
     .doc = "Create a user"},
    {.method = "PUT",
     .pattern = "/api/v1/users/:id",
     .perm = LG_PERM_ADMIN,
     .action = "user.update",
     .body_max = LG_BODY_SMALL,
     .body = lg_user_update_body,
     .handler = lg_user_update,
     .doc = "Change a user's password or role, disable or enable it"},
    {.method = NULL},
};
