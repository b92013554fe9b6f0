#include <string.h>

#include "api/compute.h"
#include "base/clock.h"

#define WAIT_MAX_S 300

void lg_operation_from(struct lg_operation *op, const struct lg_req *q, const char *kind)
{
    memset(op, 0, sizeof *op);
    snprintf(op->kind, sizeof op->kind, "%s", kind);
    memcpy(op->tenant_id, q->who.tenant_id, sizeof op->tenant_id);
    memcpy(op->user_id, q->who.user_id, sizeof op->user_id);
    memcpy(op->username, q->who.username, sizeof op->username);
    snprintf(op->request_id, sizeof op->request_id, "%s", q->request_id);
}

void lg_operation_header(struct lg_resp *r, const struct lg_operation *op)
{
    char path[80];
    snprintf(path, sizeof path, "/api/v1/operations/%s", op->id);
    lg_resp_header(r, "Operation-Location", path);
}

int lg_park(struct lg_req *q, struct lg_resp *r, const struct lg_operation *op, const char *view,
            const char *id, int seconds, struct lg_err *e)
{
    struct lg_handoff h = {.k = "wait",
                           .op = op->id,
                           .until = lg_clock_ms() + (int64_t)seconds * 1000,
                           .view = view,
                           .id = id,
                           .after = -1};
    return lg_handoff(q, r, &h, e);
}

static int operation_failure(const struct lg_operation *op, struct lg_err *e)
{
    bool cancelled = !strcmp(op->status, "cancelled");
    enum lg_code code = *op->error_code ? lg_code_of(op->error_code) : cancelled ? LG_CANCELLED : LG_INTERNAL;
    const char *text = *op->error_text ? op->error_text
                       : cancelled     ? "the operation was cancelled"
                                       : "the operation failed";
    lg_fail(e, code, "%s", text);
    lg_err_detail(e, "operation", "%s", op->id);
    return lg_err_detail(e, "kind", "%s", op->kind);
}

/* The operation, if the caller may see it: its tenant's, or any for an admin. */
static int find(struct lg_req *q, const char *id, struct lg_operation *op, struct lg_err *e)
{
    int rc = lg_operation_get(q->db, id, op, e);
    if (!rc && strcmp(op->tenant_id, q->who.tenant_id) && !q->who.admin)
        rc = lg_fail(e, LG_NOT_FOUND, "there is no such operation");
    return rc;
}

static int answer(struct lg_resp *r, int status, const struct lg_operation *op)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    lg_operation_render(&j, NULL, op);
    return 0;
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_operation op;
    int rc = find(q, q->param[0], &op, e);
    return rc ? rc : answer(r, 200, &op);
}

static int wait_for(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_operation op;
    int64_t seconds;
    int rc = lg_req_query_int(q, "timeout", 0, WAIT_MAX_S, 60, &seconds, e);
    if (!rc)
        rc = find(q, q->param[0], &op, e);
    if (rc)
        return rc;
    if (lg_operation_ended(&op) || !seconds)
        return answer(r, 200, &op);
    return lg_park(q, r, &op, "operation", op.id, (int)seconds, e);
}

static int cancel(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_operation op;
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = find(q, q->param[0], &op, e);
    if (!rc)
        rc = lg_operation_cancel(q->db, op.id, e);
    if (!rc)
        rc = lg_operation_get(q->db, op.id, &op, e);
    if (!rc)
        rc = lg_req_commit(q, op.id, op.kind, e);
    if (rc)
        return rc;
    lg_operation_header(r, &op);
    return answer(r, 202, &op);
}

struct list {
    struct lg_json j;
    int n, limit;
    int64_t last_seq, next;
};

/* One more than the page is read, to know whether there is a next one. */
static void add_one(void *arg, const struct lg_operation *op)
{
    struct list *l = arg;
    if (l->n++ == l->limit) {
        l->next = l->last_seq;
        return;
    }
    l->last_seq = op->seq;
    lg_operation_render(&l->j, NULL, op);
}

static int check_status(const char *status, struct lg_err *e)
{
    static const char *const all[] = {"", "queued", "running", "done", "failed", "cancelled"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!strcmp(status, all[i]))
            return 0;
    return lg_invalid_query(e, "status", "must be queued, running, done, failed or cancelled");
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    const char *instance = lg_req_query(q, "instance", ""), *status = lg_req_query(q, "status", "");
    struct lg_keyset p;
    int64_t total;
    int rc = lg_keyset_parse(q, &p, e);
    if (!rc)
        rc = check_status(status, e);
    if (rc || (rc = lg_tx_read(q->db, e)))
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    struct list l = {.limit = (int)p.size};
    lg_resp_json(r, 200, &l.j);
    lg_json_arr(&l.j, "operations");
    rc = lg_operation_each(db, q->who.tenant_id, instance, status, p.before, l.limit + 1,
                           lg_keyset_offset(&p), add_one, &l, e);
    if (rc < 0 || (rc = lg_operation_count(db, q->who.tenant_id, instance, status, &total, e)))
        return rc;
    lg_json_end_arr(&l.j);
    lg_keyset_render(&l.j, &p, total, l.next);
    lg_json_end_obj(&l.j);
    return 0;
}

