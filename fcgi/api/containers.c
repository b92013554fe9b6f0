/*
 * The containers of the repl dialect: an image and a command are run to their end and removed, with the
 * answer or as a stream. The worker writes the wish down and is free; lodge-stream fetches the run from
 * lodge-runner. Beside them the tenant's instances are listed and deleted.
 */
#include <string.h>

#include "api/compute.h"
#include "http/auth.h"
#include "http/body.h"
#include "model/image_ref.h"
#include "model/validate.h"
#include "store/image.h"
#include "store/oneshot.h"

#define COMMAND_BYTES ((size_t)128 << 10) /* what the kernel takes of one argument */
#define LIST_MAX      10000

struct body {
    const char *image;
    json_t *command;
};

static const struct lg_field fields[] = {
    {.name = "image",
     .type = LG_T_STRING,
     .required = true,
     .min = 1,
     .offset = offsetof(struct body, image)},
    {.name = "command", .type = LG_T_ANY, .offset = offsetof(struct body, command)},
    {.name = NULL}};

/* --- what is asked for --- */

/* A text is for the image's own shell, inside the container. */
static json_t *as_array(json_t *given)
{
    if (json_is_string(given))
        return json_pack("[s,s,O]", "/bin/sh", "-c", given);
    return given && !json_is_null(given) ? json_incref(given) : json_array();
}

static int check_command(const json_t *command, struct lg_err *e)
{
    size_t i, all = 0;
    json_t *word;
    if (!json_is_array(command) || json_array_size(command) > LG_COMMAND_MAX)
        return lg_invalid(e, "command", "must be an array of at most 256 strings, or one string");
    json_array_foreach(command, i, word)
    {
        if (!json_is_string(word) || (!i && !json_string_length(word)))
            return lg_invalid(e, "command", "must be strings, the first one not empty");
        all += json_string_length(word);
    }
    return all > COMMAND_BYTES ? lg_invalid(e, "command", "is longer than 128 KiB") : 0;
}

/* An image of the catalogue, or a registry's, which is pulled when it is not there. */
static int resolve(struct lg_req *q, struct lg_oneshot *o, struct lg_err *e)
{
    struct lg_image im;
    int rc = lg_image_resolve(q->db, q->who.tenant_id, o->image, "container", &im, e);
    if (!rc && strcmp(im.state, "ready"))
        return lg_fail(e, LG_STATE, "the image %s is not ready: %s", im.name,
                       *im.error ? im.error : im.state);
    if (!rc) {
        snprintf(o->image_ref, sizeof o->image_ref, "%s", im.reference);
        return 0;
    }
    if (rc != -(int)LG_NOT_FOUND ||
        (!q->who.admin && !lg_image_ref_allowed(o->image, q->app->conf.image_registries)))
        return rc;
    lg_err_clear(e);
    rc = lg_image_ref_full(o->image, o->image_ref, sizeof o->image_ref, e);
    return rc ? lg_err_detail(e, "field", "image") : 0;
}

static int parse(struct lg_req *q, struct lg_oneshot *o, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    int rc = lg_req_json(q, &json, e);
    rc = rc ? rc : lg_body_fields(json, fields, false, "", &b, e);
    rc = rc ? rc : lg_check_image_ref("image", b.image, e);
    if (rc)
        return rc;
    lg_cleanup_json json_t *command = as_array(b.command);
    rc = check_command(command, e);
    o->command = rc ? NULL : json_dumps(command, JSON_COMPACT);
    snprintf(o->image, sizeof o->image, "%s", b.image);
    return rc ? rc : o->command ? 0 : lg_fail(e, LG_INTERNAL, "out of memory");
}

static int create_as(struct lg_req *q, struct lg_resp *r, bool whole, struct lg_err *e)
{
    lg_cleanup_oneshot struct lg_oneshot o = {.whole = whole};
    struct lg_handoff h = {.k = "oneshot", .proto = whole ? "text" : "sse"};
    int rc = parse(q, &o, e);
    rc = rc ? rc : lg_req_begin(q, e);
    rc = rc ? rc : lg_gateway_tenant(q, e);
    rc = rc ? rc : resolve(q, &o, e);
    snprintf(o.tenant_id, sizeof o.tenant_id, "%s", q->who.tenant_id);
    snprintf(o.user_id, sizeof o.user_id, "%s", q->who.user_id);
    rc = rc ? rc : lg_oneshot_add(q->db, &o, e);
    rc = rc ? rc : lg_req_commit(q, o.id, o.image, e);
    h.run = o.id;
    h.format = !whole && !strcmp(lg_req_query(q, "format", ""), "json") ? "json" : "";
    return rc ? rc : lg_handoff(q, r, &h, e);
}

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return create_as(q, r, true, e);
}

