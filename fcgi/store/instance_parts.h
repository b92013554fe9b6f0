/* Private to fcgi/store: environment, labels and ports of an instance. */
#ifndef LG_STORE_INSTANCE_PARTS_H
#define LG_STORE_INSTANCE_PARTS_H

#include "store/instance.h"

/* Writes in->env, labels and ports. LG_CONFLICT (details.field "config.ports") when a host port is taken. */
int lg_parts_add(struct lg_db *db, const struct lg_instance *in, const struct lg_key *env_key,
                 struct lg_err *e);
/* Frees env, labels and ports and zeroes their fields. */
void lg_parts_done(struct lg_instance *in);
/* `to` gets the parts of `from`, which keeps none. What `to` had is overwritten. */
void lg_parts_move(struct lg_instance *to, struct lg_instance *from);

#endif
