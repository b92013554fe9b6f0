/* The verbs of an instance: what each asks of the engine, and what the database learns of it. */
#include "job/job.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/flavor.h"

#define IMAGE_LOOK_MS 200
#define IMAGE_LOOKS   3000 /* ten minutes */

/* ---- engine calls ---- */

/* The engine's last word after a verb; also what tells that an engine died under it. */
static int look(struct lg_job *j, struct lg_err *e)
{
    return lg_truth_ask(&j->truth, j->d, j->g, j->in.id, true, e);
}

/* A container that ended within its own start was never up. Ending with 0 is a short job well done. */
static int check_up(struct lg_job *j, enum lg_restart policy, struct lg_err *e)
{
    int rc = look(j, e);
    const struct lg_inst_status *st = &j->truth.st;
    if (rc || st->run != LG_RUN_EXITED || policy != LG_RESTART_NO || (!st->exit_code && !st->oom_killed))
        return rc;
    if (st->oom_killed)
        lg_fail(e, LG_BACKEND, "it ran out of memory at once");
    else
        lg_fail(e, LG_BACKEND, "it exited at once with code %d", st->exit_code);
    return lg_err_detail(e, "reason", "exited");
}

/* From here on the engine may name the places of what is attached: each must be there at every start. */
static int note_places(struct lg_job *j, struct lg_err *e)
{
    if (!j->in.attachment_count)
        return 0;
    int rc = lg_tx_write(j->db, e);
    if (!rc)
        rc = lg_attachment_place(j->db, j->in.id, e);
    if (!rc)
        rc = lg_tx_commit(j->db, e);
    lg_tx_rollback(j->db);
    return rc;
}

/* Its tenant's network, and those of its further cards. */
static int networks_ready(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int rc = s->inst.no_network ? 0 : LG_VERB(j->d, network_ensure, e, j->g, &s->inst.net);
    return rc ? rc : lg_networks_ready(&j->engines->ctx, &j->in, e);
}

static int volumes_ready(struct lg_job *j, struct lg_err *e)
{
    return j->in.attachment_count ? lg_volumes_ready(&j->engines->ctx, j->db, &j->in, e) : 0;
}

/* What was attached after the engine had made it comes in now. */
static int live(struct lg_job *j, struct lg_err *e)
{
    const struct lg_inst_status *st = &j->truth.st;
    int rc = 0;
    if (st->run != LG_RUN_RUNNING)
        return 0;
    if (!strcmp(j->in.type, "vm")) /* one that slept has what it had when it fell asleep */
        return j->in.attachment_count || j->in.nic_count ? lg_devices_live(j, false, e) : 0;
    if (j->in.attachment_count)
        rc = lg_volumes_live(&j->engines->ctx, &j->in, st->pid, e);
    return rc || !j->in.nic_count ? rc : lg_networks_live(&j->engines->ctx, &j->in, st->pid, e);
}

/* An image that is being built or fetched is waited for: the operation at it was queued before this one, so a
 * worker has it. */
static int await_image(struct lg_job *j, struct lg_err *e)
{
    struct lg_image im;
    for (int looks = 0; looks < IMAGE_LOOKS && lg_id_valid(j->in.image_id); looks++) {
        if (lg_image_get(j->db, j->in.image_id, &im, NULL) || strcmp(im.state, "pulling"))
            return 0;
        if (j->cancel && *j->cancel)
            return lg_fail(e, LG_CANCELLED, "it was cancelled");
        if (!looks) {
            lg_job_log(j, "waiting for the image %s", im.name);
            lg_job_progress(j, 0, "waiting for the image");
        }
        lg_pause_ms(IMAGE_LOOK_MS);
    }
    return 0;
}

/* Makes it in the engine. The image is there nearly always, so the engine is asked for it only when it misses
 * it. */
static int make(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int64_t t0 = lg_clock_mono();
    int rc = note_places(j, e);
    if (!rc)
        rc = LG_VERB(j->d, create, e, j->g, &s->inst);
    if (rc == -LG_NOT_FOUND) {
        lg_err_clear(e);
        rc = await_image(j, e);
        rc = rc ? rc : lg_job_image(j, s->inst.image, e);
        if (!rc)
            rc = LG_VERB(j->d, create, e, j->g, &s->inst);
    }
    if (!rc)
        lg_job_log(j, "made from %s in %lld ms", s->inst.image, (long long)(lg_clock_mono() - t0));
    return rc;
}