static int create_stream(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    return create_as(q, r, false, e);
}

/* --- the list: [name, id, image, state] --- */

static void add_row(struct lg_json *j, const char *name, const char *id, const char *image, const char *state)
{
    lg_json_arr(j, NULL);
    lg_json_str(j, NULL, name);
    lg_json_str(j, NULL, id);
    lg_json_str(j, NULL, image);
    lg_json_str(j, NULL, state);
    lg_json_end_arr(j);
}

static void add_oneshot(void *arg, const struct lg_oneshot *o)
{
    char name[80];
    snprintf(name, sizeof name, "run-%.8s", o->id);
    add_row(arg, name, o->id, o->image, o->state);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_json j;
    lg_cleanup_instance_list struct lg_instance_list l = {0};
    struct lg_instance_filter f = {.tenant_id = q->who.tenant_id,
                                   .state = -1,
                                   .backend = "docker",
                                   .name = "",
                                   .q = "",
                                   .label_key = "",
                                   .label_value = ""};
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    lg_json_init(&j, &r->body);
    lg_json_arr(&j, NULL);
    rc = lg_instance_list(db, &f, LIST_MAX, NULL, &l, e);
    for (int i = 0; !rc && i < l.count; i++)
        add_row(&j, l.at[i].name, l.at[i].id, l.at[i].image, lg_state_name(l.at[i].state));
    rc = rc < 0 ? rc : lg_oneshot_each(db, q->who.tenant_id, add_oneshot, &j, e);
    lg_json_end_arr(&j);
    return rc < 0 ? rc : 0;
}

/* --- delete --- */

static int answer_removed(struct lg_resp *r, const char *id, const char *message)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_str(&j, "id", id);
    lg_json_str(&j, "message", message);
    lg_json_end_obj(&j);
    return 0;
}

static int delete_instance(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    int rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    if (!rc && strcmp(in.type, "container"))
        rc = lg_fail(e, LG_NO_INSTANCE, "there is no such container");
    rc = rc ? rc : lg_verb_ask_as(q, LG_DIALECT_CLOUD, LG_V_DELETE, &in, &op, e);
    rc = rc ? rc : lg_req_commit(q, in.id, in.name, e);
    return rc ? rc : lg_park(q, r, &op, "container-deleted", in.id, LG_VERB_WAIT_S, e);
}

/* A run ends within a second of this; an instance is waited for. */
static int delete_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    int rc = lg_req_begin(q, e);
    int stopped = rc ? rc : lg_oneshot_stop(q->db, q->param[0], q->who.tenant_id, e);
    if (stopped < 0)
        return stopped;
    if (!stopped)
        return delete_instance(q, r, e);
    answer_removed(r, q->param[0], "the container is ended and removed");
    return lg_req_commit(q, q->param[0], NULL, e);
}

int lg_view_container_deleted(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h,
                              struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    int done = lg_wait_result(q, h, &op, &in, e);
    if (done < 0)
        return done;
    return answer_removed(r, h->id, *in.id ? "the container is being removed" : "the container is removed");
}

#define BASE "/api/containers"
#define RUN(path, fn, text)                                                                                  \
    {                                                                                                        \
        .method = "POST", .pattern = path, .perm = LG_PERM_MEMBER, .action = "container.run",                \
        .body_max = (size_t)256 << 10, .body = LG_BODY_OF(fields), .handler = fn, .doc = text                \
    }
const struct lg_route lg_routes_containers[] = {
    {.method = "GET",
     .pattern = BASE "/list",
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "Repl dialect: the containers, each as [name, id, image, state]"},
    RUN(BASE "/create", create, "Repl dialect: runs a command in an image and answers with its output"),
    RUN(BASE "/create/stream", create_stream,
        "Repl dialect: the same as server-sent events; format=json for objects"),
    {.method = "DELETE",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .action = "instance.delete",
     .body_max = LG_BODY_SMALL,
     .handler = delete_one,
     .doc = "Repl dialect: ends and removes a container"},
    {.method = NULL}};
