/* The tenant dialect's storage service: a view over the same volumes, with that API's words and sentences. */
#include <string.h>

#include "api/volumes.h"
#include "http/auth.h"
#include "http/body.h"
#include "model/validate.h"

#define GIB      ((int64_t)1 << 30)
#define LIST_MAX 1000

static void note_first(void *arg, const struct lg_attachment *a)
{
    char *first = arg;
    if (!*first && !a->detaching)
        memcpy(first, a->instance_id, LG_ID_LEN);
}

static const char *word(const struct lg_volume *v, const char *attached_to)
{
    if (!strcmp(v->state, "ready"))
        return *attached_to ? "in-use" : "available";
    return !strcmp(v->state, "creating") && *attached_to ? "in-use" : v->state;
}

static int render(struct lg_req *q, struct lg_json *j, const struct lg_volume *v, struct lg_err *e)
{
    char attached_to[LG_ID_LEN] = "";
    int rc = lg_attachment_each(q->db, v->id, note_first, attached_to, e);
    if (rc < 0)
        return rc;
    lg_json_obj(j, NULL);
    lg_json_str(j, "id", v->id);
    lg_json_str(j, "name", v->name);
    lg_json_str(j, "tenantId", v->tenant_slug);
    lg_json_str(j, "type", *v->kind ? v->kind : "block");
    lg_json_int(j, "sizeGB", (v->size_bytes + GIB - 1) / GIB);
    lg_json_str(j, "status", word(v, attached_to));
    lg_json_str(j, "attachedTo", attached_to);
    lg_json_int(j, "createdAt", v->created_at / 1000);
    lg_json_int(j, "updatedAt", v->updated_at / 1000);
    lg_json_obj(j, "metadata");
    lg_json_end_obj(j);
    lg_json_end_obj(j);
    return 0;
}

static int answer(struct lg_req *q, struct lg_resp *r, int status, const struct lg_volume *v,
                  struct lg_err *e)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    return render(q, &j, v, e);
}

/* This dialect tells a foreign one from one that does not exist. */
static int find(struct lg_req *q, struct lg_volume *v, struct lg_err *e)
{
    int rc = lg_volume_get(q->db, q->param[0], v, e);
    if (rc == -(int)LG_NOT_FOUND)
        return lg_fail(e, LG_NOT_FOUND, "Volume not found");
    return rc || !strcmp(v->tenant_id, q->who.tenant_id) ? rc : lg_fail(e, LG_FORBIDDEN, "Access denied");
}

static int find_instance(struct lg_req *q, const char *id, struct lg_instance *in, struct lg_err *e)
{
    int rc = lg_instance_get(q->db, "", id, in, e);
    if (rc == -(int)LG_NO_INSTANCE)
        return lg_fail(e, LG_NO_INSTANCE, "Instance not found");
    return rc || !strcmp(in->tenant_id, q->who.tenant_id) ? rc : lg_fail(e, LG_FORBIDDEN, "Access denied");
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_volume v;
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    (void)db;
    rc = find(q, &v, e);
    return rc ? rc : answer(q, r, 200, &v, e);
}

struct list {
    struct lg_json j;
    struct lg_req *q;
    struct lg_err *e;
    int rc;
};

static void add_one(void *arg, const struct lg_volume *v)
{
    struct list *l = arg;
    if (!l->rc)
        l->rc = render(l->q, &l->j, v, l->e);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct list l = {.q = q, .e = e};
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    lg_resp_json(r, 200, &l.j);
    lg_json_arr(&l.j, "volumes");
    rc = lg_volume_each(db, q->who.tenant_id, (int64_t)0, "", LIST_MAX, 0, NULL, add_one, &l, e);
    lg_json_end_arr(&l.j);
    lg_json_end_obj(&l.j);
    return rc < 0 ? rc : l.rc;
}

/* --- writing --- */

struct body {
    const char *name, *instance;
    struct lg_opt_int size_gb;
};

