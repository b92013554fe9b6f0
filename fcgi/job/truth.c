/* From the engine's word to the database's: what a status means as a state, and how an end is explained. */
#include "job/job.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void lg_truth_done(struct lg_truth *t)
{
    lg_buf_done(&t->log);
    memset(t, 0, sizeof *t);
}

int lg_truth_ask(struct lg_truth *t, const struct lg_driver *d, struct lg_engine *g, const char *id,
                 bool logs, struct lg_err *e)
{
    lg_truth_done(t);
    t->log.max = 32768;
    int rc = d->inspect(g, id, &t->st, e);
    t->known = !rc;
    if (t->known && logs && t->st.run == LG_RUN_EXITED && d->log_tail)
        d->log_tail(g, id, LG_LOG_LINES, &t->log, NULL); /* without it the reason has no log: no failure */
    return rc;
}

enum lg_state lg_truth_state(const struct lg_truth *t)
{
    static const enum lg_state states[] = {
        [LG_RUN_ABSENT] = LG_ST_ERROR,  [LG_RUN_CREATED] = LG_ST_STOPPED, [LG_RUN_RUNNING] = LG_ST_RUNNING,
        [LG_RUN_PAUSED] = LG_ST_PAUSED, [LG_RUN_EXITED] = LG_ST_STOPPED,  [LG_RUN_ASLEEP] = LG_ST_ASLEEP};
    return states[t->st.run];
}

enum lg_state lg_state_without_engine(const struct lg_instance *in, enum lg_verb verb)
{
    if (verb == LG_V_CREATE || !in->engine_ref[0])
        return LG_ST_ERROR;
    if (verb == LG_V_UNPAUSE)
        return LG_ST_PAUSED;
    if (verb == LG_V_WAKE)
        return LG_ST_ASLEEP;
    return in->started_at ? LG_ST_RUNNING : LG_ST_STOPPED;
}

const char *lg_truth_health(const struct lg_truth *t, const struct lg_instance *in)
{
    const char *now = t->st.run == LG_RUN_RUNNING && t->st.agent ? "healthy" : "unknown";
    return strcmp(in->type, "vm") || !strcmp(now, in->health) ? NULL : now;
}

void lg_truth_facts(const struct lg_truth *t, const struct lg_instance *in, struct lg_instance_change *ch)
{
    bool up = t->st.run == LG_RUN_RUNNING || t->st.run == LG_RUN_PAUSED;
    int64_t started = t->st.started_at ? t->st.started_at : lg_clock_ms();
    ch->started_at = !up ? 0 : in->started_at && !t->st.started_at ? -1 : started;
    if (t->st.ref[0] && strcmp(t->st.ref, in->engine_ref))
        ch->engine_ref = t->st.ref;
    bool same_start = up && in->started_at && t->st.started_at <= in->started_at + 1000;
    if (!same_start && *in->pending)
        ch->pending = ""; /* a start gives all; what an update left for it is said by the update alone */
    ch->health = lg_truth_health(t, in);
}

void lg_truth_exit_reason(struct lg_truth *t)
{
    char at[LG_ISO_LEN] = "an unknown time";
    if (t->st.finished_at)
        lg_clock_iso(t->st.finished_at, at);
    bool oom = t->st.oom_killed;
    if (oom)
        snprintf(t->text, sizeof t->text, "ran out of memory and was killed at %s", at);
    else if (*t->st.why)
        snprintf(t->text, sizeof t->text, "%s at %s", t->st.why, at);
    else
        snprintf(t->text, sizeof t->text, "exited with code %d at %s", t->st.exit_code, at);
    t->reason = (struct lg_reason){.code = oom ? "oom_killed" : "exited",
                                   .text = t->text,
                                   .exit_code = t->st.exit_code,
                                   .oom_killed = oom,
                                   .log = t->log.len ? lg_buf_cstr(&t->log) : NULL};
}
