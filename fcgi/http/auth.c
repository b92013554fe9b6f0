#include "http/auth.h"

#include <string.h>

#include "model/validate.h"
#include "store/tenant.h"

bool lg_req_cookie(const struct lg_req *q, const char *name, char *out, size_t cap)
{
    const char *p = lg_req_header(q, "HTTP_COOKIE");
    size_t n = strlen(name);
    while (p && *p) {
        p += strspn(p, " ;");
        size_t len = strcspn(p, ";");
        if (len > n && !strncmp(p, name, n) && p[n] == '=' && len - n - 1 < cap) {
            memcpy(out, p + n + 1, len - n - 1);
            out[len - n - 1] = 0;
            return true;
        }
        p += len;
    }
    return false;
}

static const char *bearer(const struct lg_req *q)
{
    const char *key = lg_req_header(q, "HTTP_X_API_KEY");
    if (key)
        return key;
    const char *a = lg_req_header(q, "HTTP_AUTHORIZATION");
    if (!a)
        return NULL;
    return strncasecmp(a, "Bearer ", 7) ? "" : a + 7 + strspn(a + 7, " ");
}

/* Both only choose among the caller's own. */
static const char *wanted_tenant(const struct lg_req *q)
{
    const char *native = lg_req_header(q, "HTTP_LODGE_TENANT");
    return native ? native : lg_req_header(q, "HTTP_X_TENANT_ID");
}

int lg_authenticate(struct lg_req *q, struct lg_err *e)
{
    uint8_t digest[LG_DIGEST_BYTES];
    char cookie[128];
    const char *token = bearer(q), *tenant = wanted_tenant(q);
    int rc;
    if (token) {
        lg_digest(&q->app->token_key, token, strlen(token), digest);
        rc = lg_auth_token(q->db, digest, tenant, &q->who, e);
        if (!rc)
            rc = lg_fail(e, LG_UNAUTHENTICATED, "the token is not valid: unknown, expired or revoked");
    } else if (lg_req_cookie(q, LG_COOKIE, cookie, sizeof cookie)) {
        lg_digest(&q->app->token_key, cookie, strlen(cookie), digest);
        rc = lg_auth_session(q->db, digest, tenant, &q->who, e);
        q->by_cookie = true;
        if (!rc)
            rc = lg_fail(e, LG_UNAUTHENTICATED, "the session has ended: sign in again");
    } else {
        return 0;
    }
    q->signed_in = rc > 0;
    return rc > 0 ? 0 : rc;
}

bool lg_same_origin(const struct lg_req *q)
{
    const char *origin = lg_req_header(q, "HTTP_ORIGIN"), *host = lg_req_header(q, "HTTP_HOST");
    if (!origin)
        return true;
    const char *https = lg_req_header(q, "HTTPS");
    const char *scheme = https && *https && strcmp(https, "off") ? "https://" : "http://";
    size_t n = strlen(scheme);
    return host && !strncmp(origin, scheme, n) && !strcasecmp(origin + n, host);
}

int lg_check_csrf(const struct lg_req *q, struct lg_err *e)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < sizeof safe / sizeof safe[0]; i++)
        if (!strcmp(q->method, safe[i]))
            return 0;
    const char *proof = lg_req_header(q, "HTTP_LODGE_CSRF");
    if (!proof || strcmp(proof, "1"))
        return lg_fail(e, LG_FORBIDDEN, "a write by cookie needs the header Lodge-CSRF: 1");
    return lg_same_origin(q) ? 0 : lg_fail(e, LG_FORBIDDEN, "the request comes from another site");
}

/* --- gateway mode --- */

static void enter(struct lg_req *q, const struct lg_tenant *t)
{
    memcpy(q->who.tenant_id, t->id, sizeof q->who.tenant_id);
    snprintf(q->who.tenant_slug, sizeof q->who.tenant_slug, "%s", t->slug);
    q->who.net_index = t->net_index;
}

int lg_gateway_enter(struct lg_req *q, struct lg_err *e)
{
    const char *slug = lg_req_header(q, "HTTP_X_TENANT_ID");
    struct lg_tenant t = {.id = LG_GATEWAY_NOBODY};
    slug = slug && *slug ? slug : "default";
    if (!lg_same_origin(q))
        return lg_fail(e, LG_FORBIDDEN, "the request comes from another site");
    int rc = lg_check_name("X-Tenant-ID", slug, e);
    if (!rc)
        rc = lg_tenant_by_slug(q->db, slug, &t, e);
    if (rc && rc != -(int)LG_NOT_FOUND)
        return rc;
    if (rc) {
        lg_err_clear(e);
        snprintf(t.id, sizeof t.id, "%s", LG_GATEWAY_NOBODY);
        snprintf(t.slug, sizeof t.slug, "%s", slug);
    }
    snprintf(q->who.username, sizeof q->who.username, "gateway");
    enter(q, &t);
    q->signed_in = true;
    return 0;
}

int lg_gateway_tenant(struct lg_req *q, struct lg_err *e)
{
    struct lg_tenant t = {0};
    if (!q->gateway || strcmp(q->who.tenant_id, LG_GATEWAY_NOBODY))
        return 0;
    int rc = lg_tenant_by_slug(q->db, q->who.tenant_slug, &t, e); /* somebody may have been faster */
    if (rc == -(int)LG_NOT_FOUND) {
        lg_err_clear(e);
        snprintf(t.slug, sizeof t.slug, "%s", q->who.tenant_slug);
        snprintf(t.name, sizeof t.name, "%s", q->who.tenant_slug);
        rc = lg_tenant_add(q->db, &t, e);
    }
    if (!rc)
        enter(q, &t);
    return rc;
}

int lg_gateway_settle(struct lg_req *q, struct lg_err *e)
{
    if (!q->gateway || strcmp(q->who.tenant_id, LG_GATEWAY_NOBODY))
        return 0;
    int rc = lg_tx_write(q->db, e);
    rc = rc ? rc : lg_gateway_tenant(q, e);
    rc = rc ? rc : lg_tx_commit(q->db, e);
    lg_tx_rollback(q->db);
    return rc;
}
