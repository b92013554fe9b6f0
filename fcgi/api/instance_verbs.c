/* What is asked of an existing instance: each is an operation that lodge-runner carries out. */
#include <string.h>

#include "api/vm.h"
#include "http/body.h"
#include "http/etag.h"
#include "store/flavor.h"
#include "store/quota.h"

#define WAIT_DEFAULT_S LG_VERB_WAIT_S
#define WAIT_MAX_S     300

/* What the reconciler keeps once the verb is asked for; NULL: as it was. */
static const char *const desired[LG_V_COUNT] = {
    [LG_V_START] = "running", [LG_V_STOP] = "stopped",    [LG_V_RESTART] = "running",
    [LG_V_PAUSE] = "paused",  [LG_V_UNPAUSE] = "running", [LG_V_DELETE] = "absent",
    [LG_V_RESET] = "running", [LG_V_SUSPEND] = "stopped", [LG_V_WAKE] = "running"};

/* Why it was in its last state is no news any more once it starts again. */
static bool clears_reason(enum lg_verb v)
{
    return v == LG_V_START || v == LG_V_RESTART || v == LG_V_RESET || v == LG_V_WAKE;
}

int lg_verb_ask(struct lg_req *q, struct lg_instance *in, enum lg_verb v, bool force, const char *params,
                struct lg_operation *op, struct lg_err *e)
{
    static const struct lg_reason nothing = {.text = "", .code = "", .exit_code = -1};
    char kind[32];
    int rc = lg_verb_of_type(v, in->type, e);
    v = lg_verb_meant(v, in->state);
    if (rc || (rc = lg_verb_allowed(v, in->state, force, e)))
        return rc;
    snprintf(kind, sizeof kind, "instance.%s", lg_verb_name(v));
    lg_operation_from(op, q, kind);
    memcpy(op->instance_id, in->id, sizeof op->instance_id);
    snprintf(op->subject_name, sizeof op->subject_name, "%s", in->name);
    snprintf(op->params, sizeof op->params, "%s", params);
    if ((rc = lg_operation_add(q->db, op, force, e)) || lg_verb_during(v) == LG_ST_COUNT)
        return rc;
    struct lg_instance_change ch = {.state = (int)lg_verb_during(v),
                                    .desired = desired[v],
                                    .reason = clears_reason(v) ? &nothing : NULL,
                                    .started_at = -1,
                                    .operation_id = op->id};
    return lg_instance_change(q->db, in, &ch, e);
}

int lg_verb_ask_as(struct lg_req *q, enum lg_dialect d, enum lg_verb asked, struct lg_instance *in,
                   struct lg_operation *op, struct lg_err *e)
{
    struct lg_dialect_act act = {0};
    char params[96];
    int rc = lg_dialect_verb(d, asked, in->state, &act, e);
    if (rc)
        return rc;
    /* Other dialects know no stop that fails because a guest does not listen. */
    snprintf(params, sizeof params, "{\"force\":%s,\"timeout\":%ld,\"insist\":true}",
             act.force ? "true" : "false", q->app->conf.stop_timeout_s);
    return lg_verb_ask(q, in, act.verb, act.force, params, op, e);
}

static int open_instance(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], in, e);
    return rc ? rc : lg_if_match_version(q, in->version, e);
}

/* Commits, then answers: at once with `status`, or when the operation has ended. */
static int finish(struct lg_req *q, struct lg_resp *r, struct lg_instance *in, const struct lg_operation *op,
                  int status, int wait, struct lg_err *e)
{
    int rc = wait ? 0 : lg_answer_instance(q, r, status, in, op, e);
    if (!rc)
        rc = lg_req_commit(q, in->id, in->name, e);
    return rc || !wait ? rc : lg_park(q, r, op, "instance", in->id, wait, e);
}

/* --- power --- */

struct power {
    struct lg_opt_bool force;
    struct lg_opt_int timeout;
};

