/* Operations on volumes, and what attached ones need before and after an instance starts. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "job/job.h"

static const struct lg_driver_ctx *ctx_of(const struct lg_job *j)
{
    return &j->engines->ctx;
}

static struct lg_volume_of file_of(const struct lg_volume *v)
{
    return (struct lg_volume_of){
        .id = v->id, .block = !strcmp(v->kind, "block"), .size_bytes = v->size_bytes, .made = v->made};
}

/* ---- what instances need ---- */

/* Its file exists now: from here on a missing one is a loss. */
static int note_made(struct lg_db *db, const char *id, struct lg_err *e)
{
    struct lg_volume v;
    int rc = lg_tx_write(db, e);
    if (!rc)
        rc = lg_volume_get(db, id, &v, e);
    if (!rc && !v.made)
        rc = lg_volume_set_state(db, &v, "ready", true, "", e);
    if (!rc)
        rc = lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc;
}

static int ready(const struct lg_driver_ctx *ctx, struct lg_db *db, const struct lg_attachment *a,
                 struct lg_err *e)
{
    struct lg_volume_of v = {.id = a->volume_id,
                             .block = !strcmp(a->volume_kind, "block"),
                             .size_bytes = a->size_bytes,
                             .made = a->made};
    bool has = *a->volume_id && !a->detaching;
    struct lg_place p = {.instance = a->instance_id,
                         .number = a->number,
                         .volume = has ? &v : NULL,
                         .host_path = !*a->volume_id && *a->host_path ? a->host_path : NULL};
    int rc;
    if (has && v.block)
        rc = lg_volume_make(ctx, &v, e);
    else if (has || p.host_path || a->placed)
        rc = lg_place_fill(ctx, &p, e);
    else
        return 0;
    return rc || !has || a->made ? rc : note_made(db, a->volume_id, e);
}

int lg_volumes_ready(const struct lg_driver_ctx *ctx, struct lg_db *db, struct lg_instance *in,
                     struct lg_err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < in->attachment_count; i++)
        rc = ready(ctx, db, &in->attachments[i], e);
    return rc;
}

int lg_volumes_live(const struct lg_driver_ctx *ctx, const struct lg_instance *in, int64_t pid,
                    struct lg_err *e)
{
    struct lg_live want[LG_MOUNTS_MAX];
    static char place[LG_MOUNTS_MAX][LG_VOLUME_PATH_LEN];
    int n = 0;
    if (strcmp(in->type, "container"))
        return 0;
    for (int i = 0; i < in->attachment_count && n < LG_MOUNTS_MAX; i++) {
        const struct lg_attachment *a = &in->attachments[i];
        if (!*a->volume_id || a->detaching)
            continue;
        lg_place_path(ctx->conf, in->id, a->number, place[n]);
        want[n] = (struct lg_live){
            .volume = a->volume_id, .place = place[n], .path = a->path, .read_only = a->read_only};
        n++;
    }
    return lg_live_sync(ctx, pid, want, n, e);
}

/* ---- volumes themselves ---- */

int lg_run_volume_create(struct lg_job *j, struct lg_err *e)
{
    if (!*j->vol.kind) /* its first attachment decides, and makes it */
        return 0;
    struct lg_volume_of v = file_of(&j->vol);
    return lg_volume_make(ctx_of(j), &v, e);
}

int lg_run_volume_resize(struct lg_job *j, struct lg_err *e)
{
    struct lg_volume_of v = file_of(&j->vol);
    v.size_bytes = json_integer_value(json_object_get(j->params, "size"));
    if (v.size_bytes <= j->vol.size_bytes) /* done before, by a worker that was killed */
        return 0;
    int rc = *j->vol.kind ? lg_volume_grow(ctx_of(j), &v, e) : 0;
    if (!rc)
        lg_job_log(j, "grown to %lld bytes", (long long)v.size_bytes);
    return rc;
}

int lg_run_volume_delete(struct lg_job *j, struct lg_err *e)
{
    return lg_volume_erase(ctx_of(j), j->vol.id, e);
}

/* State and message after what failed: what is there stays usable. */
static int settle_failed(struct lg_job *j, struct lg_volume *v, const struct lg_err *why, struct lg_err *e)
{
    return lg_volume_set_state(j->db, v, v->made ? "ready" : "error", false, v->made ? "" : why->msg, e);
}

