#include "store/volume.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/sql.h"

static void read_row(lg_stmt *s, struct lg_volume *v)
{
    lg_col_copy(s, 0, v->id, sizeof v->id);
    lg_col_copy(s, 1, v->tenant_id, sizeof v->tenant_id);
    lg_col_copy(s, 2, v->tenant_slug, sizeof v->tenant_slug);
    lg_col_copy(s, 3, v->name, sizeof v->name);
    lg_col_copy(s, 4, v->kind, sizeof v->kind);
    v->size_bytes = lg_col_int(s, 5);
    lg_col_copy(s, 6, v->state, sizeof v->state);
    lg_col_copy(s, 7, v->error, sizeof v->error);
    v->made = lg_col_int(s, 8);
    lg_col_copy(s, 9, v->owner_id, sizeof v->owner_id);
    v->version = lg_col_int(s, 10);
    v->created_at = lg_col_int(s, 11);
    v->updated_at = lg_col_int(s, 12);
}

static int no_volume(struct lg_err *e)
{
    return lg_fail(e, LG_NOT_FOUND, "there is no such volume");
}

/* 1 and the row, 0 none. */
static int read_one(struct lg_db *db, lg_stmt *s, struct lg_volume *v, struct lg_err *e)
{
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, v);
    lg_sql_done(s);
    return rc;
}

int lg_volume_get(struct lg_db *db, const char *id, struct lg_volume *v, struct lg_err *e)
{
    int rc = read_one(db, lg_sql(db, Q_VOLUME_GET, e, "t", id), v, e);
    return rc < 0 ? rc : rc ? 0 : no_volume(e);
}

int lg_volume_by_name(struct lg_db *db, const char *tenant_id, const char *name, struct lg_volume *v,
                      struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_VOLUME_BY_NAME, e, "tt", tenant_id, name), v, e);
}

int lg_volume_each(struct lg_db *db, const char *tenant_id, int64_t after_at, const char *after_id,
                   int64_t limit, int64_t offset, int64_t *total,
                   void (*fn)(void *arg, const struct lg_volume *v), void *arg, struct lg_err *e)
{
    int rc = total ? lg_sql_int(db, lg_sql(db, Q_VOLUME_COUNT, e, "t", tenant_id), total, e) : 0, n = 0;
    struct lg_volume v;
    if (rc)
        return rc;
    lg_stmt *s = lg_sql(db, Q_VOLUME_LIST, e, "tiiit", tenant_id, limit, offset, after_at, after_id);
    for (; (rc = lg_sql_step(db, s, e)) > 0; n++) {
        read_row(s, &v);
        fn(arg, &v);
    }
    return rc < 0 ? rc : n;
}

int lg_volume_exists(struct lg_db *db, const char *id, struct lg_err *e)
{
    return lg_sql_found(db, lg_sql(db, Q_VOLUME_EXISTS, e, "t", id), e);
}

int lg_volume_made_each(struct lg_db *db,
                        void (*fn)(void *arg, const char *id, const char *name, const char *kind), void *arg,
                        struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_VOLUME_MADE, e, "");
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0)
        fn(arg, lg_col_text(s, 0), lg_col_text(s, 1), lg_col_text(s, 2));
    return rc;
}

int lg_volume_total(struct lg_db *db, int64_t *bytes, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_VOLUME_TOTAL, e, ""), bytes, e);
}

/* --- attachments --- */

static void read_attachment(lg_stmt *s, struct lg_attachment *a)
{
    memset(a, 0, sizeof *a);
    a->number = (int)lg_col_int(s, 0);
    lg_col_copy(s, 1, a->volume_id, sizeof a->volume_id);
    lg_col_copy(s, 2, a->volume_name, sizeof a->volume_name);
    lg_col_copy(s, 3, a->volume_kind, sizeof a->volume_kind);
    a->size_bytes = lg_col_int(s, 4);
    a->made = lg_col_int(s, 5);
    lg_col_copy(s, 6, a->instance_id, sizeof a->instance_id);
    lg_col_copy(s, 7, a->instance_name, sizeof a->instance_name);
    lg_col_copy(s, 8, a->host_path, sizeof a->host_path);
    lg_col_copy(s, 9, a->path, sizeof a->path);
    a->read_only = lg_col_int(s, 10);
    a->placed = lg_col_int(s, 11);
    a->detaching = lg_col_int(s, 12);
}

