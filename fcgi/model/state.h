/*
 * The life of an instance: its states, the verbs that may be asked of it, and one table that says which verb
 * is legal in which state and what the state becomes. Every dialect and every job reads this table; none has
 * rules of its own.
 */
#ifndef LG_MODEL_STATE_H
#define LG_MODEL_STATE_H

#include <stdbool.h>

#include "base/err.h"

#define LG_STATES(X)                                                                                         \
    X(CREATING, "creating")                                                                                  \
    X(STOPPED, "stopped")                                                                                    \
    X(STARTING, "starting")                                                                                  \
    X(RUNNING, "running")                                                                                    \
    X(STOPPING, "stopping")                                                                                  \
    X(RESTARTING, "restarting")                                                                              \
    X(PAUSING, "pausing")                                                                                    \
    X(PAUSED, "paused")                                                                                      \
    X(SUSPENDING, "suspending")                                                                              \
    X(ASLEEP, "asleep")                                                                                      \
    X(WAKING, "waking")                                                                                      \
    X(DELETING, "deleting")                                                                                  \
    X(ERROR, "error")

enum lg_state {
#define X(sym, name) LG_ST_##sym,
    LG_STATES(X)
#undef X
        LG_ST_COUNT
};

/* create is the birth of an instance; the others are asked of an existing one. suspend, wake and reset are
 * for backends that can. */
#define LG_VERBS(X)                                                                                          \
    X(CREATE, "create")                                                                                      \
    X(START, "start")                                                                                        \
    X(STOP, "stop")                                                                                          \
    X(RESTART, "restart")                                                                                    \
    X(PAUSE, "pause")                                                                                        \
    X(UNPAUSE, "unpause")                                                                                    \
    X(UPDATE, "update")                                                                                      \
    X(DELETE, "delete")                                                                                      \
    X(SUSPEND, "suspend")                                                                                    \
    X(WAKE, "wake")                                                                                          \
    X(RESET, "reset")

enum lg_verb {
#define X(sym, name) LG_V_##sym,
    LG_VERBS(X)
#undef X
        LG_V_COUNT
};

const char *lg_state_name(enum lg_state s);
int lg_state_of(const char *name); /* -1 when there is none */
const char *lg_verb_name(enum lg_verb v);
int lg_verb_of(const char *name); /* -1 when there is none */

/*
 * May `v` be asked of an instance in state `s`? With `force` also what only force allows (delete of a running
 * one, a stop during another verb). 0, or LG_STATE with a sentence that says what to do instead.
 */
int lg_verb_allowed(enum lg_verb v, enum lg_state s, bool force, struct lg_err *e);

/* Has an instance of this type ("container", "vm") the verb at all? 0, or LG_UNSUPPORTED with a sentence. */
int lg_verb_of_type(enum lg_verb v, const char *type, struct lg_err *e);
/* What a verb comes to in a state: a start of a sleeping one is a wake. */
enum lg_verb lg_verb_meant(enum lg_verb v, enum lg_state s);

/* State while the verb is at work, and after it succeeded (LG_ST_COUNT: unchanged). */
enum lg_state lg_verb_during(enum lg_verb v);
enum lg_state lg_verb_after(enum lg_verb v);

/* True for states that an operation will leave by itself (creating, starting, …). */
bool lg_state_transient(enum lg_state s);

#endif
