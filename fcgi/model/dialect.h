/*
 * How the other APIs speak of an instance: which word each has for a state of the model, in which of its own
 * words it takes a verb, and what it says when it does not. One table each; the model's own rules
 * (model/state.h) still have the last word. Pure.
 */
#ifndef LG_MODEL_DIALECT_H
#define LG_MODEL_DIALECT_H

#include "model/state.h"

enum lg_dialect { LG_DIALECT_NATIVE, LG_DIALECT_TENANT, LG_DIALECT_CLOUD, LG_DIALECTS };

/* The dialect's word for a state. */
const char *lg_dialect_status(enum lg_dialect d, enum lg_state s);

/* What a dialect's verb comes to in the model. */
struct lg_dialect_act {
    enum lg_verb verb;
    bool force;
};

/* 0 and fills `act`, or LG_STATE with the dialect's own sentence. */
int lg_dialect_verb(enum lg_dialect d, enum lg_verb asked, enum lg_state s, struct lg_dialect_act *act,
                    struct lg_err *e);

#endif
