/*
 * Whether a tenant's code (runs in sandboxes, containers for one command) is on the tenant's network. An
 * administrator says so, through lodge-api; the processes that make the containers look at the moment they
 * do.
 */
#ifndef LG_STORE_CODE_NETWORK_H
#define LG_STORE_CODE_NETWORK_H

#include "store/db.h"

/* false also for a tenant that is gone. */
int lg_code_network_allowed(struct lg_db *db, const char *tenant_id, bool *allowed, struct lg_err *e);
/* In a write transaction. Setting it again is 0. */
int lg_code_network_set(struct lg_db *db, const char *tenant_id, bool allowed, struct lg_err *e);
/*
 * The number of the tenant's network, for code at the address `host` of it. LG_FORBIDDEN: it is not (any
 * more) allowed, or the tenant is gone. LG_CONFLICT: an instance has the address, or had it a moment ago.
 */
int lg_code_network_place(struct lg_db *db, const char *tenant_id, int host, int *net_index,
                          struct lg_err *e);

#endif
