/*
 * One instance, compared with its engine. Reads, asks the engine, and writes only when nothing has happened
 * to the instance in between and no operation is open for it: checked inside the transaction that writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "job/reconcile.h"

#define REVIVE_AFTER_MS 10000  /* an engine that keeps the restart policy itself has done so by then */
#define ROUNDING_MS     1000   /* of an engine's times of start; later by more is a restart by its policy */
#define REVIVE_MAX_MS   300000 /* longest pause between two tries */

enum act { ACT_NONE, ACT_CHANGE, ACT_REMOVE, ACT_DELETE, ACT_START, ACT_CLEAN };

struct plan {
    enum act act;
    struct lg_instance_change ch;
    struct lg_reason reason;
    char text[200];
};

#define RUN(sym) (1U << LG_RUN_##sym)

/* What an engine may say about a settled instance without anything being wrong. */
static bool agrees(const struct lg_instance *in, enum lg_run run)
{
    static const unsigned fine[LG_ST_COUNT] = {[LG_ST_RUNNING] = RUN(RUNNING),
                                               [LG_ST_PAUSED] = RUN(PAUSED),
                                               [LG_ST_STOPPED] = RUN(CREATED) | RUN(EXITED),
                                               [LG_ST_ERROR] = RUN(ABSENT) | RUN(CREATED) | RUN(EXITED),
                                               [LG_ST_ASLEEP] = RUN(ASLEEP)};
    if (in->state == LG_ST_STOPPED && run == LG_RUN_ABSENT)
        return !in->engine_ref[0]; /* never made yet */
    return (fine[in->state] >> run) & 1;
}

static void because(struct plan *p, const char *code, const char *text)
{
    p->reason = (struct lg_reason){.code = code, .text = text, .exit_code = -1};
    p->ch.reason = &p->reason;
}

/* ---- revival by policy ---- */

static bool policy_revives(const struct lg_instance *in, const struct lg_inst_status *st)
{
    lg_cleanup_json json_t *c = in->config ? lg_json_parse(in->config, strlen(in->config), 16, NULL) : NULL;
    const char *policy = json_string_value(json_object_get(c, "restartPolicy"));
    if (strcmp(in->desired, "running") || !policy)
        return false;
    if (!strcmp(policy, "on-failure"))
        return st->exit_code != 0;
    return !strcmp(policy, "always") || !strcmp(policy, "unless-stopped");
}

static struct lg_revive *revive_of(struct lg_rec *rec, const char *id)
{
    for (int i = 0; i < LG_REVIVES; i++)
        if (!strcmp(rec->revive[i].id, id))
            return &rec->revive[i];
    struct lg_revive *v = &rec->revive[rec->next_revive++ % LG_REVIVES];
    *v = (struct lg_revive){0};
    memcpy(v->id, id, sizeof v->id);
    return v;
}

static bool may_revive(struct lg_rec *rec, const struct lg_instance *in, const struct lg_inst_status *st)
{
    if (in->state != LG_ST_STOPPED || !policy_revives(in, st) ||
        (st->finished_at && lg_clock_ms() - st->finished_at < REVIVE_AFTER_MS))
        return false;
    struct lg_revive *v = revive_of(rec, in->id);
    int64_t now = lg_clock_mono(), pause = REVIVE_AFTER_MS << (v->times < 5 ? v->times : 5);
    if (now < v->next_at)
        return false;
    v->next_at = now + (pause < REVIVE_MAX_MS ? pause : REVIVE_MAX_MS);
    v->times++;
    return true;
}

/* ---- what to do ---- */

/* In a state that an operation would leave, but there is none: its writer died for good. */
static void plan_interrupted(struct plan *p, const struct lg_instance *in, struct lg_truth *t)
{
    if (in->state == LG_ST_DELETING) {
        p->act = t->st.run == LG_RUN_ABSENT ? ACT_REMOVE : ACT_DELETE;
        return;
    }
    p->act = ACT_CHANGE;
    snprintf(p->text, sizeof p->text, "was interrupted while %s", lg_state_name(in->state));
    because(p, "interrupted", p->text);
}

static void plan_exit(struct plan *p, const struct lg_instance *in, struct lg_truth *t)
{
    lg_truth_exit_reason(t);
    p->ch.reason = &t->reason;
    if (!policy_revives(in, &t->st))
        p->ch.desired = "stopped";
}

static void plan_drift(struct plan *p, const struct lg_instance *in, struct lg_truth *t)
{
    p->act = ACT_CHANGE;
    switch (t->st.run) {
    case LG_RUN_ABSENT:
        because(p, "engine_lost", "it is gone from the engine; a start makes a new one from its image");
        break;
    case LG_RUN_EXITED:
        plan_exit(p, in, t);
        break;
    case LG_RUN_PAUSED:
        because(p, "external", "was paused outside Lodge");
        p->ch.desired = "paused";
        break;
    case LG_RUN_RUNNING:
        if (strcmp(in->desired, "running"))
            because(p, "external", "was started outside Lodge");
        else
            because(p, "", ""); /* as wanted: its restart policy, or an engine that is back */
        p->ch.desired = "running";
        break;
    case LG_RUN_ASLEEP:
        because(p, "external", "was put to sleep outside Lodge");
        p->ch.desired = "stopped";
        break;
    case LG_RUN_CREATED:
        because(p, "external", "was replaced outside Lodge and never started");
        p->ch.desired = "stopped";
        break;
    }
}

