/* From a wish about a volume to rows and operations. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "api/volumes.h"
#include "model/validate.h"
#include "store/quota.h"

/* --- room --- */

/* Volumes are sparse: more may be promised than the disk has, as far as the setting goes. */
static int admit(struct lg_req *q, const char *tenant_id, int64_t bytes, struct lg_err *e)
{
    struct statvfs fs;
    int64_t used;
    if (statvfs(q->app->conf.state_dir, &fs))
        return lg_fail_errno(e, LG_STORAGE, "the disk of the volumes cannot be looked at");
    int64_t total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize * q->app->conf.storage_overcommit;
    int rc = lg_volume_total(q->db, &used, e);
    if (rc)
        return rc;
    if (bytes <= total - used)
        return lg_quota_admit(q->db, tenant_id, &(struct lg_amounts){.storage_bytes = bytes}, e);
    lg_fail(
        e, LG_LIMIT,
        "there is not enough storage left on this host: %lld of %lld bytes are promised, %lld were asked for",
        (long long)used, (long long)total, (long long)bytes);
    lg_err_detail(e, "limit", "storage");
    lg_err_detail(e, "total", "%lld", (long long)total);
    lg_err_detail(e, "used", "%lld", (long long)used);
    lg_err_detail(e, "requested", "%lld", (long long)bytes);
    lg_err_detail(e, "unit", "bytes");
    lg_err_detail(e, "scope", "host");
    return lg_err_detail(e, "raisedBy", "administrator");
}

int lg_volume_admit_growth(struct lg_req *q, const struct lg_volume *v, int64_t size_bytes, struct lg_err *e)
{
    return admit(q, v->tenant_id, size_bytes - v->size_bytes, e);
}

/* --- operations --- */

void lg_volume_operation(struct lg_operation *op, const struct lg_req *q, const char *kind,
                         const struct lg_volume *v)
{
    lg_operation_from(op, q, kind);
    memcpy(op->volume_id, v->id, sizeof op->volume_id);
    snprintf(op->subject_name, sizeof op->subject_name, "%s", v->name);
}

int lg_volume_ask_create(struct lg_req *q, struct lg_volume *v, struct lg_operation *op, struct lg_err *e)
{
    int rc = admit(q, v->tenant_id, v->size_bytes, e);
    if (!rc)
        rc = lg_volume_add(q->db, v, e);
    if (rc)
        return rc;
    lg_volume_operation(op, q, "volume.create", v);
    return lg_operation_add(q->db, op, false, e);
}

static int check_usable(const struct lg_volume *v, struct lg_err *e)
{
    if (!strcmp(v->state, "deleting"))
        return lg_fail(e, LG_STATE, "the volume %s is being deleted", v->name);
    if (!strcmp(v->state, "error"))
        return lg_fail(e, LG_STATE, "the volume %s cannot be used: %s", v->name, v->error);
    return 0;
}

struct seen {
    int count;
    bool mine; /* the instance that is asked about has it */
    const char *instance;
    char name[64];
    struct lg_attachment last;
};

static void note(void *arg, const struct lg_attachment *a)
{
    struct seen *s = arg;
    s->count++;
    s->mine |= s->instance && !strcmp(s->instance, a->instance_id);
    if (!s->instance || !strcmp(s->instance, a->instance_id))
        s->last = *a;
    snprintf(s->name, sizeof s->name, "%s", a->instance_name);
}

/* A file system may be in many containers of one host; a raw disk is one guest's. */
static int check_alone(struct lg_req *q, const struct lg_volume *v, struct lg_err *e)
{
    struct seen s = {0};
    int rc = strcmp(v->kind, "block") ? 0 : lg_attachment_each(q->db, v->id, note, &s, e);
    if (rc < 0 || !s.count)
        return rc < 0 ? rc : 0;
    return lg_fail(e, LG_CONFLICT,
                   "the volume %s is attached to %s; a raw disk can be attached to one instance", v->name,
                   s.name);
}