static const struct lg_field stop_fields[] = {
    {.name = "force", .type = LG_T_BOOL, .offset = offsetof(struct power, force)},
    {.name = "timeout", .type = LG_T_INT, .min = 0, .max = 600, .offset = offsetof(struct power, timeout)},
    {0}};
static const struct lg_field no_fields[] = {{0}};

static int parse_power(struct lg_req *q, enum lg_verb v, struct power *p, char params[96], struct lg_err *e)
{
    json_t *json;
    bool stops = v == LG_V_STOP || v == LG_V_RESTART;
    int rc = lg_req_json(q, &json, e);
    if (!rc)
        rc = lg_body_fields(json, stops ? stop_fields : no_fields, true, "", p, e);
    const char *force = p->force.v ? "true" : "false";
    if (p->timeout.set)
        snprintf(params, 96, "{\"force\":%s,\"timeout\":%lld}", force, (long long)p->timeout.v);
    else /* the runner knows how long for a container, how long for a machine */
        snprintf(params, 96, stops ? "{\"force\":%s}" : "{}", force);
    return rc;
}

/* The verb is what follows "instance." in the route's action. */
static int power(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    struct power p = {0};
    char params[96];
    enum lg_verb v = (enum lg_verb)lg_verb_of(q->route->action + sizeof "instance." - 1);
    int rc = parse_power(q, v, &p, params, e);
    if (!rc)
        rc = open_instance(q, &in, e);
    if (!rc)
        rc = lg_verb_ask(q, &in, v, p.force.v, params, &op, e);
    return rc ? rc : finish(q, r, &in, &op, 202, lg_req_wait(q, WAIT_DEFAULT_S, WAIT_MAX_S), e);
}

/* --- delete --- */

static int delete (struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    bool force;
    int rc = lg_req_query_bool(q, "force", &force, e);
    if (!rc)
        rc = open_instance(q, &in, e);
    if (!rc)
        rc =
            lg_verb_ask(q, &in, LG_V_DELETE, force, force ? "{\"force\":true}" : "{\"force\":false}", &op, e);
    return rc ? rc : finish(q, r, &in, &op, 200, lg_req_wait(q, 0, WAIT_MAX_S), e);
}

/* --- update --- */

struct update {
    json_t *resources, *labels, *metadata;
};

static const struct lg_field update_fields[] = {
    {.name = "resources", .type = LG_T_OBJECT, .offset = offsetof(struct update, resources)},
    {.name = "labels", .type = LG_T_OBJECT, .offset = offsetof(struct update, labels)},
    {.name = "metadata", .type = LG_T_OBJECT, .offset = offsetof(struct update, metadata)},
    {0}};

static const struct lg_body update_body[] = {{.where = "", .fields = update_fields},
                                             {.where = "metadata.", .fields = lg_metadata_fields},
                                             LG_RESOURCES_BODY,
                                             {.where = NULL}};

struct wish {
    struct lg_resources res;
    struct lg_instance labels; /* only its labels are used */
    bool set_labels;
};

static int parse_update(struct lg_req *q, struct wish *w, struct lg_err *e)
{
    json_t *json;
    struct update u = {0};
    json_t *inner = NULL;
    int rc = lg_req_json(q, &json, e);
    if (!rc)
        rc = lg_body_fields(json, update_fields, true, "", &u, e);
    if (!rc)
        rc = lg_resources_parse(u.resources, &w->res, e);
    if (!rc && u.metadata)
        rc = lg_body_fields(u.metadata, lg_metadata_fields, true, "metadata.", &inner, e);
    if (!rc && inner)
        rc = lg_labels_parse(inner, "metadata.labels", &w->labels, e);
    if (!rc && u.labels)
        rc = lg_labels_parse(u.labels, "labels", &w->labels, e);
    w->set_labels = inner || u.labels;
    return rc;
}

/* What is named, over `s`. */
static void take_named(const struct lg_resources *res, struct lg_sizes *s)
{
    s->cpu_millis = res->cpu_millis < 0 ? s->cpu_millis : res->cpu_millis;
    s->memory_bytes = res->memory_bytes < 0 ? s->memory_bytes : res->memory_bytes;
    s->storage_bytes = res->storage_bytes < 0 ? s->storage_bytes : res->storage_bytes;
}

