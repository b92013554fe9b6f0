/* Tenants and who may act in them. */
#ifndef LG_STORE_TENANT_H
#define LG_STORE_TENANT_H

#include "base/json.h"
#include "store/db.h"

struct lg_tenant {
    char id[LG_ID_LEN], slug[64], name[101], role[8]; /* role: in lists, the asking user's there */
    int net_index;
    bool code_network; /* its code is on it: store/code_network.h */
    int64_t created_at;
    int64_t since; /* in lists: when that user joined, larger than any time when it did not */
};

struct lg_member {
    char user_id[LG_ID_LEN], username[65], role[8]; /* "member", "owner" */
    int64_t since;
};

int lg_tenant_get(struct lg_db *db, const char *id, struct lg_tenant *t, struct lg_err *e); /* LG_NOT_FOUND */
int lg_tenant_by_slug(struct lg_db *db, const char *slug, struct lg_tenant *t,
                      struct lg_err *e); /* LG_NOT_FOUND */
/* Where a list goes on: after the tenant with this slug, joined then. */
struct lg_tenant_key {
    int64_t since;
    const char *slug;
};
/* Those the user is member of in the order of joining, then, with `all`, every other one; `after` NULL: from
 * the first. Returns how many;
 * `total` (may be NULL) gets how many there are. */
int lg_tenant_each(struct lg_db *db, const char *user_id, bool all, const struct lg_tenant_key *after,
                   int64_t limit, int64_t offset, int64_t *total,
                   void (*fn)(void *arg, const struct lg_tenant *t), void *arg, struct lg_err *e);

/* Those of a tenant, the longest first; returns how many. */
int lg_member_each(struct lg_db *db, const char *tenant_id, void (*fn)(void *arg, const struct lg_member *m),
                   void *arg, struct lg_err *e);
/* 1 and fills m, 0 when the user is no member. */
int lg_member_get(struct lg_db *db, const char *tenant_id, const char *user_id, struct lg_member *m,
                  struct lg_err *e);

/* Numbers of deleted tenants' networks that engines may still hold, lowest first. Returns how many. */
int lg_network_release_list(struct lg_db *db, int *out, int cap, struct lg_err *e);

/* All below need a write transaction. */

/* The engines have let go of it: the number may be given to a new tenant. */
int lg_network_release_clear(struct lg_db *db, int net_index, struct lg_err *e);

/* Fills id, net_index (the lowest free one that no engine may still hold) and created_at. LG_CONFLICT
 * (details.field "slug") when the slug is taken, LG_LIMIT when subnet_pool is used up. */
int lg_tenant_add(struct lg_db *db, struct lg_tenant *t, struct lg_err *e);
/* Another name for people. */
int lg_tenant_rename(struct lg_db *db, struct lg_tenant *t, const char *name, struct lg_err *e);
/* With its memberships and tokens; lodge-runner then removes its network. LG_CONFLICT while it has instances
 * or images. */
int lg_tenant_remove(struct lg_db *db, const struct lg_tenant *t, struct lg_err *e);
/* Adds a member or changes its role; LG_CONFLICT when that takes the last owner away. */
int lg_member_put(struct lg_db *db, const char *tenant_id, const char *user_id, const char *role,
                  struct lg_err *e);
/* Ends the membership and revokes the user's tokens there; events member.removed and token.revoked.
 * LG_NOT_FOUND; LG_CONFLICT for the last owner. */
int lg_member_remove(struct lg_db *db, const char *tenant_id, const char *user_id, struct lg_err *e);

#endif
