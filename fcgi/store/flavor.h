/* Flavors: named sizes of instances, the same for every tenant. */
#ifndef LG_STORE_FLAVOR_H
#define LG_STORE_FLAVOR_H

#include "store/instance.h"

struct lg_flavor {
    char name[32], description[128];
    int64_t vcpus, memory_bytes, disk_bytes, gpus;
};

int lg_flavor_get(struct lg_db *db, const char *name, struct lg_flavor *f, struct lg_err *e); /* 1 / 0 */
/* Those that came with Lodge smallest first, then others as they were made. Returns how many. */
int lg_flavor_each(struct lg_db *db, void (*fn)(void *arg, const struct lg_flavor *f), void *arg,
                   struct lg_err *e);
/* Takes the flavor's name from sizes that are not its own, or no more. One with GPUs stays: it says where
 * those are from. */
int lg_flavor_keep(struct lg_db *db, struct lg_sizes *s, struct lg_err *e);
/* How many instances have its sizes and its name, of whatever tenant. */
int lg_flavor_uses(struct lg_db *db, const char *name, int64_t *n, struct lg_err *e);

/* All below need a write transaction. */

int lg_flavor_add(struct lg_db *db, const struct lg_flavor *f,
                  struct lg_err *e); /* LG_CONFLICT (field "name") */
int lg_flavor_put(struct lg_db *db, const struct lg_flavor *f, struct lg_err *e); /* all but the name */
int lg_flavor_remove(struct lg_db *db, const char *name, struct lg_err *e);

#endif