/* A container that does not run gets them at its start; anything else is asked of the engine, and first, for
 * while another operation is at work this one changes nothing. */
int lg_sizes_ask(struct lg_req *q, struct lg_instance *in, struct lg_sizes want, struct lg_operation *op,
                 struct lg_err *e)
{
    bool live = !strcmp(in->type, "vm") || in->state == LG_ST_RUNNING || in->state == LG_ST_PAUSED;
    const struct lg_sizes was = lg_instance_sizes(in);
    char params[LG_UPDATE_PARAMS];
    lg_update_params(&was, params);
    int rc = live ? lg_verb_ask(q, in, LG_V_UPDATE, false, params, op, e)
                  : lg_verb_allowed(LG_V_UPDATE, in->state, false, e);
    const struct lg_amounts more = {.cpu_millis = want.cpu_millis - was.cpu_millis,
                                    .memory_bytes = want.memory_bytes - was.memory_bytes,
                                    .storage_bytes = want.storage_bytes - was.storage_bytes};
    if (!rc)
        rc = lg_admit(q, in->id, want.cpu_millis, want.memory_bytes, e);
    if (!rc)
        rc = lg_quota_admit(q->db, in->tenant_id, &more, e);
    if (!rc)
        rc = lg_flavor_keep(q->db, &want, e);
    return rc ? rc : lg_instance_set_sizes(q->db, in, &want, live ? op->id : NULL, e);
}

static int set_sizes(struct lg_req *q, struct lg_instance *in, const struct lg_resources *res,
                     struct lg_operation *op, struct lg_err *e)
{
    struct lg_sizes want = lg_instance_sizes(in);
    take_named(res, &want);
    if (!strcmp(in->type, "vm"))
        return lg_vm_resize(q, in, &want, op, e);
    return res->storage_bytes < 0
               ? lg_sizes_ask(q, in, want, op, e)
               : lg_fail(e, LG_UNSUPPORTED, "the storage of a container cannot be changed");
}

static int apply(struct lg_req *q, struct lg_instance *in, const struct wish *w, struct lg_operation *op,
                 struct lg_err *e)
{
    int rc = 0;
    if (w->set_labels)
        rc = lg_instance_set_labels(q->db, in, w->labels.labels, w->labels.label_count, e);
    if (!rc && (w->res.cpu_millis >= 0 || w->res.memory_bytes >= 0 || w->res.storage_bytes >= 0))
        rc = set_sizes(q, in, &w->res, op, e);
    return rc;
}

static int update(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct wish w = {0};
    struct lg_operation op = {0};
    int rc = parse_update(q, &w, e);
    if (!rc)
        rc = open_instance(q, &in, e);
    if (!rc)
        rc = apply(q, &in, &w, &op, e);
    lg_instance_done(&w.labels);
    if (rc)
        return rc;
    if (*op.id)
        return finish(q, r, &in, &op, 202, lg_req_wait(q, WAIT_DEFAULT_S, WAIT_MAX_S), e);
    rc = lg_answer_instance(q, r, 200, &in, NULL, e);
    return rc ? rc : lg_req_commit(q, in.id, in.name, e);
}

/* --- resize --- */

struct resize {
    const char *flavor;
    json_t *resources;
};

static const struct lg_field resize_fields[] = {
    {.name = "flavor", .type = LG_T_STRING, .min = 1, .offset = offsetof(struct resize, flavor)},
    {.name = "resources", .type = LG_T_OBJECT, .offset = offsetof(struct resize, resources)},
    {0}};
static const struct lg_body resize_body[] = {
    {.where = "", .fields = resize_fields}, LG_RESOURCES_BODY, {.where = NULL}};

