/*
 * The cloud dialect: containers that are made stopped, started and stopped, with their ingress rules and a
 * WebSocket that tells of them. A view over the same instances; a VM is none of its business.
 */
#include <string.h>

#include "api/compute.h"
#include "http/body.h"

#define LIST_MAX 1000 /* more than one tenant's network has addresses for */

/* --- rendering --- */

static const char *word(const struct lg_instance *in)
{
    return lg_dialect_status(LG_DIALECT_CLOUD, in->state);
}

static void render(struct lg_json *j, const struct lg_instance *in)
{
    lg_json_obj(j, NULL);
    lg_json_str(j, "id", in->id);
    lg_json_str(j, "user_id", in->owner_id);
    lg_json_str(j, "name", in->name);
    lg_json_str(j, "image", in->image);
    lg_json_str(j, "status", word(in));
    lg_json_bool(j, "ssh_enabled", in->ssh_enabled);
    lg_json_time(j, "created_at", in->created_at);
    lg_json_end_obj(j);
}

static int answer(struct lg_resp *r, int status, const struct lg_instance *in)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    render(&j, in);
    return 0;
}

/* The array of all containers, as of the transaction at hand. */
static int render_all(struct lg_db *db, const char *tenant_id, struct lg_json *j, const char *key,
                      struct lg_err *e)
{
    lg_cleanup_instance_list struct lg_instance_list l = {0};
    struct lg_instance_filter f = {.tenant_id = tenant_id,
                                   .state = -1,
                                   .backend = "docker",
                                   .name = "",
                                   .q = "",
                                   .label_key = "",
                                   .label_value = ""};
    int rc = lg_instance_list(db, &f, LIST_MAX, NULL, &l, e);
    lg_json_arr(j, key);
    for (int i = 0; !rc && i < l.count; i++)
        render(j, &l.at[i]);
    lg_json_end_arr(j);
    return rc;
}

int lg_cloud_snapshot(struct lg_db *db, const char *tenant_id, struct lg_buf *out, struct lg_err *e)
{
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "type", "containers");
    int rc = render_all(db, tenant_id, &j, "data", e);
    lg_json_end_obj(&j);
    return rc ? rc : out->failed ? lg_fail(e, LG_INTERNAL, "the list of containers is too large") : 0;
}

/* --- reading --- */

static int find(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    int rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], in, e);
    return !rc && strcmp(in->type, "container") ? lg_fail(e, LG_NO_INSTANCE, "there is no such container")
                                                : rc;
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_json j;
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    lg_resp_json(r, 200, &j);
    rc = render_all(db, q->who.tenant_id, &j, "containers", e);
    lg_json_end_obj(&j);
    return rc;
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = find(q, &in, e);
    return rc ? rc : answer(r, 200, &in);
}

/* --- create --- */

struct body {
    const char *name, *image;
};

static const struct lg_field fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "image", .type = LG_T_STRING, .offset = offsetof(struct body, image)},
    {0}};

/* Answers when it can be started: this dialect has no word for what is still being made. */
static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    struct body b = {0};
    json_t *json;
    int rc = lg_req_json(q, &json, e);
    if (!rc)
        rc = lg_body_fields(json, fields, false, "", &b, e);
    if (!rc)
        rc = lg_create_plain(q, b.name, "container", b.image && *b.image ? b.image : NULL, &in, e);
    memcpy(in.tenant_id, q->who.tenant_id, sizeof in.tenant_id);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_create_add(q, &in, false, &op, e);
    if (!rc)
        rc = lg_req_commit(q, in.id, in.name, e);
    return rc ? rc : lg_park(q, r, &op, "cloud-created", in.id, LG_VERB_WAIT_S, e);
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
        rc = lg_verb_ask_as(q, LG_DIALECT_CLOUD, asked, &in, &op, e);
    if (!rc)
        rc = lg_req_commit(q, in.id, in.name, e);
    return rc ? rc : lg_park(q, r, &op, "cloud", in.id, LG_VERB_WAIT_S, e);
}

static int answer_deleted(struct lg_resp *r, const char *id)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_str(&j, "id", id);
    lg_json_str(&j, "status", "deleted");
    lg_json_end_obj(&j);
    return 0;
}

static int show(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, int status, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    int done = lg_wait_result(q, h, &op, &in, e);
    if (done < 0)
        return done;
    return *in.id ? answer(r, done ? status : 202, &in) : answer_deleted(r, h->id);
}

int lg_view_cloud(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    return show(q, r, h, 200, e);
}

int lg_view_cloud_created(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    char path[80];
    snprintf(path, sizeof path, "/compute/containers/%.40s", h->id);
    int rc = show(q, r, h, 201, e);
    if (!rc)
        lg_resp_header(r, "Location", path);
    return rc;
}

/* --- ingress --- */

static void render_rule(struct lg_json *j, const struct lg_ingress *rule, const struct lg_conf *c)
{
    char url[LG_INGRESS_URL];
    lg_ingress_url(rule, c, url);
    lg_json_obj(j, NULL);
    lg_json_str(j, "container_id", rule->instance_id);
    lg_json_int(j, "port", rule->port);
    lg_json_int(j, "target_port", rule->target_port);
    lg_json_str(j, "host", rule->host);
    lg_json_str(j, "url", url);
    lg_json_time(j, "created_at", rule->created_at);
    lg_json_end_obj(j);
}

