#include <ctype.h>
#include <string.h>

#include "api/compute.h"
#include "api/page.h"
#include "base/clock.h"
#include "http/body.h"
#include "model/validate.h"

#define HTTPS_PORT 443
#define CODE_MS    30000

/* --- rules --- */

static void add_one(void *arg, const struct lg_ingress *r)
{
    struct lg_list *l = arg;
    if (lg_page_take_of_all(&l->p, r->created_at, r->host))
        lg_ingress_render(&l->j, NULL, r, &l->q->app->conf);
}

static int list(struct lg_req *q, struct lg_resp *r, const char *instance, struct lg_err *e)
{
    struct lg_list l;
    int rc = lg_list_begin(&l, q, r, "ingress", e);
    return rc ? rc : lg_list_end(&l, lg_ingress_each(q->db, q->who.tenant_id, instance, add_one, &l, e));
}

static int list_all(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return list(q, r, "", e);
}

static int list_of_instance(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    return rc ? rc : list(q, r, in.id, e);
}

struct body {
    struct lg_opt_int port, target, target_too;
    const char *host, *access;
};

static const struct lg_field fields[] = {
    {.name = "port", .type = LG_T_INT, .min = 1, .max = 65535, .offset = offsetof(struct body, port)},
    {.name = "targetPort", .type = LG_T_INT, .min = 1, .max = 65535, .offset = offsetof(struct body, target)},
    {.name = "target_port",
     .type = LG_T_INT,
     .min = 1,
     .max = 65535,
     .offset = offsetof(struct body, target_too)},
    {.name = "host", .type = LG_T_STRING, .min = 1, .offset = offsetof(struct body, host)},
    {.name = "access", .type = LG_T_STRING, .offset = offsetof(struct body, access)},
    {0}};

int lg_ingress_parse(struct lg_req *q, bool strict, struct lg_ingress *rule, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    int rc = lg_req_json(q, &json, e);
    if (!rc)
        rc = lg_body_fields(json, fields, strict, "", &b, e);
    if (!rc && b.host)
        rc = lg_check_name("host", b.host, e);
    if (rc)
        return rc;
    if (b.port.set && b.port.v != HTTPS_PORT)
        return lg_invalid(e, "port", "must be 443: applications are served over HTTPS");
    if (b.target.set == b.target_too.set)
        return lg_invalid(e, "targetPort", b.target.set ? "is given twice" : "is required");
    const char *access = b.access ? b.access : "public";
    if (strcmp(access, "public") && strcmp(access, "members"))
        return lg_invalid(e, "access", "must be public or members");
    rule->port = HTTPS_PORT;
    rule->target_port = (int)(b.target.set ? b.target.v : b.target_too.v);
    snprintf(rule->host, sizeof rule->host, "%s", b.host ? b.host : "");
    snprintf(rule->access, sizeof rule->access, "%s", access);
    return 0;
}

int lg_ingress_create(struct lg_req *q, struct lg_ingress *rule, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    if (rc)
        return rc;
    if (!*rule->host)
        memcpy(rule->host, in.name, sizeof rule->host);
    rc = lg_ingress_add(q->db, &in, rule, e);
    return rc ? rc : lg_req_commit(q, in.id, rule->host, e);
}

static int add(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_ingress rule = {0};
    struct lg_json j;
    int rc = lg_ingress_parse(q, true, &rule, e);
    if (rc || (rc = lg_ingress_create(q, &rule, e)))
        return rc;
    r->status = 201;
    lg_json_init(&j, &r->body);
    lg_ingress_render(&j, NULL, &rule, &q->app->conf);
    return 0;
}

