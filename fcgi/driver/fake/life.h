/* What a fake instance does as time passes: nothing runs, so its state is computed when somebody looks. */
#ifndef LG_DRIVER_FAKE_LIFE_H
#define LG_DRIVER_FAKE_LIFE_H

#include "driver/fake/state.h"

/* Begins a life: started_at, output, and when and how it will end by itself. */
void lg_fake_begin(struct lg_engine *g, json_t *inst);
/* Brings it up to date: ends it when its time is over, restarts it by its policy. Saves what changed. */
void lg_fake_live(struct lg_engine *g, json_t *inst);
/* Ends it now. */
void lg_fake_end(struct lg_engine *g, json_t *inst, int exit_code, bool oom, int64_t at);

#endif