struct rules {
    struct lg_json j;
    const struct lg_conf *conf;
};

static void add_rule(void *arg, const struct lg_ingress *rule)
{
    struct rules *t = arg;
    render_rule(&t->j, rule, t->conf);
}

static int list_rules(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct rules t = {.conf = &q->app->conf};
    int rc = find(q, &in, e);
    if (rc)
        return rc;
    lg_resp_json(r, 200, &t.j);
    lg_json_arr(&t.j, "ingress");
    rc = lg_ingress_each(q->db, q->who.tenant_id, in.id, add_rule, &t, e);
    lg_json_end_arr(&t.j);
    lg_json_end_obj(&t.j);
    return rc < 0 ? rc : 0;
}

static int create_rule(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_ingress rule = {0};
    struct lg_json j;
    int rc = lg_ingress_parse(q, false, &rule, e);
    if (rc || (rc = lg_ingress_create(q, &rule, e)))
        return rc;
    r->status = 201;
    lg_json_init(&j, &r->body);
    render_rule(&j, &rule, &q->app->conf);
    return 0;
}

/* --- SSH --- */

#define NO_SSH "this host has no SSH gateway yet"

static int answer_ssh(struct lg_resp *r, const struct lg_instance *in)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_str(&j, "container_id", in->id);
    lg_json_bool(&j, "enabled", in->ssh_enabled);
    lg_json_bool(&j, "available", false);
    lg_json_str(&j, "reason", NO_SSH);
    lg_json_end_obj(&j);
    return 0;
}

static int get_ssh(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = find(q, &in, e);
    return rc ? rc : answer_ssh(r, &in);
}

struct wish {
    struct lg_opt_bool enabled, ssh_enabled;
};

static const struct lg_field ssh_fields[] = {
    {.name = "enabled", .type = LG_T_BOOL, .offset = offsetof(struct wish, enabled)},
    {.name = "ssh_enabled", .type = LG_T_BOOL, .offset = offsetof(struct wish, ssh_enabled)},
    {0}};

/* Without a body it toggles. */
static int put_ssh(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct wish w = {0};
    json_t *json;
    int rc = lg_req_json(q, &json, e);
    if (!rc)
        rc = lg_body_fields(json, ssh_fields, false, "", &w, e);
    if (rc || (rc = lg_req_begin(q, e)) || (rc = find(q, &in, e)))
        return rc;
    bool on = w.enabled.set ? w.enabled.v : w.ssh_enabled.set ? w.ssh_enabled.v : !in.ssh_enabled;
    if (on) {
        lg_fail(e, LG_UNSUPPORTED, "SSH cannot be enabled: %s", NO_SSH);
        return lg_err_detail(e, "reason", NO_SSH);
    }
    rc = lg_instance_set_ssh(q->db, &in, on, e);
    if (!rc)
        rc = lg_req_commit(q, in.id, in.name, e);
    return rc ? rc : answer_ssh(r, &in);
}

/* --- WebSocket --- */

static int socket_of_all(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_handoff h = {.k = "events", .after = -1, .format = "cloud", .kinds = "instance"};
    int rc = lg_handoff_proto(q, &h.proto, e);
    if (!rc && strcmp(h.proto, "ws"))
        rc = lg_fail(e, LG_INVALID, "open this as a WebSocket");
    h.scope = q->who.tenant_id;
    return rc ? rc : lg_handoff(q, r, &h, e);
}

#define BASE "/compute/containers"
#define READ(path, fn, text)                                                                                 \
    {                                                                                                        \
        .method = "GET", .pattern = path, .perm = LG_PERM_MEMBER, .handler = fn, .doc = text                 \
    }
#define WRITE(methods, path, what, fn, text)                                                                 \
    {                                                                                                        \
        .method = methods, .pattern = path, .perm = LG_PERM_MEMBER, .action = what,                          \
        .body_max = LG_BODY_SMALL, .handler = fn, .doc = text                                                \
    }

const struct lg_route lg_routes_cloud[] = {
    READ(BASE, list, "Cloud dialect: the containers"),
    WRITE("POST", BASE, "instance.create", create, "Cloud dialect: {name, image}; made, not started"),
    READ(BASE "/:id", get_one, "Cloud dialect: one container"),
    WRITE("DELETE", BASE "/:id", "instance.delete", verb, "Cloud dialect: deletes it, running or not"),
    WRITE("PUT|POST", BASE "/:id/start", "instance.start", verb, "Cloud dialect: starts it"),
    WRITE("PUT|POST", BASE "/:id/stop", "instance.stop", verb, "Cloud dialect: stops it"),
    READ(BASE "/:id/ssh", get_ssh, "Cloud dialect: is SSH enabled?"),
    WRITE("PUT", BASE "/:id/ssh", "instance.ssh", put_ssh,
          "Cloud dialect: {enabled}; toggles without a body"),
    READ(BASE "/:id/ingress", list_rules, "Cloud dialect: the container's ingress rules"),
    WRITE("POST", BASE "/:id/ingress", "ingress.create", create_rule, "Cloud dialect: {port, target_port}"),
    WRITE("DELETE", BASE "/:id/ingress/:port", "ingress.delete", lg_ingress_delete,
          "Cloud dialect: takes it back"),
    READ("/compute/ws", socket_of_all, "Cloud dialect: WebSocket; all containers, then each change"),
    {.method = NULL}};
