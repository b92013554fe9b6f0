#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/compute.h"
#include "api/networks.h"
#include "api/volumes.h"
#include "api/instance_cache.h"
#include "base/clock.h"
#include "model/validate.h"

#define TAIL_DEFAULT 1000
#define TAIL_MAX     100000

/* --- one --- */

/* The stamp is taken before the reading: what is committed in between makes the remembered answer old at
 * once. */
static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    if (lg_instance_cache_get(q, r, q->param[0]))
        return 0;
    struct lg_stamp stamp = lg_db_stamp(q->db);
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    rc = lg_instance_get(db, q->who.tenant_id, q->param[0], &in, e);
    if (!rc)
        rc = lg_answer_instance(q, r, 200, &in, NULL, e);
    if (!rc)
        lg_instance_cache_put(q, r, in.id, &stamp);
    return rc;
}

static int get_by_name(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    rc = lg_instance_by_name(db, q->who.tenant_id, q->param[0], &in, e);
    return rc ? rc : lg_answer_instance(q, r, 200, &in, NULL, e);
}

/* --- list --- */

/* One more than the page is read, to know whether there is a next one. */
static void keep(void *arg, struct lg_instance *in)
{
    struct lg_instance_list *l = arg;
    if (l->count == l->limit) {
        l->more = true;
        return;
    }
    l->at[l->count++] = *in;
    memset(in, 0, sizeof *in);
}

void lg_instance_list_done(struct lg_instance_list *l)
{
    for (int i = 0; i < l->count; i++)
        lg_instance_done(&l->at[i]);
    free(l->at);
}

int lg_instance_list(struct lg_db *db, struct lg_instance_filter *f, int limit, int64_t *total,
                     struct lg_instance_list *l, struct lg_err *e)
{
    *l = (struct lg_instance_list){.at = calloc((size_t)limit, sizeof *l->at), .limit = limit};
    if (!l->at)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    f->limit = limit + 1;
    int rc = lg_instance_each(db, f, total, keep, l, e);
    return rc < 0 ? rc : 0;
}

/* label=k or label=k=v */
static int parse_label(const struct lg_req *q, struct lg_instance_filter *f, char key[64], struct lg_err *e)
{
    const char *label = lg_req_query(q, "label", "");
    size_t n = strcspn(label, "=");
    if (n >= 64 || (*label && !n))
        return lg_invalid_query(e, "label", "must be key or key=value");
    memcpy(key, label, n);
    key[n] = 0;
    f->label_key = key;
    f->label_value = label[n] ? label + n + 1 : "";
    return 0;
}

static int parse_filter(const struct lg_req *q, struct lg_instance_filter *f, char key[64], struct lg_err *e)
{
    const char *state = lg_req_query(q, "state", "");
    *f = (struct lg_instance_filter){.tenant_id = q->who.tenant_id,
                                     .state = *state ? lg_state_of(state) : -1,
                                     .backend = lg_req_query(q, "backend", ""),
                                     .name = lg_req_query(q, "name", ""),
                                     .q = lg_req_query(q, "q", "")};
    if (*state && f->state < 0)
        return lg_invalid_query(e, "state", "must be a state such as running or stopped");
    if (*f->backend && strcmp(f->backend, "docker") && strcmp(f->backend, "kvm")) {
        lg_fail(e, LG_INVALID_BACKEND, "there is no backend called %.40s; it is docker or kvm", f->backend);
        return lg_err_detail(e, "field", "backend");
    }
    return parse_label(q, f, key, e);
}

static int render_list(struct lg_req *q, struct lg_resp *r, const struct lg_keyset *p,
                       struct lg_instance_list *l, int64_t total, struct lg_err *e)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_arr(&j, "instances");
    for (int i = 0; i < l->count; i++) {
        int rc = lg_render_instance(q, &j, NULL, &l->at[i], e);
        if (rc)
            return rc;
    }
    lg_json_end_arr(&j);
    lg_keyset_render(&j, p, total, l->more ? l->at[l->count - 1].seq : 0);
    lg_json_end_obj(&j);
    return 0;
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_instance_filter f;
    struct lg_keyset p;
    char key[64];
    int64_t total;
    int rc = lg_keyset_parse(q, &p, e);
    if (!rc)
        rc = parse_filter(q, &f, key, e);
    if (rc || (rc = lg_tx_read(q->db, e)))
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    lg_cleanup_instance_list struct lg_instance_list l = {0};
    f.before_seq = p.before;
    f.offset = lg_keyset_offset(&p);
    rc = lg_instance_list(db, &f, (int)p.size, &total, &l, e);
    return rc ? rc : render_list(q, r, &p, &l, total, e);
}