static const struct lg_field create_fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "sizeGB",
     .type = LG_T_INT,
     .required = true,
     .min = 1,
     .max = (double)(LG_VOLUME_MAX_BYTES / GIB),
     .offset = offsetof(struct body, size_gb)},
    {0}};

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_operation op;
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, create_fields, false, "", &b, e)) ||
        (rc = lg_check_name("name", b.name, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = lg_gateway_tenant(q, e)))
        return rc;
    struct lg_volume v = {.size_bytes = b.size_gb.v * GIB};
    snprintf(v.name, sizeof v.name, "%s", b.name);
    memcpy(v.tenant_id, q->who.tenant_id, sizeof v.tenant_id);
    memcpy(v.owner_id, q->who.user_id, sizeof v.owner_id);
    if ((rc = lg_volume_ask_create(q, &v, &op, e)) || (rc = answer(q, r, 201, &v, e)) ||
        (rc = lg_req_commit(q, v.id, v.name, e)))
        return rc;
    lg_operation_header(r, &op);
    return 0;
}

static int delete (struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_volume v;
    struct lg_operation op;
    int rc = lg_req_begin(q, e);
    if (rc || (rc = find(q, &v, e)) || (rc = lg_volume_ask_delete(q, &v, &op, e)) ||
        (rc = lg_req_commit(q, v.id, v.name, e)))
        return rc;
    return lg_park(q, r, &op, "tenant-volume", v.id, LG_VERB_WAIT_S, e);
}

/* After the wait for a delete: 204 when it is gone. */
int lg_view_tenant_volume(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    struct lg_operation op;
    int done = lg_wait_operation(q, h, &op, e);
    if (done < 0)
        return done;
    lg_resp_empty(r, done ? 204 : 202);
    return 0;
}

static const struct lg_field attach_fields[] = {{.name = "instanceId",
                                                 .type = LG_T_STRING,
                                                 .required = true,
                                                 .min = 1,
                                                 .offset = offsetof(struct body, instance)},
                                                {0}};
static const struct lg_field detach_fields[] = {
    {.name = "instanceId", .type = LG_T_STRING, .min = 1, .offset = offsetof(struct body, instance)}, {0}};

/* Answered at once: a running container has it a moment later, anything else from its next start on. */
static int attach(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_volume v;
    struct lg_operation op;
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, attach_fields, false, "", &b, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = find(q, &v, e)) || (rc = find_instance(q, b.instance, &in, e)) ||
        (rc = lg_volume_ask_attach(q, &v, &in, NULL, false, &op, e)) || (rc = answer(q, r, 200, &v, e)) ||
        (rc = lg_req_commit(q, v.id, v.name, e)))
        return rc;
    lg_operation_header(r, &op);
    return 0;
}

/* From the instance that is named, or the one that has it. */
static int detach(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_volume v;
    struct lg_operation op;
    char attached_to[LG_ID_LEN] = "";
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, detach_fields, false, "", &b, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = find(q, &v, e)) || (rc = lg_attachment_each(q->db, v.id, note_first, attached_to, e)) < 0)
        return rc;
    if (!b.instance && !*attached_to)
        return lg_fail(e, LG_STATE, "Volume is not attached");
    if ((rc = find_instance(q, b.instance ? b.instance : attached_to, &in, e)) ||
        (rc = lg_volume_ask_detach(q, &v, &in, &op, e)) || (rc = answer(q, r, 200, &v, e)) ||
        (rc = lg_req_commit(q, v.id, v.name, e)))
        return rc;
    lg_operation_header(r, &op);
    return 0;
}

#define BASE "/api/v1/storage/volumes"

const struct lg_route lg_routes_tenant_storage[] = {
    {.method = "GET",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .handler = list,
     .doc = "Tenant dialect: all volumes of the tenant"},
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .action = "volume.create",
     .body_max = LG_BODY_SMALL,
     .handler = create,
     .doc = "Tenant dialect: {name, sizeGB}"},
    {.method = "GET",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .handler = get_one,
     .doc = "Tenant dialect: one volume"},
    {.method = "DELETE",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .action = "volume.delete",
     .body_max = LG_BODY_SMALL,
     .handler = delete,
     .doc = "Tenant dialect: deletes it unless it is attached; 204"},
    {.method = "POST",
     .pattern = BASE "/:id/attach",
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .action = "volume.attach",
     .body_max = LG_BODY_SMALL,
     .handler = attach,
     .doc = "Tenant dialect: {instanceId}, answered at once"},
    {.method = "POST",
     .pattern = BASE "/:id/detach",
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .action = "volume.detach",
     .body_max = LG_BODY_SMALL,
     .handler = detach,
     .doc = "Tenant dialect: {instanceId?}, answered at once"},
    {.method = NULL}};