static int start(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int64_t t0 = lg_clock_mono();
    int rc = LG_VERB(j->d, start, e, j->g, &s->inst);
    if (rc == -LG_NOT_FOUND) { /* taken away since it was looked for: it had never run */
        lg_err_clear(e);
        rc = make(j, s, e);
        if (!rc)
            rc = LG_VERB(j->d, start, e, j->g, &s->inst);
    }
    if (!rc)
        lg_job_log(j, "started at %s in %lld ms", s->address, (long long)(lg_clock_mono() - t0));
    if (!rc)
        rc = check_up(j, s->inst.restart, e);
    return rc ? rc : live(j, e);
}

static int with_spec(struct lg_job *j, int (*fn)(struct lg_job *j, const struct lg_spec *s, struct lg_err *e),
                     struct lg_err *e)
{
    struct lg_spec s;
    int rc = lg_spec_make(&s, j->runner, &j->in, e);
    if (!rc)
        rc = fn(j, &s, e);
    lg_spec_done(&s);
    return rc;
}

static int create(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int rc = networks_ready(j, s, e);
    if (!rc)
        rc = volumes_ready(j, e);
    if (!rc)
        rc = make(j, s, e);
    if (rc)
        return rc;
    return lg_job_flag(j, "start", true) ? start(j, s, e) : look(j, e);
}

/* Also makes what a failed create or a lost engine left nothing of. */
static int ensure_up(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int rc = networks_ready(j, s, e);
    if (!rc)
        rc = volumes_ready(j, e);
    if (!rc)
        rc = look(j, e);
    if (!rc && j->truth.st.run == LG_RUN_ABSENT)
        rc = make(j, s, e);
    return rc ? rc : start(j, s, e);
}

static int stop_timeout_s(const struct lg_job *j)
{
    if (lg_job_flag(j, "force", false))
        return 0;
    const json_t *t = json_object_get(j->params, "timeout");
    const struct lg_conf *c = j->runner->conf;
    long otherwise = strcmp(j->in.type, "vm") ? c->stop_timeout_s : c->vm_stop_timeout_s;
    return (int)(json_is_integer(t) ? json_integer_value(t) : otherwise);
}

static int stop(struct lg_job *j, struct lg_err *e)
{
    int rc = LG_VERB(j->d, stop, e, j->g, j->in.id, stop_timeout_s(j));
    if (rc == -LG_TIMEOUT && lg_job_flag(j, "insist", false)) {
        lg_job_log(j, "%s; switched off", e->msg);
        lg_err_clear(e);
        rc = LG_VERB(j->d, stop, e, j->g, j->in.id, 0);
    }
    return rc == -LG_NOT_FOUND ? lg_err_clear(e), 0 : rc;
}

static int restart(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int rc = stop(j, e);
    return rc ? rc : ensure_up(j, s, e);
}

static int update(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int rc = look(j, e);
    bool up = !rc && (j->truth.st.run == LG_RUN_RUNNING || j->truth.st.run == LG_RUN_PAUSED);
    if (rc || (!up && (!s->inst.vm || j->truth.st.run == LG_RUN_ABSENT)))
        return rc; /* a stopped one gets them at its start */
    rc = LG_VERB(j->d, update, e, j->g, &s->inst);
    rc = rc ? rc : look(j, e);
    if (!rc && *j->truth.st.pending)
        lg_job_log(j, "takes effect at its next start: %s", j->truth.st.pending);
    return rc;
}

/* What an update that failed leaves: the sizes before it, but a disk that has grown stays so. */
static bool sizes_left(const struct lg_job *j, struct lg_sizes *left)
{
    bool known = lg_update_was(j->params, left);
    if (j->disk_bytes > left->storage_bytes)
        left->storage_bytes = j->disk_bytes;
    return known;
}

static int ask_disk(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    return LG_VERB(j->d, disk_size, e, j->g, &s->inst, &j->disk_bytes);
}

static int update_back(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int rc = LG_VERB(j->d, update, e, j->g, &s->inst);
    return rc ? rc : look(j, e);
}

/* It may have taken some before it refused the rest, or all before its answer was lost. What does not run
 * gets them at its start. */
