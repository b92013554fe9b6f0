/*
 * The tenant dialect on the paths it shares with the native API: a view over the same instances, with words,
 * statuses and sentences of its own (model/dialect.h). Fields it does not know are ignored.
 */
#include <string.h>

#include "api/networks.h"
#include "api/vm.h"
#include "http/auth.h"
#include "http/body.h"

#define LIST_MAX 1000 /* more than one tenant's network has addresses for */

/* --- rendering --- */

static const char *word(const struct lg_instance *in)
{
    return lg_dialect_status(LG_DIALECT_TENANT, in->state);
}

static int render(struct lg_req *q, struct lg_json *j, struct lg_instance *in, struct lg_err *e)
{
    int rc = lg_instance_load_parts(q->db, in, NULL, e);
    if (rc)
        return rc;
    lg_json_obj(j, NULL);
    lg_json_str(j, "id", in->id);
    lg_json_str(j, "name", in->name);
    lg_json_str(j, "tenantId", in->tenant_slug);
    lg_json_str(j, "type", in->type);
    lg_json_str(j, "flavor", *in->flavor ? in->flavor : "custom");
    lg_json_str(j, "status", word(in));
    lg_json_str(j, "imageId", in->image);
    lg_json_arr(j, "networkIds"); /* a tenant's first network is no object of this API */
    for (int i = 0; i < in->nic_count; i++)
        if (!in->nics[i].detaching)
            lg_json_str(j, NULL, in->nics[i].network_id);
    lg_json_end_arr(j);
    lg_json_arr(j, "volumeIds");
    for (int i = 0; i < in->attachment_count; i++)
        if (*in->attachments[i].volume_id && !in->attachments[i].detaching)
            lg_json_str(j, NULL, in->attachments[i].volume_id);
    lg_json_end_arr(j);
    lg_json_int(j, "createdAt", in->created_at / 1000);
    lg_json_int(j, "updatedAt", in->updated_at / 1000);
    lg_json_obj(j, "metadata");
    for (int i = 0; i < in->label_count; i++)
        lg_json_str(j, in->labels[i].key, in->labels[i].value);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
    return 0;
}

static int answer(struct lg_req *q, struct lg_resp *r, int status, struct lg_instance *in, struct lg_err *e)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    return render(q, &j, in, e);
}

/* What a power verb answers. */
static int answer_power(struct lg_resp *r, int status, const struct lg_instance *in)
{
    struct lg_json j;
    lg_resp_json(r, status, &j);
    lg_json_str(&j, "id", in->id);
    lg_json_str(&j, "status", word(in));
    lg_json_int(&j, "updatedAt", in->updated_at / 1000);
    lg_json_end_obj(&j);
    return 0;
}

/* --- reading --- */

/* This dialect tells a foreign instance from one that does not exist. */
static int find(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    int rc = lg_instance_get(q->db, "", q->param[0], in, e);
    if (rc == -(int)LG_NO_INSTANCE)
        return lg_fail(e, LG_NO_INSTANCE, "Instance not found");
    if (!rc && strcmp(in->tenant_id, q->who.tenant_id))
        return lg_fail(e, LG_FORBIDDEN, "Access denied");
    return rc;
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    (void)db;
    rc = find(q, &in, e);
    return rc ? rc : answer(q, r, 200, &in, e);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance_list struct lg_instance_list l = {0};
    struct lg_instance_filter f = {.tenant_id = q->who.tenant_id,
                                   .state = -1,
                                   .backend = "",
                                   .name = "",
                                   .q = "",
                                   .label_key = "",
                                   .label_value = ""};
    struct lg_json j;
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    rc = lg_instance_list(db, &f, LIST_MAX, NULL, &l, e);
    lg_resp_json(r, 200, &j);
    lg_json_arr(&j, "instances");
    for (int i = 0; !rc && i < l.count; i++)
        rc = render(q, &j, &l.at[i], e);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    return rc;
}

/* --- create --- */

struct body {
    const char *name, *type, *flavor, *image;
    json_t *metadata, *networks;
};