/* After …/wait: the operation as it is, done or not. */
static int view_operation(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    struct lg_operation op;
    int rc = find(q, h->op, &op, e);
    return rc ? rc : answer(r, 200, &op);
}

/* What was deleted is gone; this is what is left to say. */
static int answer_deleted(struct lg_resp *r, const struct lg_operation *op)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_str(&j, "id", op->instance_id);
    lg_json_str(&j, "uuid", op->instance_id);
    lg_json_str(&j, "name", op->subject_name);
    lg_json_str(&j, "state", "deleted");
    lg_json_end_obj(&j);
    lg_operation_header(r, op);
    return 0;
}

int lg_wait_operation(struct lg_req *q, const struct lg_handoff *h, struct lg_operation *op, struct lg_err *e)
{
    int rc = find(q, h->op, op, e);
    if (rc || !lg_operation_ended(op))
        return rc;
    return strcmp(op->status, "done") ? operation_failure(op, e) : 1;
}

int lg_wait_result(struct lg_req *q, const struct lg_handoff *h, struct lg_operation *op,
                   struct lg_instance *in, struct lg_err *e)
{
    int done = lg_wait_operation(q, h, op, e);
    if (done < 0)
        return done;
    int rc = lg_instance_get(q->db, q->who.tenant_id, h->id, in, e);
    if (rc == -(int)LG_NO_INSTANCE && done && !strcmp(op->kind, "instance.delete")) {
        lg_err_clear(e);
        rc = 0;
    }
    return rc ? rc : done;
}

/* After a verb or a create: the instance when it worked, the operation's error when not, 202 when it still
 * runs. */
static int show_instance(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, int done_status,
                         struct lg_err *e)
{
    struct lg_operation op;
    lg_cleanup_instance struct lg_instance in = {0};
    int done = lg_wait_result(q, h, &op, &in, e);
    if (done < 0)
        return done;
    return *in.id ? lg_answer_instance(q, r, done ? done_status : 202, &in, &op, e) : answer_deleted(r, &op);
}

static int view_instance(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    return show_instance(q, r, h, 200, e);
}

static int view_created(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    char path[80];
    snprintf(path, sizeof path, "/api/v1/compute/instances/%.40s", h->id);
    int rc = show_instance(q, r, h, 201, e);
    if (!rc)
        lg_resp_header(r, "Location", path);
    return rc;
}

const struct lg_view_entry lg_views_compute[] = {
    {"instance", view_instance, LG_DIALECT_NATIVE},
    {"created", view_created, LG_DIALECT_NATIVE},
    {"operation", view_operation, LG_DIALECT_NATIVE},
    {"tenant", lg_view_tenant, LG_DIALECT_TENANT},
    {"volume", lg_view_volume, LG_DIALECT_NATIVE},
    {"network", lg_view_network, LG_DIALECT_NATIVE},
    {"volume-created", lg_view_volume_created, LG_DIALECT_NATIVE},
    {"tenant-volume", lg_view_tenant_volume, LG_DIALECT_TENANT},
    {"container-deleted", lg_view_container_deleted, LG_DIALECT_NATIVE},
    {"cloud", lg_view_cloud, LG_DIALECT_CLOUD},
    {"cloud-created", lg_view_cloud_created, LG_DIALECT_CLOUD},
    {NULL, NULL, LG_DIALECT_NATIVE}};

const struct lg_route lg_routes_operations[] = {
    {.method = "GET",
     .pattern = "/api/v1/operations",
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "The tenant's operations, newest first; filters instance, status"},
    {.method = "GET",
     .pattern = "/api/v1/operations/:id",
     .perm = LG_PERM_MEMBER,
     .handler = get_one,
     .doc = "One operation with steps, progress, log and error"},
    {.method = "GET",
     .pattern = "/api/v1/operations/:id/wait",
     .perm = LG_PERM_MEMBER,
     .handler = wait_for,
     .doc = "The operation when it has ended, or as it is after ?timeout= seconds"},
    {.method = "DELETE",
     .pattern = "/api/v1/operations/:id",
     .perm = LG_PERM_MEMBER,
     .action = "operation.cancel",
     .body_max = LG_BODY_SMALL,
     .handler = cancel,
     .doc = "Asks to cancel it"},
    {.method = NULL}};