/* What was asked for, or what it came to. */
static int settle_resize(struct lg_job *j, struct lg_volume *v, const struct lg_err *why, struct lg_err *e)
{
    struct lg_volume_of file = file_of(v);
    int64_t asked = json_integer_value(json_object_get(j->params, "size")),
            holds = lg_volume_holds(ctx_of(j), &file), size = why || holds > asked ? holds : asked;
    return size > v->size_bytes ? lg_volume_set_size(j->db, v, size, e) : 0;
}

int lg_settle_volume(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    struct lg_volume v;
    int rc = lg_volume_get(j->db, j->vol.id, &v, e);
    if (rc == -(int)LG_NOT_FOUND) {
        lg_err_clear(e);
        return 0;
    }
    if (rc)
        return rc;
    if (j->kind->run == lg_run_volume_resize)
        return settle_resize(j, &v, why, e);
    if (why)
        return settle_failed(j, &v, why, e);
    if (j->kind->run == lg_run_volume_delete)
        return lg_volume_remove(j->db, &v, e);
    /* Its kind may have been decided since: then the file is that attachment's work. */
    return lg_volume_set_state(j->db, &v, "ready", *j->vol.kind != 0, "", e);
}

/* ---- attachments ---- */

static struct lg_attachment *find(struct lg_job *j)
{
    for (int i = 0; i < j->in.attachment_count; i++)
        if (!strcmp(j->in.attachments[i].volume_id, j->op.volume_id))
            return &j->in.attachments[i];
    return NULL;
}

static int look(struct lg_job *j, struct lg_err *e)
{
    return lg_truth_ask(&j->truth, j->d, j->g, j->in.id, false, e);
}

static bool is_up(const struct lg_job *j)
{
    return j->truth.st.run == LG_RUN_RUNNING || j->truth.st.run == LG_RUN_PAUSED;
}

int lg_run_attach(struct lg_job *j, struct lg_err *e)
{
    const struct lg_attachment *a = find(j);
    if (!a)
        return lg_fail(e, LG_NOT_FOUND, "the volume has been detached meanwhile");
    int rc = ready(ctx_of(j), j->db, a, e);
    if (!rc)
        rc = look(j, e);
    if (rc)
        return rc;
    if (!strcmp(j->in.type, "vm"))
        return lg_devices_live(j, false, e);
    if (is_up(j) && *a->path && j->truth.st.pid > 0) {
        rc = lg_volumes_live(ctx_of(j), &j->in, j->truth.st.pid, e);
        if (!rc)
            lg_job_log(j, "mounted at %s", a->path);
    } else {
        lg_job_log(j, "the instance has it from its next start on");
    }
    return rc;
}

int lg_run_detach(struct lg_job *j, struct lg_err *e)
{
    const struct lg_attachment *a = find(j);
    if (!a)
        return 0;
    int rc = look(j, e);
    if (!rc && !strcmp(j->in.type, "vm"))
        return lg_devices_live(j, true, e);
    if (!rc && is_up(j))
        rc = lg_volumes_live(ctx_of(j), &j->in, j->truth.st.pid, e);
    return rc ? rc : lg_place_drop(ctx_of(j), j->in.id, a->number, e);
}

/* Both as they are now; 1 when one of them is gone: nothing is left to do. */
static int both(struct lg_job *j, struct lg_instance *in, struct lg_volume *v, struct lg_err *e)
{
    int rc = lg_instance_get(j->db, "", j->op.instance_id, in, e);
    if (!rc)
        rc = lg_volume_get(j->db, j->op.volume_id, v, e);
    if (rc != -(int)LG_NO_INSTANCE && rc != -(int)LG_NOT_FOUND)
        return rc;
    lg_err_clear(e);
    return 1;
}

int lg_settle_attach(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_volume v;
    if (!why)
        return 0;
    int rc = both(j, &in, &v, e);
    return rc ? (rc < 0 ? rc : 0) : lg_attachment_remove(j->db, &in, &v, e);
}

int lg_settle_detach(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_volume v;
    int rc = both(j, &in, &v, e);
    if (rc)
        return rc < 0 ? rc : 0;
    if (!why)
        return lg_attachment_remove(j->db, &in, &v, e);
    rc = lg_attachment_set_detaching(j->db, in.id, v.id, false, NULL);
    return rc == -(int)LG_NOT_FOUND ? 0 : rc;
}
