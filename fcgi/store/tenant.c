#include "store/tenant.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/net.h"
#include "store/event.h"
#include "store/idempotency.h"
#include "store/sql.h"
#include "store/token.h"

static void read_row(lg_stmt *s, struct lg_tenant *t)
{
    lg_col_copy(s, 0, t->id, sizeof t->id);
    lg_col_copy(s, 1, t->slug, sizeof t->slug);
    lg_col_copy(s, 2, t->name, sizeof t->name);
    t->net_index = (int)lg_col_int(s, 3);
    t->created_at = lg_col_int(s, 4);
    lg_col_copy(s, 5, t->role, sizeof t->role);
    t->since = lg_col_int(s, 6);
    t->code_network = lg_col_int(s, 7);
}

static int read_one(struct lg_db *db, lg_stmt *s, struct lg_tenant *t, struct lg_err *e)
{
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, t);
    lg_sql_done(s);
    return rc < 0 ? rc : rc ? 0 : lg_fail(e, LG_NOT_FOUND, "there is no such tenant");
}

int lg_tenant_get(struct lg_db *db, const char *id, struct lg_tenant *t, struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_TENANT_GET, e, "t", id), t, e);
}

int lg_tenant_by_slug(struct lg_db *db, const char *slug, struct lg_tenant *t, struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_TENANT_BY_SLUG, e, "t", slug), t, e);
}

int lg_tenant_each(struct lg_db *db, const char *user_id, bool all, const struct lg_tenant_key *after,
                   int64_t limit, int64_t offset, int64_t *total,
                   void (*fn)(void *arg, const struct lg_tenant *t), void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_TENANT_LIST, e, "tiiiit", user_id, (int64_t)all, limit, offset,
                        after ? after->since : -1, after ? after->slug : "");
    int rc, n = 0;
    struct lg_tenant t;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        read_row(s, &t);
        fn(arg, &t);
        n++;
    }
    if (!rc && total)
        rc = lg_sql_int(db, lg_sql(db, Q_TENANT_COUNT, e, "ti", user_id, (int64_t)all), total, e);
    return rc ? rc : n;
}

static void read_member(lg_stmt *s, struct lg_member *m)
{
    lg_col_copy(s, 0, m->user_id, sizeof m->user_id);
    lg_col_copy(s, 1, m->username, sizeof m->username);
    lg_col_copy(s, 2, m->role, sizeof m->role);
    m->since = lg_col_int(s, 3);
}

int lg_member_each(struct lg_db *db, const char *tenant_id, void (*fn)(void *arg, const struct lg_member *m),
                   void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_MEMBER_LIST, e, "t", tenant_id);
    int rc, n = 0;
    struct lg_member m;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        read_member(s, &m);
        fn(arg, &m);
        n++;
    }
    return rc < 0 ? rc : n;
}

int lg_member_get(struct lg_db *db, const char *tenant_id, const char *user_id, struct lg_member *m,
                  struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_MEMBER_GET, e, "tt", tenant_id, user_id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_member(s, m);
    lg_sql_done(s);
    return rc;
}

/* Under this name the resting addresses of a network wait for its next tenant. */
static void network_name(int net_index, char out[32])
{
    snprintf(out, 32, "net:%d", net_index);
}

static int pick_network(struct lg_db *db, int *net_index, struct lg_err *e)
{
    int64_t n = 0;
    int capacity = lg_net_capacity(lg_db_conf(db)->subnet_pool, e);
    int rc = capacity < 0 ? capacity : lg_sql_int(db, lg_sql(db, Q_TENANT_FREE_NET, e, ""), &n, e);
    if (!rc && n >= capacity)
        rc = lg_fail(e, LG_LIMIT, "all %d tenant networks of %s are in use", capacity,
                     lg_db_conf(db)->subnet_pool);
    *net_index = (int)n;
    return rc;
}

int lg_tenant_add(struct lg_db *db, struct lg_tenant *t, struct lg_err *e)
{
    char net[32];
    lg_id_new(t->id);
    t->created_at = lg_clock_ms();
    int rc = pick_network(db, &t->net_index, e);
    if (rc)
        return rc;
    rc = lg_sql_run(db, Q_TENANT_ADD, e, "tttii", t->id, t->slug, t->name, (int64_t)t->net_index,
                    t->created_at);
    if (rc == -(int)LG_CONFLICT) {
        lg_fail(e, LG_CONFLICT, "there is a tenant %s already", t->slug);
        return lg_err_detail(e, "field", "slug");
    }
    network_name(t->net_index, net);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_TENANT_MOVE_QUARANTINE, e, "tt", net, t->id);
    return rc < 0 ? rc : 0;
}

static int check_empty(struct lg_db *db, const struct lg_tenant *t, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_TENANT_CONTENT, e, "t", t->id);
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    int instances = (int)lg_col_int(s, 0), images = (int)lg_col_int(s, 1), volumes = (int)lg_col_int(s, 2),
        networks = (int)lg_col_int(s, 3);
    lg_sql_done(s);
    if (!instances && !images && !volumes && !networks)
        return 0;
    lg_fail(e, LG_CONFLICT,
            "the tenant %s still has %d instances, %d images, %d volumes and %d networks; delete them first",
            t->slug, instances, images, volumes, networks);
    lg_err_detail(e, "instances", "%d", instances);
    lg_err_detail(e, "images", "%d", images);
    lg_err_detail(e, "volumes", "%d", volumes);
    return lg_err_detail(e, "networks", "%d", networks);
}

