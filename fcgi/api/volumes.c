/* Volumes of the native API: disks of the tenant's that outlive instances. */
#include "api/volumes.h"

#include <string.h>

#include "api/page.h"
#include "http/body.h"
#include "http/etag.h"
#include "model/validate.h"

/* --- reading --- */

/* A foreign one is not there. */
static int find(struct lg_req *q, const char *id, struct lg_volume *v, struct lg_err *e)
{
    int rc = lg_volume_get(q->db, id, v, e);
    return rc || !strcmp(v->tenant_id, q->who.tenant_id)
               ? rc
               : lg_fail(e, LG_NOT_FOUND, "there is no such volume");
}

static int answer(struct lg_req *q, struct lg_resp *r, int status, const struct lg_volume *v,
                  const struct lg_operation *op, struct lg_err *e)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    if (op)
        lg_operation_header(r, op);
    int rc = lg_volume_render(q->db, &j, NULL, v, e);
    if (!rc)
        lg_resp_etag(q, r, v->version);
    return rc;
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_volume v;
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    (void)db;
    rc = find(q, q->param[0], &v, e);
    return rc ? rc : answer(q, r, 200, &v, NULL, e);
}

static void add_one(void *arg, const struct lg_volume *v)
{
    struct lg_list *l = arg;
    if (!l->rc && lg_page_take(&l->p, v->created_at, v->id))
        l->rc = lg_volume_render(l->q->db, &l->j, NULL, v, l->e);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    struct lg_page *p = &l.p;
    int rc = lg_list_begin(&l, q, r, "volumes", e);
    if (rc || (rc = lg_tx_read(q->db, e)))
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    rc = lg_volume_each(db, q->who.tenant_id, p->key_n, p->key_s, p->size + 1, p->offset, &p->total, add_one,
                        &l, e);
    return lg_list_end(&l, rc);
}

/* --- answers that wait --- */

/* The volume once the operation has ended: with `status` when it is done, its error when it failed, 202 while
 * it runs. */
static int show(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, int status, struct lg_err *e)
{
    struct lg_operation op;
    struct lg_volume v;
    int done = lg_wait_operation(q, h, &op, e), rc = done < 0 ? done : find(q, h->id, &v, e);
    if (!rc)
        return answer(q, r, done ? status : 202, &v, &op, e);
    if (rc != -(int)LG_NOT_FOUND || done <= 0 || strcmp(op.kind, "volume.delete"))
        return rc;
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_str(&j, "id", h->id);
    lg_json_str(&j, "name", op.subject_name);
    lg_json_str(&j, "state", "deleted");
    lg_json_end_obj(&j);
    lg_operation_header(r, &op);
    return 0;
}

int lg_view_volume(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    return show(q, r, h, 200, e);
}

static void locate(struct lg_resp *r, const char *id)
{
    char path[80];
    snprintf(path, sizeof path, "/api/v1/volumes/%.40s", id);
    lg_resp_header(r, "Location", path);
}

int lg_view_volume_created(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    int rc = show(q, r, h, 201, e);
    if (!rc)
        locate(r, h->id);
    return rc;
}

/* Commits, then answers: at once with `status`, or when the operation has ended. */
static int finish(struct lg_req *q, struct lg_resp *r, const struct lg_volume *v,
                  const struct lg_operation *op, int status, int wait, struct lg_err *e)
{
    int rc = wait ? 0 : answer(q, r, status, v, op, e);
    if (!rc)
        rc = lg_req_commit(q, v->id, v->name, e);
    return rc || !wait ? rc : lg_park(q, r, op, status == 201 ? "volume-created" : "volume", v->id, wait, e);
}

/* --- create, grow, delete --- */

struct body {
    const char *name, *kind;
    struct lg_opt_int size;
};

