/*
 * Tenants' own networks and the cards on them. Written by lodge-api; lodge-runner takes detached cards and
 * the bridges of deleted networks away. Events network.created, network.updated, network.deleted; a card also
 * touches its instance.
 */
#ifndef LG_STORE_NETWORK_H
#define LG_STORE_NETWORK_H

#include "base/json.h"
#include "model/cidr.h"
#include "store/instance.h"

struct lg_network {
    char id[LG_ID_LEN], tenant_id[LG_ID_LEN], tenant_slug[64], name[64], cidr[LG_CIDR_LEN];
    int64_t number, version, created_at, updated_at;
};

/* Fills id, number, version and times. LG_CONFLICT: the name is taken; LG_LIMIT: the tenant has its most. */
int lg_network_add(struct lg_db *db, struct lg_network *n, struct lg_err *e);
int lg_network_get(struct lg_db *db, const char *id, struct lg_network *n,
                   struct lg_err *e); /* LG_NOT_FOUND */
int lg_network_by_name(struct lg_db *db, const char *tenant_id, const char *name, struct lg_network *n,
                       struct lg_err *e); /* 1 / 0 */
/* Those of a tenant, oldest first, from after the one made at that moment with that id on (0, "": from the
 * first). Returns how many; *total (may be NULL) counts all. */
int lg_network_each(struct lg_db *db, const char *tenant_id, int64_t after_at, const char *after_id,
                    int64_t limit, int64_t offset, int64_t *total,
                    void (*fn)(void *arg, const struct lg_network *n), void *arg, struct lg_err *e);
/* LG_CONFLICT while a card is on it. Its bridge is noted for removal. */
int lg_network_remove(struct lg_db *db, struct lg_network *n, struct lg_err *e);
int lg_network_render(struct lg_db *db, struct lg_json *j, const char *key, const struct lg_network *n,
                      struct lg_err *e);

/* Picks position and address. LG_CONFLICT: it has one there; LG_LIMIT: no address or place is left. */
int lg_nic_add(struct lg_db *db, struct lg_instance *in, struct lg_network *n, struct lg_err *e);
int lg_nic_each(struct lg_db *db, const char *network_id, void (*fn)(void *arg, const struct lg_nic *c),
                void *arg, struct lg_err *e);
int lg_nic_load(struct lg_db *db, struct lg_instance *in,
                struct lg_err *e); /* part of lg_instance_load_parts */
int lg_nic_instances(struct lg_db *db, void (*fn)(void *arg, const char *instance_id), void *arg,
                     struct lg_err *e);
/* LG_NOT_FOUND when there is none. */
int lg_nic_set_detaching(struct lg_db *db, const char *instance_id, const char *network_id, bool on,
                         struct lg_err *e);
int lg_nic_remove(struct lg_db *db, struct lg_instance *in, struct lg_network *n, struct lg_err *e);

/* Bridges to remove; and how many networks there are at all. */
int lg_network_removal_list(struct lg_db *db, int *out, int cap, struct lg_err *e);
int lg_network_removal_clear(struct lg_db *db, int number, struct lg_err *e);
int lg_network_count_all(struct lg_db *db, int64_t *n, struct lg_err *e);

#endif