int lg_attachment_each(struct lg_db *db, const char *volume_id,
                       void (*fn)(void *arg, const struct lg_attachment *a), void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_ATTACHMENT_OF_VOLUME, e, "t", volume_id);
    int rc, n = 0;
    struct lg_attachment a;
    for (; (rc = lg_sql_step(db, s, e)) > 0; n++) {
        read_attachment(s, &a);
        fn(arg, &a);
    }
    return rc < 0 ? rc : n;
}

int lg_attachment_load(struct lg_db *db, struct lg_instance *in, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_ATTACHMENT_OF_INSTANCE, e, "t", in->id);
    int rc, n = 0, cap = 0;
    free(in->attachments);
    in->attachments = NULL;
    in->attachment_count = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        if (n == cap) {
            cap = cap ? cap * 2 : 4;
            struct lg_attachment *at = realloc(in->attachments, (size_t)cap * sizeof *at);
            if (!at)
                abort();
            in->attachments = at;
        }
        read_attachment(s, &in->attachments[n]);
        in->attachment_count = ++n;
    }
    return rc;
}

int lg_attachment_instances(struct lg_db *db, void (*fn)(void *arg, const char *instance_id), void *arg,
                            struct lg_err *e)
{
    return lg_sql_each_text(db, lg_sql(db, Q_ATTACHMENT_OF_ANY, e, ""), fn, arg, e);
}

/* --- rendering and events --- */

static void render_attachment(void *arg, const struct lg_attachment *a)
{
    struct lg_json *j = arg;
    lg_json_obj(j, NULL);
    lg_json_str(j, "instance", a->instance_id);
    lg_json_str(j, "instanceName", a->instance_name);
    lg_json_str(j, "path", *a->path ? a->path : NULL);
    lg_json_bool(j, "readOnly", a->read_only);
    lg_json_end_obj(j);
}

int lg_volume_render(struct lg_db *db, struct lg_json *j, const char *key, const struct lg_volume *v,
                     struct lg_err *e)
{
    lg_json_obj(j, key);
    lg_json_str(j, "id", v->id);
    lg_json_str(j, "name", v->name);
    lg_json_str(j, "tenant", v->tenant_slug);
    lg_json_str(j, "kind", *v->kind ? v->kind : NULL);
    lg_json_int(j, "sizeBytes", v->size_bytes);
    lg_json_str(j, "state", v->state);
    lg_json_str(j, "error", *v->error ? v->error : NULL);
    lg_json_arr(j, "attachments");
    int rc = lg_attachment_each(db, v->id, render_attachment, j, e);
    lg_json_end_arr(j);
    lg_json_int(j, "version", v->version);
    lg_json_time(j, "createdAt", v->created_at);
    lg_json_time(j, "updatedAt", v->updated_at);
    lg_json_end_obj(j);
    return rc < 0 ? rc : 0;
}

static int tell(struct lg_db *db, const char *kind, const struct lg_volume *v, struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    struct lg_json *j = lg_event_begin(&d);
    int rc = lg_volume_render(db, j, "volume", v, e);
    if (rc)
        return rc;
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = v->tenant_id,
                                           .subject_type = "volume",
                                           .subject_id = v->id,
                                           .subject_name = v->name},
                        e);
}

/* What the database made of it, and its event. */
static int tell_again(struct lg_db *db, struct lg_volume *v, const char *kind, struct lg_err *e)
{
    char id[LG_ID_LEN];
    memcpy(id, v->id, sizeof id);
    int rc = lg_volume_get(db, id, v, e);
    return rc ? rc : tell(db, kind, v, e);
}

/* --- changes --- */

int lg_volume_add(struct lg_db *db, struct lg_volume *v, struct lg_err *e)
{
    lg_id_new(v->id);
    int rc = lg_sql_run(db, Q_VOLUME_ADD, e, "ttttiti", v->id, v->tenant_id, v->name, v->kind, v->size_bytes,
                        v->owner_id, lg_clock_ms());
    if (rc == -(int)LG_CONFLICT) {
        lg_fail(e, LG_CONFLICT, "the name %s is taken by another volume", v->name);
        return lg_err_detail(e, "field", "name");
    }
    return rc < 0 ? rc : tell_again(db, v, "volume.created", e);
}

int lg_volume_set_state(struct lg_db *db, struct lg_volume *v, const char *state, bool made,
                        const char *error, struct lg_err *e)
{
    int rc =
        lg_sql_run(db, Q_VOLUME_SET_STATE, e, "tttii", v->id, state, error, (int64_t)made, lg_clock_ms());
    return rc < 0 ? rc : rc ? tell_again(db, v, "volume.updated", e) : no_volume(e);
}