static int attach_row(struct lg_req *q, struct lg_volume *v, struct lg_instance *in, const char *path,
                      bool read_only, struct lg_err *e)
{
    bool vm = !strcmp(in->type, "vm");
    int rc = check_usable(v, e);
    if (!rc)
        rc = lg_volume_set_kind(q->db, v, vm ? "block" : "filesystem", e);
    if (!rc)
        rc = check_alone(q, v, e);
    return rc ? rc : lg_attachment_add(q->db, in, v, "", vm ? "" : path, read_only, e);
}

static int ask_about_both(struct lg_req *q, const char *kind, const struct lg_volume *v,
                          const struct lg_instance *in, struct lg_operation *op, struct lg_err *e)
{
    lg_volume_operation(op, q, kind, v);
    memcpy(op->instance_id, in->id, sizeof op->instance_id);
    snprintf(op->subject_name, sizeof op->subject_name, "%s", in->name);
    return lg_operation_add_after(q->db, op, e);
}

static int check_room(struct lg_req *q, const struct lg_instance *in, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance now = {0};
    memcpy(now.id, in->id, sizeof now.id);
    int rc = lg_attachment_load(q->db, &now, e);
    if (rc || now.attachment_count < LG_MOUNTS_MAX)
        return rc;
    lg_fail(e, LG_LIMIT, "an instance can have %d volumes, detached ones included", LG_MOUNTS_MAX);
    return lg_err_detail(e, "limit", "attachments");
}

int lg_volume_ask_attach(struct lg_req *q, struct lg_volume *v, struct lg_instance *in, const char *path,
                         bool read_only, struct lg_operation *op, struct lg_err *e)
{
    char usual[LG_MOUNT_PATH_LEN];
    snprintf(usual, sizeof usual, "/mnt/%s", v->name);
    if (in->state == LG_ST_DELETING)
        return lg_fail(e, LG_STATE, "the instance %s is being deleted", in->name);
    if (path && !strcmp(in->type, "vm"))
        return lg_invalid(e, "path", "is for containers: a virtual machine gets a disk and mounts it itself");
    int rc = check_room(q, in, e);
    if (!rc)
        rc = attach_row(q, v, in, path ? path : usual, read_only, e);
    return rc ? rc : ask_about_both(q, "volume.attach", v, in, op, e);
}

int lg_volume_ask_detach(struct lg_req *q, struct lg_volume *v, struct lg_instance *in,
                         struct lg_operation *op, struct lg_err *e)
{
    struct seen s = {.instance = in->id};
    int rc = lg_attachment_each(q->db, v->id, note, &s, e);
    if (rc < 0)
        return rc;
    if (!s.mine)
        return lg_fail(e, LG_STATE, "the volume %s is not attached to %s", v->name, in->name);
    if (s.last.detaching)
        return lg_fail(e, LG_CONFLICT, "the volume %s is being detached from %s already", v->name, in->name);
    rc = lg_attachment_set_detaching(q->db, in->id, v->id, true, e);
    return rc ? rc : ask_about_both(q, "volume.detach", v, in, op, e);
}

int lg_volume_ask_delete(struct lg_req *q, struct lg_volume *v, struct lg_operation *op, struct lg_err *e)
{
    struct seen s = {0};
    int rc = lg_attachment_each(q->db, v->id, note, &s, e);
    if (rc < 0)
        return rc;
    if (!strcmp(v->state, "deleting"))
        return lg_fail(e, LG_CONFLICT, "the volume is being deleted already");
    if (s.count) {
        bool tenant = q->dialect == LG_DIALECT_TENANT;
        lg_fail(e, LG_CONFLICT,
                tenant ? "Volume is currently attached" : "the volume is attached to %s; detach it first",
                s.name);
        return lg_err_detail(e, "instances", "%d", s.count);
    }
    rc = lg_volume_set_state(q->db, v, "deleting", false, "", e);
    if (rc)
        return rc;
    lg_volume_operation(op, q, "volume.delete", v);
    return lg_operation_add_after(q->db, op, e);
}

/* --- what a create names --- */