static const struct lg_field create_fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "size",
     .type = LG_T_INT,
     .required = true,
     .min = (double)LG_VOLUME_MIN_BYTES,
     .max = (double)LG_VOLUME_MAX_BYTES,
     .offset = offsetof(struct body, size)},
    {.name = "kind", .type = LG_T_STRING, .offset = offsetof(struct body, kind)},
    {0}};

static int parse(struct lg_req *q, struct lg_volume *v, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, create_fields, true, "", &b, e)) ||
        (rc = lg_check_name("name", b.name, e)) || (rc = lg_check_volume_size("size", b.size.v, e)))
        return rc;
    if (b.kind && strcmp(b.kind, "filesystem") && strcmp(b.kind, "block")) {
        return lg_invalid(e, "kind", "must be filesystem, for containers, or block, for virtual machines");
    }
    *v = (struct lg_volume){.size_bytes = b.size.v};
    snprintf(v->name, sizeof v->name, "%s", b.name);
    snprintf(v->kind, sizeof v->kind, "%s", b.kind ? b.kind : "");
    memcpy(v->tenant_id, q->who.tenant_id, sizeof v->tenant_id);
    memcpy(v->owner_id, q->who.user_id, sizeof v->owner_id);
    return 0;
}

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_volume v;
    struct lg_operation op;
    int rc = parse(q, &v, e), wait = lg_req_wait(q, 0, 300);
    if (rc || (rc = lg_req_begin(q, e)) || (rc = lg_volume_ask_create(q, &v, &op, e)) ||
        (rc = finish(q, r, &v, &op, 201, wait, e)))
        return rc;
    if (!wait)
        locate(r, v.id);
    return 0;
}

static const struct lg_field grow_fields[] = {{.name = "size",
                                               .type = LG_T_INT,
                                               .required = true,
                                               .min = (double)LG_VOLUME_MIN_BYTES,
                                               .max = (double)LG_VOLUME_MAX_BYTES,
                                               .offset = offsetof(struct body, size)},
                                              {0}};

struct users {
    struct lg_db *db;
    char running[64]; /* the name of one that runs */
};

static void note_running(void *arg, const struct lg_attachment *a)
{
    struct users *u = arg;
    lg_cleanup_instance struct lg_instance in = {0};
    if (!lg_instance_get(u->db, "", a->instance_id, &in, NULL) && in.state != LG_ST_STOPPED &&
        in.state != LG_ST_ERROR)
        snprintf(u->running, sizeof u->running, "%s", a->instance_name);
}

/* A file system grows while nobody has it mounted. */
static int check_growth(struct lg_req *q, const struct lg_volume *v, const struct lg_operation *op,
                        int64_t size, struct lg_err *e)
{
    struct users u = {.db = q->db};
    if (strcmp(v->state, "ready"))
        return lg_fail(e, LG_STATE, "the volume is %s", v->state);
    if (size <= v->size_bytes) {
        return lg_invalid(e, "size", "must be more than the %lld bytes it has: a volume only grows",
                          (long long)v->size_bytes);
    }
    int rc = lg_operation_alone(q->db, op, e);
    if (!rc)
        rc = lg_attachment_each(q->db, v->id, note_running, &u, e);
    if (rc < 0)
        return rc;
    if (*u.running)
        return lg_fail(e, LG_CONFLICT, "stop %s first: a volume grows while no instance that has it runs",
                       u.running);
    return lg_volume_admit_growth(q, v, size, e);
}

static int grow(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_volume v;
    struct lg_operation op;
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, grow_fields, true, "", &b, e)) ||
        (rc = lg_check_volume_size("size", b.size.v, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = find(q, q->param[0], &v, e)) || (rc = lg_if_match_version(q, v.version, e)))
        return rc;
    lg_volume_operation(&op, q, "volume.resize", &v);
    if ((rc = check_growth(q, &v, &op, b.size.v, e)))
        return rc;
    snprintf(op.params, sizeof op.params, "{\"size\":%lld}", (long long)b.size.v);
    rc = lg_operation_add(q->db, &op, false, e);
    return rc ? rc : finish(q, r, &v, &op, 202, lg_req_wait(q, LG_VERB_WAIT_S, 300), e);
}