int lg_volume_set_kind(struct lg_db *db, struct lg_volume *v, const char *kind, struct lg_err *e)
{
    if (!strcmp(v->kind, kind))
        return 0;
    int rc = lg_sql_run(db, Q_VOLUME_SET_KIND, e, "tti", v->id, kind, lg_clock_ms());
    if (rc > 0)
        return tell_again(db, v, "volume.updated", e);
    if (rc < 0)
        return rc;
    bool block = !strcmp(v->kind, "block");
    lg_fail(e, LG_CONFLICT, "the volume %s is a %s: only %s can have it", v->name,
            block ? "raw disk" : "file system", block ? "virtual machines" : "containers");
    return lg_err_detail(e, "kind", "%s", v->kind);
}

int lg_volume_set_size(struct lg_db *db, struct lg_volume *v, int64_t size_bytes, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_VOLUME_SET_SIZE, e, "tii", v->id, size_bytes, lg_clock_ms());
    return rc < 0 ? rc : rc ? tell_again(db, v, "volume.updated", e) : no_volume(e);
}

int lg_volume_remove(struct lg_db *db, struct lg_volume *v, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_VOLUME_REMOVE, e, "t", v->id);
    return rc < 0 ? rc : rc ? tell(db, "volume.deleted", v, e) : no_volume(e);
}

/* Both sides show it, so both have changed. */
static int touch(struct lg_db *db, struct lg_instance *in, struct lg_volume *v, struct lg_err *e)
{
    static const struct lg_instance_change nothing = {.state = -1, .started_at = -1};
    int rc = v ? lg_sql_run(db, Q_VOLUME_TOUCH, e, "ti", v->id, lg_clock_ms()) : 0;
    if (rc >= 0 && v)
        rc = tell_again(db, v, "volume.updated", e);
    return rc < 0 ? rc : lg_instance_change(db, in, &nothing, e);
}

static int explain_conflict(struct lg_db *db, const struct lg_instance *in, const struct lg_volume *v,
                            const char *path, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance now = {0};
    memcpy(now.id, in->id, sizeof now.id);
    int rc = lg_attachment_load(db, &now, e);
    for (int i = 0; !rc && v && i < now.attachment_count; i++)
        if (!strcmp(now.attachments[i].volume_id, v->id))
            return lg_fail(e, LG_CONFLICT, "the volume %s is attached to %s already", v->name, in->name);
    if (rc)
        return rc;
    lg_fail(e, LG_CONFLICT, "something else is attached at %s of %s", path, in->name);
    return lg_err_detail(e, "field", "path");
}

int lg_attachment_add(struct lg_db *db, struct lg_instance *in, struct lg_volume *v, const char *host_path,
                      const char *path, bool read_only, struct lg_err *e)
{
    int64_t number;
    int rc = lg_sql_int(db, lg_sql(db, Q_ATTACHMENT_NEXT, e, "t", in->id), &number, e);
    if (rc)
        return rc;
    rc = lg_sql_run(db, Q_ATTACHMENT_ADD, e, "titttii", in->id, number, v ? v->id : "", host_path, path,
                    (int64_t)read_only, lg_clock_ms());
    if (rc == -(int)LG_CONFLICT)
        return explain_conflict(db, in, v, path, e);
    return rc < 0 ? rc : touch(db, in, v, e);
}

int lg_attachment_place(struct lg_db *db, const char *instance_id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_ATTACHMENT_PLACE, e, "t", instance_id);
    return rc < 0 ? rc : 0;
}

int lg_attachment_set_detaching(struct lg_db *db, const char *instance_id, const char *volume_id, bool on,
                                struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_ATTACHMENT_SET_DETACHING, e, "tti", instance_id, volume_id, (int64_t)on);
    return rc < 0 ? rc : rc ? 0 : lg_fail(e, LG_NOT_FOUND, "the volume is not attached to this instance");
}

int lg_attachment_remove(struct lg_db *db, struct lg_instance *in, struct lg_volume *v, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_ATTACHMENT_EMPTY, e, "tt", in->id, v->id);
    if (rc == 0)
        rc = lg_sql_run(db, Q_ATTACHMENT_REMOVE, e, "tt", in->id, v->id);
    return rc <= 0 ? rc : touch(db, in, v, e);
}
