/* Containers' own layers: written by lodge-runner's measuring process, read by its sampler and by lodge-api.
 */
#ifndef LG_STORE_LAYER_H
#define LG_STORE_LAYER_H

#include "store/instance.h"

struct lg_layer_row {
    int64_t bytes;
    bool hard, warned;
    int64_t stopped_bytes; /* 0: it was not stopped for its size */
    int64_t at;
};
/* 1 and fills `l`, 0 when it was not measured yet. */
int lg_layer_get(struct lg_db *db, const char *instance_id, struct lg_layer_row *l, struct lg_err *e);
/* Writes it (`at` is now); of an instance that is no more: nothing. */
int lg_layer_put(struct lg_db *db, const char *instance_id, const struct lg_layer_row *l, struct lg_err *e);

/* Event instance.storage, data {used, limit, percent, level}: level is "warning", "full" or "ok". */
int lg_layer_tell(struct lg_db *db, const struct lg_instance *in, const char *level, int64_t used,
                  struct lg_err *e);

#endif
