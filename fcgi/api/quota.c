/* What a tenant may have and what it has: for its members to read, for administrators to set. */
#include "store/quota.h"

#include "api/routes.h"
#include "api/tenants.h"
#include "http/body.h"
#include "http/etag.h"

#define SPACE_MAX 9.0e15 /* bytes that a double still counts exactly */

static int answer(struct lg_req *q, struct lg_resp *r, const struct lg_tenant *t,
                  const struct lg_quota *quota, struct lg_err *e)
{
    struct lg_amounts used;
    struct lg_json j;
    int rc = lg_quota_used(q->db, t->id, &used, e);
    if (rc)
        return rc;
    lg_resp_json(r, 200, &j);
    lg_json_str(&j, "tenant", t->slug);
    lg_json_obj(&j, "quota");
    lg_amounts_render(&j, &quota->limit);
    lg_ceilings_render(&j, &quota->code);
    lg_json_end_obj(&j);
    lg_json_obj(&j, "used");
    lg_amounts_render(&j, &used);
    lg_json_end_obj(&j);
    lg_json_int(&j, "version", quota->version);
    lg_json_time(&j, "updatedAt", quota->updated_at);
    lg_json_end_obj(&j);
    lg_resp_etag(q, r, quota->version);
    return 0;
}

static int get_quota(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_tenant t;
    struct lg_quota quota;
    int rc = lg_tenant_of_path(q, false, &t, e);
    if (!rc)
        rc = lg_quota_get(q->db, t.id, &quota, e);
    return rc ? rc : answer(q, r, &t, &quota, e);
}

struct quota_body {
    struct lg_opt_int instances, memory, storage, ingress, tokens, code_time, code_memory, code_output;
    struct lg_opt_real cpu;
};
#define COUNT(n, most)                                                                                       \
    {                                                                                                        \
        .name = #n, .type = LG_T_INT, .max = most, .offset = offsetof(struct quota_body, n)                  \
    }
/* No less than a run needs to begin at all. */
#define CEILING(text, member, least, most)                                                                   \
    {                                                                                                        \
        .name = text, .type = LG_T_INT, .min = least, .max = most,                                           \
        .offset = offsetof(struct quota_body, member)                                                        \
    }
static const struct lg_field quota_fields[] = {
    COUNT(instances, 1000000),
    {.name = "cpu", .type = LG_T_REAL, .max = 1000000, .offset = offsetof(struct quota_body, cpu)},
    COUNT(memory, SPACE_MAX),
    COUNT(storage, SPACE_MAX),
    COUNT(ingress, 1000000),
    COUNT(tokens, 1000000),
    CEILING("codeTimeMs", code_time, 100, 3600000),
    CEILING("codeMemory", code_memory, 8 << 20, SPACE_MAX),
    CEILING("codeOutput", code_output, 1, SPACE_MAX),
    {.name = NULL},
};

static int64_t or_none(const struct lg_opt_int *v)
{
    return v->set ? v->v : -1;
}

/* The whole of it: what is not named is unlimited. */
static int put_quota(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *body;
    struct quota_body b = {.cpu = {.set = false}};
    struct lg_tenant t;
    struct lg_quota quota;
    int rc = lg_req_json(q, &body, e);
    if (!rc)
        rc = lg_body_fields(body, quota_fields, true, "", &b, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_tenant_of_path(q, true, &t, e);
    if (!rc)
        rc = lg_quota_get(q->db, t.id, &quota, e);
    if (!rc)
        rc = lg_if_match_version(q, quota.version, e);
    if (rc)
        return rc;
    quota.limit = (struct lg_amounts){.instances = or_none(&b.instances),
                                      .cpu_millis = b.cpu.set ? (int64_t)(b.cpu.v * 1000 + 0.5) : -1,
                                      .memory_bytes = or_none(&b.memory),
                                      .storage_bytes = or_none(&b.storage),
                                      .ingress = or_none(&b.ingress),
                                      .tokens = or_none(&b.tokens)};
    quota.code = (struct lg_ceilings){.time_ms = or_none(&b.code_time),
                                      .memory_bytes = or_none(&b.code_memory),
                                      .output_bytes = or_none(&b.code_output)};
    rc = lg_quota_put(q->db, t.id, &quota, e);
    if (!rc)
        rc = answer(q, r, &t, &quota, e);
    return rc ? rc : lg_req_commit(q, t.id, t.slug, e);
}

const struct lg_route lg_routes_quota[] = {
    {.method = "GET",
     .pattern = "/api/v1/tenants/:id/quota",
     .perm = LG_PERM_USER,
     .handler = get_quota,
     .doc = "What a tenant may have at most, and what it has"},
    {.method = "PUT",
     .pattern = "/api/v1/tenants/:id/quota",
     .perm = LG_PERM_ADMIN,
     .action = "tenant.quota",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(quota_fields),
     .if_match = true,
     .handler = put_quota,
     .doc = "Set all of a tenant's limits; what is not named is unlimited"},
    {.method = NULL},
};
