/* API tokens of the chosen tenant: a member's own, to owners all. */
#include <string.h>

#include "api/page.h"
#include "api/routes.h"
#include "base/clock.h"
#include "http/body.h"
#include "model/validate.h"
#include "store/token.h"

#define PREFIX_CHARS 8 /* of the token, kept to recognise it by: 30 bits of 256 */
#define DAY_MS       ((int64_t)86400 * 1000)

struct token_body {
    const char *name;
    struct lg_opt_int days;
};
static const struct lg_field token_fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .offset = offsetof(struct token_body, name)},
    {.name = "expiresInDays",
     .type = LG_T_INT,
     .min = 1,
     .max = 3650,
     .offset = offsetof(struct token_body, days)},
    {.name = NULL},
};

/* What a token makes ends with it at the latest: else one that leaks for a day could make itself last for
 * ever. */
static int limit_life(struct lg_req *q, struct lg_token *t, struct lg_err *e)
{
    struct lg_token own;
    int rc = *q->who.token_id ? lg_token_get(q->db, q->who.token_id, &own, e) : 0;
    if (!rc && *q->who.token_id && own.expires_at && (!t->expires_at || t->expires_at > own.expires_at))
        t->expires_at = own.expires_at;
    return rc;
}

/* A new token of the caller; `secret` gets it in clear, the row its hash. */
static int make_token(struct lg_req *q, const struct token_body *b, struct lg_token *t,
                      char secret[LG_TOKEN_LEN], struct lg_err *e)
{
    uint8_t digest[LG_DIGEST_BYTES];
    lg_token_new(secret);
    lg_digest(&q->app->token_key, secret, strlen(secret), digest);
    snprintf(t->name, sizeof t->name, "%s", b->name);
    snprintf(t->prefix, sizeof t->prefix, "%.*s", PREFIX_CHARS, secret);
    memcpy(t->user_id, q->who.user_id, sizeof t->user_id);
    memcpy(t->username, q->who.username, sizeof t->username);
    memcpy(t->tenant_id, q->who.tenant_id, sizeof t->tenant_id);
    memcpy(t->tenant_slug, q->who.tenant_slug, sizeof t->tenant_slug);
    t->expires_at = b->days.set ? lg_clock_ms() + b->days.v * DAY_MS : 0;
    int rc = limit_life(q, t, e);
    return rc ? rc : lg_token_add(q->db, t, digest, e);
}

static void describe(const struct lg_token *t, char out[200])
{
    snprintf(out, 200, "%s… (%s) of %s", t->prefix, t->name, t->username);
}

static int create_token(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *body;
    struct token_body b = {0};
    struct lg_token t = {0};
    char secret[LG_TOKEN_LEN], said[200];
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, token_fields, true, "", &b, e);
    if (!rc)
        rc = lg_check_title("name", b.name, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = make_token(q, &b, &t, secret, e);
    if (rc)
        return rc;
    describe(&t, said);
    rc = lg_req_commit(q, t.id, said, e);
    if (!rc) {
        struct lg_json j;
        lg_json_init(&j, &r->body);
        r->status = 201;
        lg_token_render(&j, NULL, &t, secret);
    }
    explicit_bzero(secret, sizeof secret);
    return rc;
}

static void add_token(void *arg, const struct lg_token *t)
{
    struct lg_list *l = arg;
    if (lg_page_take(&l->p, t->created_at, t->id))
        lg_token_render(&l->j, NULL, t, NULL);
}

static int list_tokens(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    struct lg_page *p = &l.p;
    int rc = lg_list_begin(&l, q, r, "tokens", e);
    if (rc)
        return rc;
    rc = lg_token_each(q->db, q->who.tenant_id, q->who.owner ? "" : q->who.user_id,
                       p->keyed ? p->key_n : INT64_MAX, p->key_s, p->size + 1, p->offset, &p->total,
                       add_token, &l, e);
    return lg_list_end(&l, rc);
}

static int delete_token(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_token t;
    char said[200];
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_token_get(q->db, q->param[0], &t, e);
    if (!rc && (strcmp(t.tenant_id, q->who.tenant_id) != 0 ||
                (!q->who.owner && strcmp(t.user_id, q->who.user_id) != 0)))
        rc = lg_fail(e, LG_NOT_FOUND, "there is no such token");
    if (!rc)
        rc = lg_token_revoke(q->db, &t, e);
    if (rc)
        return rc;
    describe(&t, said);
    rc = lg_req_commit(q, t.id, said, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

const struct lg_route lg_routes_tokens[] = {
    {.method = "GET",
     .pattern = "/api/v1/tokens",
     .perm = LG_PERM_MEMBER,
     .handler = list_tokens,
     .doc = "The tenant's API tokens: one's own, to owners all"},
    {.method = "POST",
     .pattern = "/api/v1/tokens",
     .perm = LG_PERM_MEMBER,
     .action = "token.create",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(token_fields),
     .handler = create_token,
     .doc = "Create an API token: the answer alone shows it"},
    {.method = "DELETE",
     .pattern = "/api/v1/tokens/:id",
     .perm = LG_PERM_MEMBER,
     .action = "token.revoke",
     .handler = delete_token,
     .doc = "Revoke an API token: its open streams close"},
    {.method = NULL},
};
