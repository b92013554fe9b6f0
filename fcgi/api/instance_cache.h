/*
 * The last rendered answers of this worker, good until anything at all is committed to the database. Clients
 * that wait for a change ask for the same instance again and again; they cost one look at a counter instead
 * of seven statements.
 */
#ifndef LG_API_INSTANCE_CACHE_H
#define LG_API_INSTANCE_CACHE_H

#include "http/request.h"

/* Puts a remembered answer for this tenant and instance id into `r`; false when there is none. */
bool lg_instance_cache_get(struct lg_req *q, struct lg_resp *r, const char *id);
/* Remembers the answer, which was read while the stamp was `stamp`. */
void lg_instance_cache_put(const struct lg_req *q, const struct lg_resp *r, const char *id,
                           const struct lg_stamp *stamp);

#endif
