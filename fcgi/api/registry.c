/*
 * The service registry: services of a tenant say that they are there, keep a lease alive, and find each
 * other. Lodge's own processes and engines are in it too (registrar.c), under names nobody else can take.
 */
#include <string.h>

#include "api/compute.h"
#include "base/clock.h"
#include "http/auth.h"
#include "http/body.h"
#include "store/event.h"
#include "store/service.h"

#define METADATA_KEYS_MAX 64
#define TTL_MAX_S         86400

struct body {
    const char *name, *id, *address, *status, *version;
    struct lg_opt_int port, ttl;
    json_t *metadata;
};

#define OF(m) offsetof(struct body, m)
static const struct lg_field fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = OF(name)},
    {.name = "id", .type = LG_T_STRING, .required = true, .min = 1, .offset = OF(id)},
    {.name = "address", .type = LG_T_STRING, .required = true, .min = 1, .offset = OF(address)},
    {.name = "port", .type = LG_T_INT, .required = true, .min = 1, .max = 65535, .offset = OF(port)},
    {.name = "status", .type = LG_T_STRING, .offset = OF(status)},
    {.name = "metadata", .type = LG_T_OBJECT, .offset = OF(metadata)},
    {.name = "version", .type = LG_T_STRING, .max = 128, .offset = OF(version)},
    {.name = "ttl", .type = LG_T_INT, .min = 1, .max = TTL_MAX_S, .offset = OF(ttl)},
    {.name = NULL}};

/* Whoever leaves need not say what it was. */
static const struct lg_field leave_fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = OF(name)},
    {.name = "id", .type = LG_T_STRING, .required = true, .min = 1, .offset = OF(id)},
    {.name = NULL}};

struct lease_body {
    struct lg_opt_int lease;
    const char *status;
};
static const struct lg_field lease_fields[] = {
    {.name = "lease_id",
     .type = LG_T_INT,
     .required = true,
     .min = 1,
     .max = 9007199254740991.0,
     .offset = offsetof(struct lease_body, lease)},
    {.name = "status", .type = LG_T_STRING, .offset = offsetof(struct lease_body, status)},
    {.name = NULL}};

/* `absent` when it is not there. */
static int parse_status(const char *text, int absent, int *status, struct lg_err *e)
{
    *status = text ? lg_service_status_of(text) : absent;
    return text && *status < 0 ? lg_invalid(e, "status", "must be Starting, Healthy, Unhealthy or Stopping")
                               : 0;
}

static int write_metadata(const json_t *metadata, struct lg_service *s, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {.max = LG_SERVICE_METADATA_MAX};
    struct lg_json j;
    const char *key;
    json_t *value;
    json_t *map = (json_t *)(uintptr_t)metadata; /* iterating wants it writable and writes nothing */
    if (json_object_size(metadata) > METADATA_KEYS_MAX)
        return lg_invalid(e, "metadata", "has more than 64 members");
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    json_object_foreach(map, key, value)
    {
        if (!json_is_string(value))
            return lg_invalid(e, "metadata", "must have strings as values");
        if (!*key || strlen(key) > 128)
            return lg_invalid(e, "metadata", "must have names of 1 to 128 bytes");
        lg_json_str(&j, key, json_string_value(value));
    }
    lg_json_end_obj(&j);
    if (b.failed)
        return lg_invalid(e, "metadata", "is longer than 8192 bytes");
    snprintf(s->metadata, sizeof s->metadata, "%s", lg_buf_cstr(&b));
    return 0;
}

static int check_names(const struct body *b, struct lg_err *e)
{
    int rc = lg_check_service_name("name", b->name, e);
    if (!rc)
        rc = lg_check_service_name("id", b->id, e);
    if (!rc && lg_service_name_reserved(b->name)) {
        lg_fail(e, LG_FORBIDDEN, "\"%s\" is a name of Lodge's own services", b->name);
        rc = lg_err_detail(e, "field", "name");
    }
    return rc;
}

static int fill(struct lg_req *q, const struct body *b, struct lg_service *s, struct lg_err *e)
{
    int status, rc = check_names(b, e);
    if (rc || (rc = lg_check_service_address("address", b->address, e)) ||
        (rc = parse_status(b->status, LG_SERVICE_HEALTHY, &status, e)) ||
        (rc = write_metadata(b->metadata, s, e)))
        return rc;
    snprintf(s->name, sizeof s->name, "%s", b->name);
    snprintf(s->id, sizeof s->id, "%s", b->id);
    snprintf(s->address, sizeof s->address, "%s", b->address);
    snprintf(s->version, sizeof s->version, "%s", b->version ? b->version : "");
    s->port = (int)b->port.v;
    s->status = (enum lg_service_status)status;
    s->ttl_ms = (b->ttl.set ? b->ttl.v : q->app->conf.service_lease_s) * 1000;
    return 0;
}

static void answer_lease(struct lg_resp *r, const struct lg_service *s)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_int(&j, "lease_id", s->lease_id);
    lg_json_int(&j, "ttl", s->ttl_ms / 1000);
    lg_json_end_obj(&j);
}