/* What opens streams in this tenant: its members. Tokens and memberships then go with the row. */
struct members {
    struct lg_member *at;
    int count, cap;
    bool failed;
};

static void note_member(void *arg, const struct lg_member *m)
{
    struct members *all = arg;
    if (all->count == all->cap) {
        int cap = all->cap ? 2 * all->cap : 16;
        struct lg_member *at = realloc(all->at, (size_t)cap * sizeof *at);
        if (!at) {
            all->failed = true;
            return;
        }
        all->at = at;
        all->cap = cap;
    }
    all->at[all->count++] = *m;
}

static int tell_removed(struct lg_db *db, const char *tenant_id, const struct lg_member *m, struct lg_err *e)
{
    return lg_event_add(db,
                        &(struct lg_event){.kind = "member.removed",
                                           .tenant_id = tenant_id,
                                           .admin = true,
                                           .subject_type = "user",
                                           .subject_id = m->user_id,
                                           .subject_name = m->username},
                        e);
}

static int dismiss_all(struct lg_db *db, const char *tenant_id, struct lg_err *e)
{
    struct members all = {0};
    int rc = lg_member_each(db, tenant_id, note_member, &all, e);
    if (all.failed)
        rc = lg_fail(e, LG_INTERNAL, "out of memory");
    for (int i = 0; rc >= 0 && i < all.count; i++) {
        rc = lg_token_revoke_all(db, all.at[i].user_id, tenant_id, e);
        if (rc >= 0)
            rc = tell_removed(db, tenant_id, &all.at[i], e);
    }
    free(all.at);
    return rc < 0 ? rc : 0;
}

int lg_tenant_rename(struct lg_db *db, struct lg_tenant *t, const char *name, struct lg_err *e)
{
    snprintf(t->name, sizeof t->name, "%s", name);
    int rc = lg_sql_run(db, Q_TENANT_RENAME, e, "tt", t->id, t->name);
    return rc < 0 ? rc : 0;
}

int lg_tenant_remove(struct lg_db *db, const struct lg_tenant *t, struct lg_err *e)
{
    char net[32];
    network_name(t->net_index, net);
    int rc = check_empty(db, t, e);
    if (!rc)
        rc = dismiss_all(db, t->id, e);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_TENANT_MOVE_QUARANTINE, e, "tt", t->id, net);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_TENANT_FORGET_COUNTS, e, "t", t->id);
    if (rc >= 0)
        rc = lg_idempotency_forget(db, t->id, e);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_TENANT_REMOVE, e, "t", t->id);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_NETWORK_RELEASE_PUT, e, "ii", (int64_t)t->net_index, lg_clock_ms());
    return rc < 0 ? rc : 0;
}

int lg_network_release_list(struct lg_db *db, int *out, int cap, struct lg_err *e)
{
    return lg_sql_int_list(db, lg_sql(db, Q_NETWORK_RELEASE_LIST, e, ""), out, cap, e);
}

int lg_network_release_clear(struct lg_db *db, int net_index, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_NETWORK_RELEASE_CLEAR, e, "i", (int64_t)net_index);
    return rc < 0 ? rc : 0;
}

static int check_not_last_owner(struct lg_db *db, const char *tenant_id, const char *user_id,
                                struct lg_err *e)
{
    int64_t others = 0;
    int rc = lg_sql_int(db, lg_sql(db, Q_MEMBER_OTHER_OWNERS, e, "tt", tenant_id, user_id), &others, e);
    if (rc || others)
        return rc;
    return lg_fail(e, LG_CONFLICT, "this is the last owner of the tenant; make another one first");
}

int lg_member_put(struct lg_db *db, const char *tenant_id, const char *user_id, const char *role,
                  struct lg_err *e)
{
    struct lg_member was;
    int rc = lg_member_get(db, tenant_id, user_id, &was, e);
    if (rc > 0 && !strcmp(was.role, "owner") && strcmp(role, "owner") != 0)
        rc = check_not_last_owner(db, tenant_id, user_id, e);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_MEMBER_PUT, e, "ttti", tenant_id, user_id, role, lg_clock_ms());
    return rc < 0 ? rc : 0;
}

int lg_member_remove(struct lg_db *db, const char *tenant_id, const char *user_id, struct lg_err *e)
{
    struct lg_member m;
    int rc = lg_member_get(db, tenant_id, user_id, &m, e);
    if (rc == 0)
        return lg_fail(e, LG_NOT_FOUND, "that user is no member of the tenant");
    if (rc > 0)
        rc = strcmp(m.role, "owner") ? 0 : check_not_last_owner(db, tenant_id, user_id, e);
    if (!rc)
        rc = lg_sql_run(db, Q_MEMBER_REMOVE, e, "tt", tenant_id, user_id);
    if (rc >= 0)
        rc = lg_token_revoke_all(db, user_id, tenant_id, e);
    return rc < 0 ? rc : tell_removed(db, tenant_id, &m, e);
}