void lg_undo_update(struct lg_job *j)
{
    struct lg_sizes left;
    struct lg_err e = {0};
    enum lg_run run = j->truth.st.run;
    if (!strcmp(j->in.type, "vm"))
        with_spec(j, ask_disk, NULL);
    if (!sizes_left(j, &left) || !j->truth.known || (run != LG_RUN_RUNNING && run != LG_RUN_PAUSED))
        return;
    j->in.cpu_millis = left.cpu_millis;
    j->in.memory_bytes = left.memory_bytes;
    j->in.storage_bytes = left.storage_bytes;
    if (with_spec(j, update_back, &e))
        lg_job_log(j, "until its next start it may have some of what was asked for: %s", e.msg);
}

int lg_run_create(struct lg_job *j, struct lg_err *e)
{
    return with_spec(j, create, e);
}

int lg_run_start(struct lg_job *j, struct lg_err *e)
{
    return with_spec(j, ensure_up, e);
}

int lg_run_restart(struct lg_job *j, struct lg_err *e)
{
    return with_spec(j, restart, e);
}

int lg_run_update(struct lg_job *j, struct lg_err *e)
{
    return with_spec(j, update, e);
}

int lg_run_stop(struct lg_job *j, struct lg_err *e)
{
    int rc = stop(j, e);
    return rc ? rc : look(j, e);
}

int lg_run_pause(struct lg_job *j, struct lg_err *e)
{
    int rc = LG_VERB(j->d, pause, e, j->g, j->in.id);
    return rc ? rc : look(j, e);
}

int lg_run_unpause(struct lg_job *j, struct lg_err *e)
{
    int rc = LG_VERB(j->d, unpause, e, j->g, j->in.id);
    return rc ? rc : look(j, e);
}

int lg_run_suspend(struct lg_job *j, struct lg_err *e)
{
    int rc = LG_VERB(j->d, suspend, e, j->g, j->in.id);
    return rc ? rc : look(j, e);
}

static int wake(struct lg_job *j, const struct lg_spec *s, struct lg_err *e)
{
    int rc = networks_ready(j, s, e);
    if (!rc)
        rc = LG_VERB(j->d, wake, e, j->g, &s->inst);
    rc = rc ? rc : check_up(j, s->inst.restart, e);
    return rc ? rc : live(j, e);
}

int lg_run_wake(struct lg_job *j, struct lg_err *e)
{
    return with_spec(j, wake, e);
}

/* An attempt that comes after another may press the button twice: harmless, a reset is one either way. */
int lg_run_reset(struct lg_job *j, struct lg_err *e)
{
    int rc = LG_VERB(j->d, reset, e, j->g, j->in.id);
    return rc ? rc : look(j, e);
}

int lg_run_delete(struct lg_job *j, struct lg_err *e)
{
    int rc = LG_VERB(j->d, remove, e, j->g, j->in.id, lg_job_flag(j, "force", false));
    return rc ? rc : lg_place_drop(&j->engines->ctx, j->in.id, -1, e);
}

/* ---- facts ---- */

struct others {
    const struct lg_operation *mine;
    bool any;
};

static void other(void *arg, const struct lg_operation *op)
{
    struct others *o = arg;
    if (!strcmp(op->instance_id, o->mine->instance_id) && strcmp(op->id, o->mine->id) &&
        !strncmp(op->kind, "instance.", 9))
        o->any = true;
}

/* Another operation waits for this one to end: the state is what that one says. */
static bool superseded(struct lg_job *j)
{
    struct others o = {.mine = &j->op};
    lg_operation_open_each(j->db, 10000, other, &o, NULL);
    return o.any;
}

/* Who or what stopped it: the system says why with its wish. */
static struct lg_reason stop_reason(const struct lg_job *j, char *room, size_t cap)
{
    const json_t *why = json_object_get(j->params, "reason");
    const char *code = json_string_value(json_object_get(why, "code")),
               *text = json_string_value(json_object_get(why, "text"));
    snprintf(room, cap, text ? "%s" : "stopped by %s", text ? text : j->op.username);
    return (struct lg_reason){.code = code ? code : "stopped_by_user", .text = room, .exit_code = -1};
}

/* A machine says what it has not got yet only when it has had time to take it: not while it boots. */
static int settle_update(struct lg_job *j, struct lg_instance *in, struct lg_err *e)
{
    struct lg_instance_change ch = {
        .state = -1, .started_at = -1, .pending = j->truth.st.pending, .operation_id = j->op.id};
    return strcmp(ch.pending, in->pending) ? lg_instance_change(j->db, in, &ch, e) : 0;
}