int lg_ingress_delete(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_port port; /* the path's number is checked by the rules of "port:port" */
    char text[32];
    int n = snprintf(text, sizeof text, "%.12s:1", q->param[1]);
    if (n < 0 || lg_parse_port("port", text, &port, e))
        return lg_fail(e, LG_NOT_FOUND, "the instance has no ingress rule for port %.12s", q->param[1]);
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    if (!rc)
        rc = lg_ingress_remove(q->db, &in, port.host_port, e);
    if (!rc)
        rc = lg_req_commit(q, in.id, in.name, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

/* --- a member's way into a members-only application --- */

/* An absolute path of the same host, in characters that need no escape in a Location. */
static bool path_is_safe(const char *path)
{
    size_t n = strlen(path);
    if (path[0] != '/' || path[1] == '/' || n >= sizeof(((struct lg_app_code *)0)->path))
        return false;
    for (const unsigned char *p = (const unsigned char *)path; *p; p++)
        if (*p <= 0x20 || *p >= 0x7f || strchr("\\\"<>`", *p))
            return false;
    return true;
}

static void add_escaped(struct lg_buf *b, const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (isalnum(*p) || strchr("-._~", *p))
            lg_buf_char(b, (char)*p);
        else
            lg_buf_fmt(b, "%%%02X", *p);
}

/* Not signed in: the dashboard's sign-in page, which comes back here. */
static int send_to_sign_in(struct lg_resp *r, const char *host, const char *path)
{
    lg_cleanup_buf struct lg_buf back = {0}, to = {0};
    lg_buf_fmt(&back, "/api/v1/ingress/authorize?host=%s&path=", host);
    add_escaped(&back, path);
    lg_buf_str(&to, "/#/signin?next=");
    add_escaped(&to, lg_buf_cstr(&back));
    lg_resp_empty(r, 302);
    lg_resp_header(r, "Location", to.failed ? "/#/signin" : lg_buf_cstr(&to));
    return 0;
}

static int make_code(struct lg_req *q, const char *host, const char *path, char code[LG_TOKEN_LEN],
                     struct lg_err *e)
{
    struct lg_app_code c = {.expires_at = lg_clock_ms() + CODE_MS};
    uint8_t digest[LG_DIGEST_BYTES];
    snprintf(c.host, sizeof c.host, "%s", host);
    snprintf(c.path, sizeof c.path, "%s", path);
    memcpy(c.user_id, q->who.user_id, sizeof c.user_id);
    lg_token_new(code);
    lg_digest(&q->app->cookie_key, code, strlen(code), digest);
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_app_code_add(q->db, digest, &c, e);
    return rc ? rc : lg_req_commit(q, host, NULL, e);
}

static int authorize(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    const char *host = lg_req_query(q, "host", ""), *path = lg_req_query(q, "path", "/");
    struct lg_route_target t;
    char code[LG_TOKEN_LEN], url[512];
    const struct lg_conf *c = &q->app->conf;
    int rc = lg_check_name("host", host, e);
    if (!rc && !path_is_safe(path))
        rc = lg_invalid(e, "path", "must be a path such as /");
    if (rc)
        return rc;
    if (!q->signed_in)
        return send_to_sign_in(r, host, path);
    if ((rc = lg_ingress_lookup(q->db, host, &t, e)) < 0 ||
        (rc && (rc = lg_app_member(q->db, q->who.user_id, t.tenant_id, e)) < 0))
        return rc;
    if (!rc || strcmp(t.access, "members")) /* whether it exists is no stranger's to know */
        return lg_fail(e, LG_NOT_FOUND, "there is no application %s for members that you may open", host);
    if ((rc = make_code(q, host, path, code, e)))
        return rc;
    char port[16] = "";
    if (c->https_port != 443)
        snprintf(port, sizeof port, ":%ld", c->https_port);
    snprintf(url, sizeof url, "https://%s.%s%s/.lodge/session?code=%s", host, c->apps_domain, port, code);
    lg_resp_empty(r, 302);
    lg_resp_header(r, "Location", url);
    lg_resp_header(r, "Referrer-Policy", "no-referrer");
    return 0;
}

#define BASE "/api/v1/compute/instances/:id/ingress"

const struct lg_route lg_routes_ingress[] = {
    {.method = "GET",
     .pattern = "/api/v1/ingress",
     .perm = LG_PERM_MEMBER,
     .handler = list_all,
     .doc = "All ingress rules of the tenant"},
    {.method = "GET",
     .pattern = "/api/v1/ingress/authorize",
     .perm = LG_PERM_PUBLIC,
     .action = "ingress.authorize",
     .handler = authorize,
     .doc = "Takes a signed-in member to a members-only application; ?host=&path="},
    {.method = "GET",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .handler = list_of_instance,
     .doc = "An instance's ingress rules"},
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .action = "ingress.create",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(fields),
     .handler = add,
     .doc = "Publishes a port of the instance as https://<host>.<apps_domain>"},
    {.method = "DELETE",
     .pattern = BASE "/:port",
     .perm = LG_PERM_MEMBER,
     .action = "ingress.delete",
     .body_max = LG_BODY_SMALL,
     .handler = lg_ingress_delete,
     .doc = "Takes it back"},
    {.method = NULL}};
