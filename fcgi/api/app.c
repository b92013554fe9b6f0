/*
 * What nginx asks the route pool for every request to an application: where does this host lead, and may this
 * browser go there? Answers are cached by nginx for a second, so a change shows within three.
 */
#include <string.h>

#include "api/compute.h"
#include "base/clock.h"
#include "model/validate.h"
#include "store/user.h"

#define CACHE      "max-age=1, stale-while-revalidate=2"
#define APP_COOKIE "__Host-lodge-app"
#define COOKIE_MS  ((int64_t)12 * 3600 * 1000)

/* What nginx shows in each state; NULL: pass the request on. */
static const char *const state_page[LG_ST_COUNT] = {
    [LG_ST_CREATING] = "starting", [LG_ST_STOPPED] = "stopped",  [LG_ST_STARTING] = "starting",
    [LG_ST_RUNNING] = NULL,        [LG_ST_STOPPING] = "stopped", [LG_ST_RESTARTING] = "starting",
    [LG_ST_PAUSING] = "stopped",   [LG_ST_PAUSED] = "stopped",   [LG_ST_SUSPENDING] = "asleep",
    [LG_ST_ASLEEP] = "asleep",     [LG_ST_WAKING] = "starting",  [LG_ST_DELETING] = "stopped",
    [LG_ST_ERROR] = "stopped",
};

static int refuse(struct lg_resp *r, const char *state)
{
    lg_resp_empty(r, 403);
    r->cache = CACHE;
    lg_resp_header(r, "X-State", state);
    return 0;
}

/* --- the application's cookie: signed "host user tenant expiry" --- */

static void write_cookie(const struct lg_req *q, const char *host, const char *user, const char *tenant,
                         struct lg_buf *out)
{
    lg_cleanup_buf struct lg_buf plain = {.max = 512};
    lg_buf_fmt(&plain, "%s %s %s %lld", host, user, tenant, (long long)(lg_clock_ms() + COOKIE_MS));
    lg_sign(&q->app->cookie_key, lg_buf_cstr(&plain), plain.len, out);
}

/* The user a cookie speaks for; false when it is forged, old, or another host's or tenant's. */
static bool read_cookie(const struct lg_req *q, const char *cookie, const char *host, const char *tenant,
                        char user[LG_ID_LEN])
{
    lg_cleanup_buf struct lg_buf plain = {.max = 4096};
    char in_host[64], in_tenant[LG_ID_LEN];
    long long expires;
    if (!lg_open_signed(&q->app->cookie_key, cookie, strlen(cookie), &plain))
        return false;
    if (sscanf(lg_buf_cstr(&plain), "%63s %36s %36s %lld", in_host, user, in_tenant, &expires) != 4)
        return false;
    return !strcmp(in_host, host) && !strcmp(in_tenant, tenant) && expires > lg_clock_ms();
}

/* 1 when the browser's cookie belongs to somebody who is a member now. */
static int is_member(struct lg_req *q, const char *host, const struct lg_route_target *t, struct lg_err *e)
{
    char user[LG_ID_LEN];
    const char *cookie = lg_req_header(q, "APP_COOKIE");
    if (!cookie || !*cookie || !read_cookie(q, cookie, host, t->tenant_id, user))
        return 0;
    return lg_app_member(q->db, user, t->tenant_id, e);
}

/* --- look-up --- */

/* The address is computed from the tenant's number, hence always inside subnet_pool; what the database says
 * is checked against the bounds all the same. */
static int upstream(struct lg_req *q, const struct lg_route_target *t, char out[32], struct lg_err *e)
{
    struct lg_net net;
    char address[16], mac[18];
    int rc = lg_net_of(q->app->conf.subnet_pool, lg_db_site(q->db), t->net_index, &net, e);
    if (rc)
        return rc;
    if (t->host_number < LG_NET_FIRST_HOST || t->host_number > LG_NET_LAST_HOST || t->target_port < 1 ||
        t->target_port > 65535)
        return lg_fail(e, LG_INTERNAL, "the rule leads outside the tenant's network");
    lg_net_host(&net, t->host_number, address, mac);
    snprintf(out, 32, "%s:%d", address, t->target_port);
    return 0;
}