static int settle_done(struct lg_job *j, struct lg_instance *in, struct lg_err *e)
{
    enum lg_verb v = j->kind->verb;
    if (v == LG_V_DELETE)
        return lg_instance_remove(j->db, in, j->op.id, e);
    if (v == LG_V_UPDATE)
        return settle_update(j, in, e);
    static const struct lg_reason none = {.text = "", .exit_code = -1};
    struct lg_truth *t = &j->truth;
    char text[160];
    struct lg_reason stopped = stop_reason(j, text, sizeof text);
    struct lg_instance_change ch = {
        .state = (int)lg_truth_state(t), .reason = &none, .operation_id = j->op.id};
    lg_truth_facts(t, in, &ch);
    if (v == LG_V_STOP) {
        ch.reason = &stopped;
        if (t->st.run == LG_RUN_ABSENT) /* stopped before it was ever made: a start makes it */
            ch.state = LG_ST_STOPPED;
    } else if (t->st.run == LG_RUN_EXITED) {
        lg_truth_exit_reason(t);
        ch.reason = &t->reason;
    }
    return lg_instance_change(j->db, in, &ch, e);
}

static const char *reason_code(const struct lg_job *j, const struct lg_err *why, char *room, size_t cap)
{
    for (int i = 0; i < why->details; i++)
        if (!strcmp(why->detail[i].key, "reason"))
            return why->detail[i].value;
    static const struct {
        enum lg_code code;
        const char *reason;
    } table[] = {
        {LG_CANCELLED, "cancelled"}, {LG_TIMEOUT, "timeout"}, {LG_UNAVAILABLE, "backend_unavailable"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].code == why->code)
            return table[i].reason;
    snprintf(room, cap, "%s_failed", lg_verb_name(j->kind->verb));
    return room;
}

/* State after a failed verb: the engine's word; what was to come up and did not is an error, unless
 * cancelled. */
static enum lg_state state_after_failure(const struct lg_job *j, const struct lg_instance *in,
                                         const struct lg_err *why)
{
    static const unsigned brings_up =
        1U << LG_V_CREATE | 1U << LG_V_START | 1U << LG_V_RESTART | 1U << LG_V_WAKE;
    enum lg_verb v = j->kind->verb;
    if (!j->truth.known)
        return lg_state_without_engine(in, v);
    enum lg_state s = lg_truth_state(&j->truth);
    bool wanted_up = (brings_up >> v) & 1;
    return s == LG_ST_STOPPED && wanted_up && why->code != LG_CANCELLED ? LG_ST_ERROR : s;
}

static int settle_failed_update(struct lg_job *j, struct lg_instance *in, struct lg_err *e)
{
    struct lg_sizes left;
    int rc = 0;
    if (sizes_left(j, &left) && !(rc = lg_flavor_keep(j->db, &left, e)))
        rc = lg_instance_set_sizes(j->db, in, &left, j->op.id, e);
    return rc || !j->truth.known ? rc : settle_update(j, in, e);
}

static int settle_failed(struct lg_job *j, struct lg_instance *in, const struct lg_err *why, struct lg_err *e)
{
    if (j->kind->verb == LG_V_UPDATE)
        return settle_failed_update(j, in, e);
    if (superseded(j))
        return 0;
    struct lg_truth *t = &j->truth;
    char room[32];
    struct lg_reason reason = {
        .code = reason_code(j, why, room, sizeof room), .text = why->msg, .exit_code = -1};
    struct lg_instance_change ch = {.state = (int)state_after_failure(j, in, why),
                                    .reason = &reason,
                                    .started_at = -1,
                                    .operation_id = j->op.id};
    if (t->known) {
        lg_truth_facts(t, in, &ch);
        if (t->st.run == LG_RUN_EXITED) {
            lg_truth_exit_reason(t);
            if (!strcmp(reason.code, "exited"))
                reason = t->reason;
        }
    }
    if (j->kind->verb == LG_V_DELETE) /* it stays, so it is wanted again as it is */
        ch.desired = ch.state == LG_ST_RUNNING ? "running" : ch.state == LG_ST_PAUSED ? "paused" : "stopped";
    return lg_instance_change(j->db, in, &ch, e);
}

int lg_settle_instance(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {
        0}; /* as it is now: others may have changed labels meanwhile */
    int rc = lg_instance_get(j->db, "", j->in.id, &in, e);
    if (rc == -LG_NO_INSTANCE) {
        lg_err_clear(e);
        return 0;
    }
    if (rc)
        return rc;
    return why ? settle_failed(j, &in, why, e) : settle_done(j, &in, e);
}
