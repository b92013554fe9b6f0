#include "model/state.h"

#include <string.h>

static const char *const state_names[LG_ST_COUNT] = {
#define X(sym, name) [LG_ST_##sym] = name,
    LG_STATES(X)
#undef X
};

static const char *const verb_names[LG_V_COUNT] = {
#define X(sym, name) [LG_V_##sym] = name,
    LG_VERBS(X)
#undef X
};

#define IN(sym) (1U << LG_ST_##sym)
#define ANY     ((1U << LG_ST_COUNT) - 1)
#define BUSY                                                                                                 \
    (IN(CREATING) | IN(STARTING) | IN(STOPPING) | IN(RESTARTING) | IN(PAUSING) | IN(SUSPENDING) | IN(WAKING))

/* from: states in which the verb is legal; forced: the further ones with force. */
static const struct rule {
    unsigned from, forced;
    enum lg_state during, after;
    const char *refusal; /* "the instance is <state>; " and this */
} rules[LG_V_COUNT] = {
    [LG_V_CREATE] = {0, 0, LG_ST_CREATING, LG_ST_RUNNING, "it exists already"},
    [LG_V_START] = {IN(STOPPED) | IN(ERROR) | IN(ASLEEP), 0, LG_ST_STARTING, LG_ST_RUNNING,
                    "only a stopped one can be started"},
    [LG_V_STOP] = {IN(RUNNING) | IN(PAUSED) | IN(ERROR), BUSY | IN(STOPPED) | IN(ASLEEP), LG_ST_STOPPING,
                   LG_ST_STOPPED, "only a running one can be stopped"},
    [LG_V_RESTART] = {IN(RUNNING) | IN(ERROR), IN(PAUSED), LG_ST_RESTARTING, LG_ST_RUNNING,
                      "only a running one can be restarted"},
    [LG_V_PAUSE] = {IN(RUNNING), 0, LG_ST_PAUSING, LG_ST_PAUSED, "only a running one can be paused"},
    [LG_V_UNPAUSE] = {IN(PAUSED), 0, LG_ST_RESTARTING, LG_ST_RUNNING, "only a paused one can be unpaused"},
    [LG_V_UPDATE] = {IN(STOPPED) | IN(RUNNING) | IN(PAUSED) | IN(ERROR), 0, LG_ST_COUNT, LG_ST_COUNT,
                     "wait until it has settled"},
    [LG_V_DELETE] = {IN(STOPPED) | IN(ERROR) | IN(ASLEEP), ANY & ~IN(DELETING), LG_ST_DELETING, LG_ST_COUNT,
                     "stop it first, or delete it with force"},
    [LG_V_SUSPEND] = {IN(RUNNING) | IN(PAUSED), 0, LG_ST_SUSPENDING, LG_ST_ASLEEP,
                      "only a running one can be put to sleep"},
    [LG_V_WAKE] = {IN(ASLEEP), 0, LG_ST_WAKING, LG_ST_RUNNING, "only a sleeping one can be woken"},
    [LG_V_RESET] = {IN(RUNNING), IN(PAUSED), LG_ST_RESTARTING, LG_ST_RUNNING,
                    "only a running one can be reset"},
};

/* Verbs that need what only a machine of its own has: firmware to reset, memory to write out. */
static const unsigned vm_only = 1U << LG_V_RESET | 1U << LG_V_SUSPEND | 1U << LG_V_WAKE;

int lg_verb_of_type(enum lg_verb v, const char *type, struct lg_err *e)
{
    if (!((vm_only >> v) & 1) || !strcmp(type, "vm"))
        return 0;
    lg_fail(e, LG_UNSUPPORTED, "a %s has no %s: only a virtual machine does", type, lg_verb_name(v));
    return lg_err_detail(e, "verb", "%s", lg_verb_name(v));
}

enum lg_verb lg_verb_meant(enum lg_verb v, enum lg_state s)
{
    return v == LG_V_START && s == LG_ST_ASLEEP ? LG_V_WAKE : v;
}

const char *lg_state_name(enum lg_state s)
{
    return (unsigned)s < LG_ST_COUNT ? state_names[s] : "error";
}

static int find(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

int lg_state_of(const char *name)
{
    return find(state_names, LG_ST_COUNT, name);
}

const char *lg_verb_name(enum lg_verb v)
{
    return (unsigned)v < LG_V_COUNT ? verb_names[v] : "?";
}

int lg_verb_of(const char *name)
{
    return find(verb_names, LG_V_COUNT, name);
}

int lg_verb_allowed(enum lg_verb v, enum lg_state s, bool force, struct lg_err *e)
{
    const struct rule *r = &rules[v];
    unsigned bit = 1U << s;
    if ((r->from & bit) || (force && (r->forced & bit)))
        return 0;
    lg_fail(e, LG_STATE, "the instance is %s; %s", lg_state_name(s), r->refusal);
    lg_err_detail(e, "state", "%s", lg_state_name(s));
    return lg_err_detail(e, "verb", "%s", lg_verb_name(v));
}

enum lg_state lg_verb_during(enum lg_verb v)
{
    return rules[v].during;
}

enum lg_state lg_verb_after(enum lg_verb v)
{
    return rules[v].after;
}

bool lg_state_transient(enum lg_state s)
{
    return ((BUSY | IN(DELETING)) >> s) & 1;
}
