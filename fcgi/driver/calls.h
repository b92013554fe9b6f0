/*
 * Each call of an engine leaves its duration in run/engine.calls, for /metrics, and a line in the log (debug;
 * a warning when the engine did not answer), with the id of the request it is done for.
 */
#ifndef LG_DRIVER_CALLS_H
#define LG_DRIVER_CALLS_H

#include "base/conf.h"

#define LG_CALLS_FILE "run/engine.calls" /* below the state directory; base/histogram.h */

/* By the runner's master before the first fork; without it nothing is counted. `gid`: who may read, or -1. */
int lg_calls_start(const struct lg_conf *c, int gid, struct lg_err *e);

/* One call has ended. `call` is one of few texts, never an id or a name ("POST /containers/{id}/start");
 * `result` an HTTP status, 0, or a negative code. */
void lg_calls_add(const char *backend, const char *call, int64_t took_us, int result);

/* "GET /containers/lodge-…/json?x" → "GET /containers/{id}/json". */
void lg_calls_name(const char *method, const char *path, char *out, size_t cap);

#endif
