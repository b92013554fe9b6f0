/* Metrics that tenants report about themselves: stored as they come, the newest of each tenant kept. */
#ifndef LG_STORE_METRIC_H
#define LG_STORE_METRIC_H

#include "store/db.h"

#define LG_METRICS_KEPT 1000 /* of each tenant */

struct lg_metric {
    int64_t id, at;                   /* filled by the store; at: epoch ms */
    const char *name, *type, *labels; /* labels: JSON object */
    double value;
};

/* Within a write transaction; forgets the oldest past LG_METRICS_KEPT. */
int lg_metric_add(struct lg_db *db, const char *tenant_id, struct lg_metric *m, struct lg_err *e);
/* The newest first, at most `limit`; `name` "" for all. The pointers live during the call of fn. Returns how
 * many. */
int lg_metric_each(struct lg_db *db, const char *tenant_id, const char *name, int limit,
                   void (*fn)(void *arg, const struct lg_metric *m), void *arg, struct lg_err *e);

#endif
