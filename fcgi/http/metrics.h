/*
 * Counters that all workers of lodge-api add to: a table in shared memory, made by the master before it
 * forks, so nothing is lost when a worker ends. One slot for each method of each route; adding takes no lock.
 * lg_metrics_start is the master's, the rest the workers'.
 */
#ifndef LG_HTTP_METRICS_H
#define LG_HTTP_METRICS_H

#include "base/buf.h"
#include "http/server.h"

/* Makes the slots for all routes of these pools (ended by a NULL name). LG_INTERNAL without memory. */
int lg_metrics_start(const struct lg_pool *pools, struct lg_err *e);

/* Counts one answer. `route` NULL: none was found, or it was nginx' own /render. */
void lg_metrics_count(const struct lg_route *route, const char *method, int status, int64_t took_us);
/* A worker of some pool had to be started again. */
void lg_metrics_restarted(void);

/* Appends what was counted in Prometheus' text format. */
void lg_metrics_render(struct lg_buf *out);

/* --- the text format, for whoever adds to it --- */

/* "# HELP" and "# TYPE" of a family; its samples follow. */
void lg_metrics_family(struct lg_buf *out, const char *name, const char *type, const char *help);
/* Appends `value` with the escapes of a label's value, without quotes. */
void lg_metrics_label(struct lg_buf *out, const char *value);

/*
 * A small text that all workers share for `keep_ms`. take: true and a copy in `out` when there is one that
 * young. put: replaces it; what is longer than LG_SHARED_MAX is not kept.
 */
#define LG_SHARED_MAX 2048
bool lg_shared_take(int64_t keep_ms, struct lg_buf *out);
void lg_shared_put(const char *text, size_t n);

#endif