/* Never by a tenant's word: an administrator, below a root that the setting allows. */
static int check_host_path(struct lg_req *q, const struct lg_mount *m, struct lg_err *e)
{
    if (!q->who.admin)
        return lg_fail_field(
            e, LG_FORBIDDEN, "config.volumes",
            "names a directory of the host: only administrators may; volume:/path is a volume of "
            "the tenant's own");
    if (!lg_path_under(q->app->conf.host_path_roots, m->host_path))
        return lg_fail_field(e, LG_FORBIDDEN, "config.volumes",
                             "names a directory that is not below the setting host_path_roots");
    return 0;
}

static int parse_one(struct lg_req *q, const char *text, struct lg_instance *in, struct lg_err *e)
{
    struct lg_mount *m = &in->mounts[in->mount_count];
    char disk[2 * LG_MOUNT_PATH_LEN];
    int n = (int)strcspn(text, ":");
    if (!strcmp(in->type, "vm") && !strchr(text, '/')) { /* "data" or "data:ro": a disk has no path */
        snprintf(disk, sizeof disk, "%.*s:/mnt/%.*s%s", n, text, n, text, text + n);
        text = disk;
    }
    int rc = lg_parse_mount("config.volumes", text, m, e);
    if (rc)
        return rc;
    /* "/srv:/x" is the volume srv, unless an administrator has made /srv a root. */
    if (*m->name && *text == '/' && q->who.admin) {
        snprintf(m->host_path, sizeof m->host_path, "/%s", m->name);
        if (lg_path_under(q->app->conf.host_path_roots, m->host_path))
            *m->name = 0;
        else
            *m->host_path = 0;
    }
    for (int i = 0; i < in->mount_count; i++)
        if (!strcmp(in->mounts[i].path, m->path) || (*m->name && !strcmp(in->mounts[i].name, m->name)))
            return lg_invalid(e, "config.volumes", "names a volume or a path twice");
    if (*m->host_path && !strcmp(in->type, "vm"))
        return lg_fail_field(e, LG_UNSUPPORTED, "config.volumes",
                             "names a directory of the host: those are for containers");
    in->mount_count++;
    return *m->host_path ? check_host_path(q, m, e) : 0;
}

int lg_mounts_parse(struct lg_req *q, const json_t *list, struct lg_instance *in, struct lg_err *e)
{
    int rc = 0;
    size_t n = json_array_size(list);
    if (!n)
        return 0;
    if (!(in->mounts = calloc(n, sizeof *in->mounts)))
        return lg_fail(e, LG_INTERNAL, "out of memory");
    for (size_t i = 0; !rc && i < n; i++)
        rc = parse_one(q, json_string_value(json_array_get(list, i)), in, e);
    return rc;
}

static int find_or_make(struct lg_req *q, const struct lg_instance *in, const char *name, struct lg_volume *v,
                        struct lg_err *e)
{
    struct lg_operation op;
    int rc = lg_volume_by_name(q->db, in->tenant_id, name, v, e);
    if (rc)
        return rc < 0 ? rc : 0;
    *v = (struct lg_volume){.size_bytes = (int64_t)q->app->conf.default_volume_mib << 20};
    memcpy(v->tenant_id, in->tenant_id, sizeof v->tenant_id);
    memcpy(v->owner_id, in->owner_id, sizeof v->owner_id);
    snprintf(v->name, sizeof v->name, "%s", name);
    snprintf(v->kind, sizeof v->kind, "%s", strcmp(in->type, "vm") ? "filesystem" : "block");
    return lg_volume_ask_create(q, v, &op, e);
}

int lg_mounts_add(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < in->mount_count; i++) {
        const struct lg_mount m = in->mounts[i];
        struct lg_volume v;
        if (*m.host_path)
            rc = lg_attachment_add(q->db, in, NULL, m.host_path, m.path, m.read_only, e);
        else if (!(rc = find_or_make(q, in, m.name, &v, e)))
            rc = attach_row(q, &v, in, m.path, m.read_only, e);
        if (rc)
            lg_err_detail(e, "field", "config.volumes");
    }
    return rc;
}
