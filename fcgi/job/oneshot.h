/* The life of one container for one command (store/oneshot.h), in a process of its own. */
#ifndef LG_JOB_ONESHOT_H
#define LG_JOB_ONESHOT_H

#include "job/job.h"

/*
 * Serves lodge-stream's connection `sock`: claims the run that it names, gives it the end of a pair that
 * yields frames (model/run_frame.h), runs the container and removes it. `id` gets the run's id before there
 * is anything to remove. True: nothing is left of it, in the engine and in the database.
 */
bool lg_oneshot_serve(const struct lg_runner *r, int sock, char id[LG_ID_LEN]);

/* Removes what is left of a run whose process died; "": of all runs. Safe to repeat. */
int lg_oneshot_clean(const struct lg_runner *r, const char *id, struct lg_err *e);

#endif