static int route(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_route_target t;
    char to[32];
    const char *host = lg_req_header(q, "APP");
    if (!host || lg_check_name("host", host, NULL))
        return refuse(r, "unknown");
    int rc = lg_ingress_lookup(q->db, host, &t, e);
    if (rc <= 0)
        return rc ? rc : refuse(r, "unknown");
    if (strcmp(t.access, "public") && (rc = is_member(q, host, &t, e)) <= 0)
        return rc ? rc : refuse(r, "members");
    if (state_page[t.state])
        return refuse(r, state_page[t.state]);
    if ((rc = upstream(q, &t, to, e)))
        return rc;
    lg_resp_empty(r, 204);
    r->cache = CACHE;
    lg_resp_header(r, "X-Upstream", to);
    return 0;
}

/* --- the one-time code becomes a cookie --- */

/* Whoever the code speaks for, for the audit record: this browser has not signed in here. */
static int speak_for(struct lg_req *q, const struct lg_app_code *c, const char *tenant_id, struct lg_err *e)
{
    struct lg_user u;
    int rc = lg_user_get(q->db, c->user_id, &u, e);
    if (rc)
        return rc;
    memset(&q->who, 0, sizeof q->who);
    memcpy(q->who.user_id, u.id, sizeof q->who.user_id);
    memcpy(q->who.username, u.username, sizeof q->who.username);
    snprintf(q->who.tenant_id, sizeof q->who.tenant_id, "%s", tenant_id);
    q->signed_in = true;
    return 0;
}

/* 1 when the code lets its user into the application `host`, 0 when not. A code is used up either way, and
 * the audit record says by whom. */
static int take_code(struct lg_req *q, const char *code, const char *host, struct lg_app_code *c,
                     struct lg_route_target *t, struct lg_err *e)
{
    uint8_t digest[LG_DIGEST_BYTES];
    lg_digest(&q->app->cookie_key, code, strlen(code), digest);
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_app_code_take(q->db, digest, c, e);
    if (rc <= 0)
        return rc;
    int good = strcmp(c->host, host) ? 0 : lg_ingress_lookup(q->db, host, t, e);
    if (good > 0)
        good = lg_app_member(q->db, c->user_id, t->tenant_id, e);
    rc = good < 0 ? good : speak_for(q, c, good ? t->tenant_id : "", e);
    if (!rc)
        rc = lg_req_commit(q, host, good ? NULL : "refused: the code is for another application", e);
    return rc ? rc : good;
}

/* Back to the application. Without a good code it asks the dashboard for a new one. */
static int go(struct lg_resp *r, const char *path)
{
    lg_resp_empty(r, 303);
    lg_resp_header(r, "Location", path);
    return 0;
}

static int session(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_app_code c;
    struct lg_route_target t;
    const char *host = lg_req_header(q, "APP"), *code = lg_req_query(q, "code", "");
    if (!host || lg_check_name("host", host, NULL))
        return lg_fail(e, LG_NOT_FOUND, "there is no such application");
    int rc = take_code(q, code, host, &c, &t, e);
    if (rc <= 0)
        return rc ? rc : go(r, "/");
    lg_cleanup_buf struct lg_buf cookie = {.max = 2048};
    lg_buf_str(&cookie, APP_COOKIE "=");
    write_cookie(q, host, c.user_id, t.tenant_id, &cookie);
    lg_buf_fmt(&cookie, "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=%lld",
               (long long)(COOKIE_MS / 1000));
    if (cookie.failed)
        return lg_fail(e, LG_INTERNAL, "out of memory for a cookie");
    lg_resp_header(r, "Set-Cookie", cookie.data);
    return go(r, c.path);
}

const struct lg_route lg_routes_app[] = {{.method = "GET",
                                          .pattern = "/route",
                                          .perm = LG_PERM_PUBLIC,
                                          .handler = route,
                                          .doc = "Where an application's host leads; asked by nginx alone"},
                                         {.method = "GET",
                                          .pattern = "/app-session",
                                          .perm = LG_PERM_PUBLIC,
                                          .action = "ingress.enter",
                                          .handler = session,
                                          .doc = "Turns a one-time code into the application's cookie"},
                                         {.method = NULL}};