/* --- create --- */

/* Now that nobody can change it any more, and with what is named beside it. */
static int keep_flavor(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    struct lg_sizes s = lg_instance_sizes(in);
    int rc = lg_flavor_keep(q->db, &s, e);
    memcpy(in->flavor, s.flavor, sizeof in->flavor);
    return rc;
}

int lg_create_add(struct lg_req *q, struct lg_instance *in, bool start, struct lg_operation *op,
                  struct lg_err *e)
{
    in->state = LG_ST_CREATING;
    snprintf(in->desired, sizeof in->desired, "%s", start ? "running" : "stopped");
    int rc = lg_create_resolve(q, in, e);
    if (!rc)
        rc = keep_flavor(q, in, e);
    if (!rc)
        rc = lg_instance_add(q->db, in, &q->app->env_key, e);
    if (!rc)
        rc = lg_mounts_add(q, in, e);
    if (!rc)
        rc = lg_networks_add(q, in, e);
    if (rc)
        return rc;
    lg_operation_from(op, q, "instance.create");
    memcpy(op->instance_id, in->id, sizeof op->instance_id);
    memcpy(op->image_id, in->image_id, sizeof op->image_id);
    snprintf(op->subject_name, sizeof op->subject_name, "%s", in->name);
    snprintf(op->params, sizeof op->params, "{\"start\":%s}", start ? "true" : "false");
    return lg_operation_add(q->db, op, false, e);
}

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    bool start;
    int rc = lg_create_parse(q, &in, &start, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_create_add(q, &in, start, &op, e);
    int wait = lg_req_wait(q, 0, 300);
    if (!rc && !wait)
        rc = lg_answer_instance(q, r, 201, &in, &op, e);
    if (!rc)
        rc = lg_req_commit(q, in.id, in.name, e);
    if (rc)
        return rc;
    if (wait)
        return lg_park(q, r, &op, "created", in.id, wait, e);
    char path[80];
    snprintf(path, sizeof path, "/api/v1/compute/instances/%s", in.id);
    lg_resp_header(r, "Location", path);
    return 0;
}

/* --- logs --- */

static int parse_tail(const struct lg_req *q, int64_t absent, int64_t *tail, struct lg_err *e)
{
    if (strcmp(lg_req_query(q, "tail", ""), "all"))
        return lg_req_query_int(q, "tail", 0, TAIL_MAX, absent, tail, e);
    *tail = -1;
    return 0;
}

static int logs(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_handoff h = {.k = "logs", .after = -1};
    int rc = lg_req_query_time(q, "since", 0, &h.since, e);
    if (!rc)
        rc = lg_req_query_bool(q, "follow", &h.follow, e);
    if (!rc)
        rc = parse_tail(q, h.since ? -1 : TAIL_DEFAULT, &h.tail, e);
    if (!rc)
        rc = lg_handoff_proto(q, &h.proto, e);
    if (!rc)
        rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    if (rc)
        return rc;
    h.instance = in.id;
    return lg_handoff(q, r, &h, e);
}

#define BASE "/api/v1/compute/instances"

const struct lg_route lg_routes_instances[] = {
    {.method = "GET",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "The tenant's instances, newest first; filters state, backend, name, label, q"},
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .action = "instance.create",
     .body_max = LG_BODY_LARGE,
     .body = lg_create_body,
     .handler = create,
     .doc = "Creates an instance"},
    {.method = "GET",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .handler = get_one,
     .doc = "One instance, with its version as ETag"},
    {.method = "GET",
     .pattern = BASE "/name/:name",
     .perm = LG_PERM_MEMBER,
     .handler = get_by_name,
     .doc = "One instance by name"},
    {.method = "GET",
     .pattern = BASE "/:id/logs",
     .perm = LG_PERM_MEMBER,
     .handler = logs,
     .doc = "Its output as text, SSE or WebSocket; tail, follow, since"},
    {.method = NULL}};