static void make_plan(struct lg_rec *rec, struct plan *p, const struct lg_instance *in, struct lg_truth *t)
{
    *p = (struct plan){.ch = {.state = (int)lg_truth_state(t), .started_at = -1}};
    lg_truth_facts(t, in, &p->ch);
    if (lg_state_transient(in->state)) {
        plan_interrupted(p, in, t);
    } else if (!agrees(in, t->st.run)) {
        plan_drift(p, in, t);
    } else if (may_revive(rec, in, &t->st)) {
        p->act = ACT_START;
    } else if (in->state == LG_ST_ERROR && t->st.run == LG_RUN_CREATED) {
        p->act =
            ACT_CLEAN; /* what a failed create could not take away; it never ran, a start makes it anew */
    } else {
        bool restarted = in->state == LG_ST_RUNNING && p->ch.started_at > in->started_at + ROUNDING_MS;
        p->ch.state = -1;
        p->act = restarted || p->ch.engine_ref || p->ch.health ? ACT_CHANGE : ACT_NONE;
    }
}

/* ---- doing it ---- */

/* An operation of the system's own, with the state that shows it. */
static int queue_op(struct lg_rec *rec, struct lg_instance *in, enum lg_verb verb, const char *params,
                    struct lg_err *e)
{
    static struct lg_operation op;
    memset(&op, 0, sizeof op);
    snprintf(op.kind, sizeof op.kind, "instance.%s", lg_verb_name(verb));
    snprintf(op.username, sizeof op.username, "system");
    snprintf(op.params, sizeof op.params, "%s", params);
    memcpy(op.tenant_id, in->tenant_id, sizeof op.tenant_id);
    memcpy(op.instance_id, in->id, sizeof op.instance_id);
    snprintf(op.subject_name, sizeof op.subject_name, "%s", in->name);
    int rc = lg_operation_add(rec->db, &op, false, e);
    struct lg_instance_change ch = {
        .state = (int)lg_verb_during(verb), .started_at = -1, .operation_id = op.id};
    return rc ? rc : lg_instance_change(rec->db, in, &ch, e);
}

static int act(struct lg_rec *rec, struct plan *p, struct lg_instance *in, struct lg_err *e)
{
    switch (p->act) {
    case ACT_CHANGE:
        return lg_instance_change(rec->db, in, &p->ch, e);
    case ACT_REMOVE:
        return lg_instance_remove(rec->db, in, NULL, e);
    case ACT_DELETE:
        return queue_op(rec, in, LG_V_DELETE, "{\"force\":true}", e);
    case ACT_START:
        return queue_op(rec, in, LG_V_START, "{}", e);
    case ACT_CLEAN:
    case ACT_NONE:
        break;
    }
    return 0;
}

static bool operation_open(struct lg_rec *rec, const char *id)
{
    static struct lg_operation op;
    return lg_operation_open_of(rec->db, id, &op, NULL) != 0; /* a failing database: hands off as well */
}

/* The instance as it is now, if it is as it was read and no operation has come up. */
static int write_plan(struct lg_rec *rec, struct plan *p, int64_t version, const char *id, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_tx_write(rec->db, e);
    if (!rc)
        rc = lg_instance_get(rec->db, "", id, &in, e);
    bool same = !rc && in.version == version && !operation_open(rec, id);
    if (same && !(rc = act(rec, p, &in, e)))
        rc = lg_tx_commit(rec->db, e);
    lg_tx_rollback(rec->db);
    if (same && !rc)
        lg_log(LG_INFO, "the reconciler corrected an instance", "instance", id, "state",
               lg_state_name(in.state), "why", p->ch.reason ? p->ch.reason->text : "", NULL);
    return rc;
}

/* What an engine started by itself may have gone back to the limits it was made with. */
static bool limits_held(struct lg_rec *rec, const struct lg_driver *d, struct lg_engine *g,
                        const struct lg_instance *in, const struct lg_truth *t)
{
    struct lg_err e = {0};
    const struct lg_inst_spec s = {.id = in->id,
                                   .cpu_millis = in->cpu_millis,
                                   .memory_bytes = in->memory_bytes,
                                   .pids_limit = rec->r->conf->pids_limit};
    if (t->st.run != LG_RUN_RUNNING || t->st.started_at <= in->started_at || !d->revived ||
        !d->revived(g, &s, &e) || e.code == LG_NOT_FOUND)
        return true;
    lg_log_err(LG_WARN, "what the engine started by itself has not got its limits yet", &e);
    return false;
}

void lg_correct(struct lg_rec *rec, const char *instance_id)
{
    struct lg_err e = {0};
    lg_cleanup_instance struct lg_instance in = {0};
    const struct lg_driver *d;
    struct lg_engine *g;
    if (!lg_id_valid(instance_id) || operation_open(rec, instance_id) ||
        lg_instance_get(rec->db, "", instance_id, &in, &e) || lg_rec_engine(rec, in.backend, &d, &g, &e))
        return;
    struct lg_truth t = {0};
    struct plan p;
    if (!lg_truth_ask(&t, d, g, instance_id, true, &e)) {
        make_plan(rec, &p, &in, &t);
        bool held = limits_held(rec, d, g, &in, &t); /* if not, nothing is noted: the next look tries again */
        if (p.act == ACT_CLEAN) {
            if (!operation_open(rec,
                                instance_id)) /* one that comes up now makes it again should it miss it */
                d->remove(g, instance_id, false, NULL);
        } else if (held && p.act != ACT_NONE &&
                   write_plan(rec, &p, in.version, instance_id, &e) == -LG_STORAGE) {
            lg_log_err(LG_WARN, "a correction cannot be written; the next sweep tries again", &e);
        }
    }
    lg_truth_done(&t);
}