static int delete (struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_volume v;
    struct lg_operation op;
    int rc = lg_req_begin(q, e);
    if (rc || (rc = find(q, q->param[0], &v, e)) || (rc = lg_if_match_version(q, v.version, e)) ||
        (rc = lg_volume_ask_delete(q, &v, &op, e)))
        return rc;
    return finish(q, r, &v, &op, 202, lg_req_wait(q, 0, 300), e);
}

/* --- attach, detach --- */

struct attach {
    const char *instance, *path;
    struct lg_opt_bool read_only;
};

static const struct lg_field attach_fields[] = {
    {.name = "instance",
     .type = LG_T_STRING,
     .required = true,
     .min = 1,
     .offset = offsetof(struct attach, instance)},
    {.name = "path", .type = LG_T_STRING, .min = 1, .offset = offsetof(struct attach, path)},
    {.name = "readOnly", .type = LG_T_BOOL, .offset = offsetof(struct attach, read_only)},
    {0}};
static const struct lg_field detach_fields[] = {{.name = "instance",
                                                 .type = LG_T_STRING,
                                                 .required = true,
                                                 .min = 1,
                                                 .offset = offsetof(struct attach, instance)},
                                                {0}};

static int attach(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct attach a = {0};
    struct lg_volume v;
    struct lg_operation op;
    char path[LG_MOUNT_PATH_LEN];
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, attach_fields, true, "", &a, e)) ||
        (rc = a.path ? lg_check_mount_path("path", a.path, path, e) : 0) || (rc = lg_req_begin(q, e)) ||
        (rc = find(q, q->param[0], &v, e)) ||
        (rc = lg_instance_find(q->db, q->who.tenant_id, a.instance, &in, e)) ||
        (rc = lg_volume_ask_attach(q, &v, &in, a.path ? path : NULL, a.read_only.v, &op, e)))
        return rc;
    return finish(q, r, &v, &op, 202, lg_req_wait(q, LG_VERB_WAIT_S, 300), e);
}

static int detach(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct attach a = {0};
    struct lg_volume v;
    struct lg_operation op;
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, detach_fields, true, "", &a, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = find(q, q->param[0], &v, e)) ||
        (rc = lg_instance_find(q->db, q->who.tenant_id, a.instance, &in, e)) ||
        (rc = lg_volume_ask_detach(q, &v, &in, &op, e)))
        return rc;
    return finish(q, r, &v, &op, 202, lg_req_wait(q, LG_VERB_WAIT_S, 300), e);
}

#define BASE "/api/v1/volumes"

const struct lg_route lg_routes_volumes[] = {
    {.method = "GET",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "The tenant's volumes, oldest first"},
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .action = "volume.create",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(create_fields),
     .handler = create,
     .doc = "Creates a volume of so many bytes"},
    {.method = "GET",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .handler = get_one,
     .doc = "One volume and what has it"},
    {.method = "PUT",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .action = "volume.resize",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(grow_fields),
     .handler = grow,
     .doc = "Grows it, while no instance that has it runs"},
    {.method = "DELETE",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .action = "volume.delete",
     .body_max = LG_BODY_SMALL,
     .handler = delete,
     .doc = "Deletes it and its data, unless it is attached"},
    {.method = "POST",
     .pattern = BASE "/:id/attach",
     .perm = LG_PERM_MEMBER,
     .action = "volume.attach",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(attach_fields),
     .handler = attach,
     .doc = "Attaches it to an instance, a running container at once"},
    {.method = "POST",
     .pattern = BASE "/:id/detach",
     .perm = LG_PERM_MEMBER,
     .action = "volume.detach",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(detach_fields),
     .handler = detach,
     .doc = "Detaches it from an instance"},
    {.method = NULL}};
