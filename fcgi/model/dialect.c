#include "model/dialect.h"

#include <string.h>

static const char *const words[LG_DIALECTS][LG_ST_COUNT] = {
    [LG_DIALECT_TENANT] = {[LG_ST_CREATING] = "creating",
                           [LG_ST_STOPPED] = "stopped",
                           [LG_ST_STARTING] = "restarting",
                           [LG_ST_RUNNING] = "running",
                           [LG_ST_STOPPING] = "running",
                           [LG_ST_RESTARTING] = "restarting",
                           [LG_ST_PAUSING] = "running",
                           [LG_ST_PAUSED] = "stopped",
                           [LG_ST_SUSPENDING] = "running",
                           [LG_ST_ASLEEP] = "stopped",
                           [LG_ST_WAKING] = "restarting",
                           [LG_ST_DELETING] = "deleting",
                           [LG_ST_ERROR] = "error"},
    [LG_DIALECT_CLOUD] = {[LG_ST_CREATING] = "stopped",
                          [LG_ST_STOPPED] = "stopped",
                          [LG_ST_STARTING] = "stopped",
                          [LG_ST_RUNNING] = "running",
                          [LG_ST_STOPPING] = "running",
                          [LG_ST_RESTARTING] = "running",
                          [LG_ST_PAUSING] = "stopped",
                          [LG_ST_PAUSED] = "stopped",
                          [LG_ST_SUSPENDING] = "stopped",
                          [LG_ST_ASLEEP] = "stopped",
                          [LG_ST_WAKING] = "stopped",
                          [LG_ST_DELETING] = "stopped",
                          [LG_ST_ERROR] = "error"},
};

/* `in`: the words in which the verb is taken, or, with '!', the one in which it is not; "": in all. */
static const struct rule {
    const char *in, *refusal;
    enum lg_verb verb;
    bool force;
} rules[LG_DIALECTS][LG_V_COUNT] = {
    [LG_DIALECT_TENANT] = {[LG_V_START] = {"stopped", "Instance is not stopped", LG_V_START, false},
                           [LG_V_RESTART] = {"stopped", "Instance is not stopped", LG_V_START, false},
                           [LG_V_STOP] = {"running", "Instance is not running", LG_V_STOP, false},
                           [LG_V_DELETE] = {"!running", "Cannot delete running instance", LG_V_DELETE, true}},
    [LG_DIALECT_CLOUD] = {[LG_V_START] = {"!running", "the container is running already", LG_V_START, false},
                          [LG_V_STOP] = {"running", "the container is not running", LG_V_STOP, false},
                          [LG_V_DELETE] = {"", "", LG_V_DELETE, true}},
};

const char *lg_dialect_status(enum lg_dialect d, enum lg_state s)
{
    const char *word = (unsigned)s < LG_ST_COUNT ? words[d][s] : "error";
    return word ? word : lg_state_name(s);
}

static bool taken(const struct rule *r, const char *word)
{
    if (!*r->in)
        return true;
    return *r->in == '!' ? strcmp(r->in + 1, word) != 0 : !strcmp(r->in, word);
}

int lg_dialect_verb(enum lg_dialect d, enum lg_verb asked, enum lg_state s, struct lg_dialect_act *act,
                    struct lg_err *e)
{
    const struct rule *r = &rules[d][asked];
    const char *word = lg_dialect_status(d, s);
    if (!r->in)
        return lg_fail(e, LG_UNSUPPORTED, "%s is not possible here", lg_verb_name(asked));
    /* What is paused or asleep is shown as stopped, so a start lets it go on. */
    enum lg_verb meant =
        r->verb == LG_V_START && s == LG_ST_PAUSED ? LG_V_UNPAUSE : lg_verb_meant(r->verb, s);
    *act = (struct lg_dialect_act){meant, r->force};
    if (taken(r, word))
        return lg_verb_allowed(act->verb, s, act->force, e);
    lg_fail(e, LG_STATE, "%s", r->refusal);
    return lg_err_detail(e, "status", "%s", word);
}