static const struct lg_field fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "type", .type = LG_T_STRING, .offset = offsetof(struct body, type)},
    {.name = "flavor", .type = LG_T_STRING, .offset = offsetof(struct body, flavor)},
    {.name = "imageId", .type = LG_T_STRING, .offset = offsetof(struct body, image)},
    {.name = "metadata", .type = LG_T_OBJECT, .offset = offsetof(struct body, metadata)},
    {.name = "networkIds",
     .type = LG_T_STRINGS,
     .max = LG_NICS_MAX,
     .offset = offsetof(struct body, networks)},
    {0}};

static int parse(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, fields, false, "", &b, e)) ||
        (rc = lg_create_plain(q, b.name, b.type, b.image && *b.image ? b.image : NULL, in, e)) ||
        (rc = lg_create_flavor(q, b.flavor ? b.flavor : "small", in, e)))
        return rc;
    rc = lg_labels_parse(b.metadata, "metadata", in, e);
    return rc ? rc : lg_networks_parse(NULL, b.networks, in, e);
}

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    char path[80];
    int rc = parse(q, &in, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_gateway_tenant(q, e);
    memcpy(in.tenant_id, q->who.tenant_id, sizeof in.tenant_id);
    if (!rc)
        rc = lg_create_add(q, &in, true, &op, e);
    if (!rc)
        rc = answer(q, r, 201, &in, e);
    if (!rc)
        rc = lg_req_commit(q, in.id, in.name, e);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "/api/v1/compute/instances/%s", in.id);
    lg_resp_header(r, "Location", path);
    lg_operation_header(r, &op);
    return 0;
}

/* --- verbs --- */

/* The verb is what follows "instance." in the route's action. A body is not looked at. */
static int verb(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    enum lg_verb asked = (enum lg_verb)lg_verb_of(q->route->action + sizeof "instance." - 1);
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = find(q, &in, e);
    if (!rc)
        rc = lg_verb_ask_as(q, LG_DIALECT_TENANT, asked, &in, &op, e);
    bool at_once = asked == LG_V_RESTART; /* this dialect's restart is a start that nobody waits for */
    if (!rc && at_once)
        rc = answer_power(r, 200, &in);
    if (!rc)
        rc = lg_req_commit(q, in.id, in.name, e);
    return rc || at_once ? rc : lg_park(q, r, &op, "tenant", in.id, LG_VERB_WAIT_S, e);
}

/* After the wait: 204 for what is gone, else how it stands. */
int lg_view_tenant(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    int done = lg_wait_result(q, h, &op, &in, e);
    if (done < 0)
        return done;
    if (!*in.id) {
        lg_resp_empty(r, 204);
        return 0;
    }
    return answer_power(r, done ? 200 : 202, &in);
}

#define BASE "/api/v1/compute/instances"
#define VERB(methods, rest, name, text)                                                                      \
    {                                                                                                        \
        .method = methods, .pattern = BASE "/:id" rest, .perm = LG_PERM_MEMBER,                              \
        .dialect = LG_DIALECT_TENANT, .action = "instance." name, .body_max = LG_BODY_SMALL,                 \
        .handler = verb, .doc = text                                                                         \
    }

const struct lg_route lg_routes_tenant[] = {
    {.method = "GET",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .handler = list,
     .doc = "Tenant dialect: all instances of the tenant"},
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .action = "instance.create",
     .body_max = LG_BODY_LARGE,
     .handler = create,
     .doc = "Tenant dialect: {name, type, flavor, imageId, metadata}"},
    {.method = "GET",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .dialect = LG_DIALECT_TENANT,
     .handler = get_one,
     .doc = "Tenant dialect: one instance"},
    VERB("DELETE", "", "delete", "Tenant dialect: deletes what does not run; 204"),
    VERB("POST|PUT", "/start", "start", "Tenant dialect: starts a stopped one"),
    VERB("POST|PUT", "/stop", "stop", "Tenant dialect: stops a running one"),
    VERB("POST|PUT", "/restart", "restart", "Tenant dialect: starts a stopped one, answered at once"),
    {.method = NULL}};