static int enrol(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_service s = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, fields, false, "", &b, e)) || (rc = fill(q, &b, &s, e)) ||
        (rc = lg_req_begin(q, e)) || (rc = lg_gateway_tenant(q, e)))
        return rc;
    snprintf(s.tenant_id, sizeof s.tenant_id, "%s", q->who.tenant_id);
    if ((rc = lg_service_put(q->db, &s, e)))
        return rc;
    answer_lease(r, &s);
    return lg_req_commit(q, s.name, s.id, e);
}

static int keepalive(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct lease_body b = {0};
    struct lg_service s;
    int status = -1, rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, lease_fields, false, "", &b, e)) ||
        (rc = parse_status(b.status, -1, &status, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = lg_service_renew(q->db, q->who.tenant_id, b.lease.v, status, &s, e)))
        return rc;
    answer_lease(r, &s);
    q->in_tx = false; /* no line in the audit record: every service says this every few seconds */
    return lg_tx_commit(q->db, e);
}

/* Leaving twice is no mistake: the first answer may have been lost. */
static int leave(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_json j;
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, leave_fields, false, "", &b, e)) || (rc = check_names(&b, e)) ||
        (rc = lg_req_begin(q, e)) || (rc = lg_service_remove(q->db, q->who.tenant_id, b.name, b.id, e)) < 0)
        return rc;
    lg_resp_json(r, 200, &j);
    lg_json_bool(&j, "removed", rc > 0);
    lg_json_end_obj(&j);
    return lg_req_commit(q, b.name, b.id, e);
}

/* --- reading --- */

struct list {
    struct lg_json j;
    bool more;
};

static void add_one(void *arg, const struct lg_service *s)
{
    struct list *l = arg;
    lg_service_render(&l->j, NULL, s, l->more);
}

/* The last event the list knows of: a watch from there misses nothing. */
static int say_position(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    int64_t last, oldest;
    char text[24];
    int rc = lg_event_bounds(q->db, &last, &oldest, e);
    snprintf(text, sizeof text, "%lld", (long long)last);
    if (!rc)
        lg_resp_header(r, "Lodge-Last-Event", text);
    return rc;
}

static int read_all(struct lg_req *q, struct lg_resp *r, struct list *l, const char *name, struct lg_err *e)
{
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    rc = lg_service_each(db, q->who.tenant_id, name, add_one, l, e);
    return rc < 0 ? rc : say_position(q, r, e);
}

/* As the dialect wants it: the bare array. */
static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct list l = {.more = false};
    lg_json_init(&l.j, &r->body);
    lg_json_arr(&l.j, NULL);
    int rc = read_all(q, r, &l, q->param[0] ? q->param[0] : "", e);
    lg_json_end_arr(&l.j);
    return rc;
}

static int list_native(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct list l = {.more = true};
    lg_resp_json(r, 200, &l.j);
    lg_json_arr(&l.j, "services");
    int rc = read_all(q, r, &l, lg_req_query(q, "name", ""), e);
    lg_json_end_arr(&l.j);
    lg_json_end_obj(&l.j);
    return rc;
}

static int watch(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_handoff h = {.k = "events", .scope = q->who.tenant_id, .kinds = "service"};
    int rc = lg_handoff_proto(q, &h.proto, e);
    if (!rc)
        rc = lg_req_event_position(q, &h.after, e);
    if (rc)
        return rc;
    if (!strcmp(h.proto, "text"))
        h.proto = "sse";
    h.subject = q->param[0] ? q->param[0] : "";
    return lg_handoff(q, r, &h, e);
}

#define BASE "/api/registry"
const struct lg_route lg_routes_registry[] = {
    {.method = "POST",
     .pattern = BASE "/register",
     .perm = LG_PERM_MEMBER,
     .action = "service.register",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(fields),
     .handler = enrol,
     .doc = "Registry: registers a service for the length of a lease"},
    {.method = "POST",
     .pattern = BASE "/keepalive",
     .perm = LG_PERM_MEMBER,
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(lease_fields),
     .handler = keepalive,
     .doc = "Registry: renews a lease; with status, also that"},
    {.method = "POST",
     .pattern = BASE "/deregister",
     .perm = LG_PERM_MEMBER,
     .action = "service.deregister",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(leave_fields),
     .handler = leave,
     .doc = "Registry: removes a service"},
    {.method = "GET",
     .pattern = BASE "/services",
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "Registry: the tenant's services and Lodge's own"},
    {.method = "GET",
     .pattern = BASE "/services/:name",
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "Registry: the services with this name"},
    {.method = "GET",
     .pattern = BASE "/watch",
     .perm = LG_PERM_MEMBER,
     .handler = watch,
     .doc = "Registry: what changes, by SSE or WebSocket; since"},
    {.method = "GET",
     .pattern = BASE "/services/:name/watch",
     .perm = LG_PERM_MEMBER,
     .handler = watch,
     .doc = "Registry: what changes with the services of this name; since"},
    {.method = "GET",
     .pattern = "/api/v1/services",
     .perm = LG_PERM_MEMBER,
     .handler = list_native,
     .doc = "The registry's services with their leases; name"},
    {.method = NULL}};