/* GPUs stay what the create made them. */
static int same_gpus(struct lg_req *q, const char *from, const char *to, struct lg_err *e)
{
    struct lg_flavor old = {0}, new = {0};
    int rc = *from ? lg_flavor_get(q->db, from, &old, e) : 0;
    rc = rc < 0 ? rc : lg_flavor_get(q->db, to, &new, e);
    if (rc < 0 || old.gpus == new.gpus)
        return rc < 0 ? rc : 0;
    lg_fail(e, LG_UNSUPPORTED, "flavor %s has another number of GPUs, which only a create gives", to);
    return lg_err_detail(e, "field", "flavor");
}

/* What is named, over what the flavor says; a flavor never makes a disk smaller. */
static int resize_to(struct lg_req *q, const struct resize *z, const struct lg_instance *in,
                     struct lg_sizes *want, struct lg_err *e)
{
    struct lg_resources res;
    struct lg_instance sized = {.type = "vm"};
    int rc = lg_resources_parse(z->resources, &res, e);
    if (!rc && z->flavor)
        rc = lg_create_flavor(q, z->flavor, &sized, e);
    if (!rc && z->flavor)
        rc = same_gpus(q, in->flavor, z->flavor, e);
    *want = lg_instance_sizes(z->flavor ? &sized : in);
    if (want->storage_bytes < in->storage_bytes)
        want->storage_bytes = in->storage_bytes;
    take_named(&res, want);
    return rc;
}

static int resize(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    struct resize z = {0};
    struct lg_sizes want;
    json_t *json;
    int rc = lg_req_json(q, &json, e);
    if (!rc)
        rc = lg_body_fields(json, resize_fields, true, "", &z, e);
    if (!rc && !z.flavor && !z.resources)
        rc = lg_fail(e, LG_INVALID, "name a flavor or resources");
    if (!rc)
        rc = open_instance(q, &in, e);
    if (!rc)
        rc = strcmp(in.type, "vm") ? lg_fail(e, LG_UNSUPPORTED, "a container is not resized: update it") : 0;
    if (!rc)
        rc = resize_to(q, &z, &in, &want, e);
    if (!rc)
        rc = lg_vm_resize(q, &in, &want, &op, e);
    return rc ? rc : finish(q, r, &in, &op, 202, lg_req_wait(q, WAIT_DEFAULT_S, WAIT_MAX_S), e);
}

#define BASE "/api/v1/compute/instances/:id"
#define POWER(verb, table, text)                                                                             \
    {                                                                                                        \
        .method = "PUT|POST", .pattern = BASE "/" verb, .perm = LG_PERM_MEMBER, .action = "instance." verb,  \
        .body_max = LG_BODY_SMALL, .body = LG_BODY_OF(table), .handler = power, .doc = text                  \
    }

const struct lg_route lg_routes_verbs[] = {
    POWER("start", no_fields, "Starts it"),
    POWER("stop", stop_fields, "Stops it; {force, timeout}"),
    POWER("restart", stop_fields, "Stops and starts it; {force, timeout}"),
    POWER("pause", no_fields, "Freezes its processes"),
    POWER("unpause", no_fields, "Lets them go on"),
    POWER("reset", no_fields, "A virtual machine: as its reset button, at once and without asking it"),
    POWER("suspend", no_fields, "A virtual machine: writes its memory to disk and gives it free; asleep"),
    POWER("wake", no_fields, "A virtual machine: goes on where it fell asleep; a start does the same"),
    {.method = "PUT|POST",
     .pattern = BASE "/resize",
     .perm = LG_PERM_MEMBER,
     .action = "instance.resize",
     .body_max = LG_BODY_SMALL,
     .body = resize_body,
     .handler = resize,
     .doc = "A virtual machine: more or fewer cores and memory, a larger disk; {flavor, resources}"},
    {.method = "PUT",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .action = "instance.update",
     .body_max = LG_BODY_SMALL,
     .body = update_body,
     .handler = update,
     .doc = "Changes limits and labels"},
    {.method = "DELETE",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .action = "instance.delete",
     .body_max = LG_BODY_SMALL,
     .handler = delete,
     .doc = "Deletes it; ?force=true also when it runs"},
    {.method = NULL}};
