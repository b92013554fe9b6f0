#include "store/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/sql.h"

static void read_row(lg_stmt *s, struct lg_network *n)
{
    lg_col_copy(s, 0, n->id, sizeof n->id);
    lg_col_copy(s, 1, n->tenant_id, sizeof n->tenant_id);
    lg_col_copy(s, 2, n->tenant_slug, sizeof n->tenant_slug);
    lg_col_copy(s, 3, n->name, sizeof n->name);
    lg_col_copy(s, 4, n->cidr, sizeof n->cidr);
    n->number = lg_col_int(s, 5);
    n->version = lg_col_int(s, 6);
    n->created_at = lg_col_int(s, 7);
    n->updated_at = lg_col_int(s, 8);
}

static int no_network(struct lg_err *e)
{
    return lg_fail(e, LG_NOT_FOUND, "there is no such network");
}

/* 1 and the row, 0 none. */
static int read_one(struct lg_db *db, lg_stmt *s, struct lg_network *n, struct lg_err *e)
{
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, n);
    lg_sql_done(s);
    return rc;
}

int lg_network_get(struct lg_db *db, const char *id, struct lg_network *n, struct lg_err *e)
{
    int rc = read_one(db, lg_sql(db, Q_NETWORK_GET, e, "t", id), n, e);
    return rc < 0 ? rc : rc ? 0 : no_network(e);
}

int lg_network_by_name(struct lg_db *db, const char *tenant_id, const char *name, struct lg_network *n,
                       struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_NETWORK_BY_NAME, e, "tt", tenant_id, name), n, e);
}

int lg_network_each(struct lg_db *db, const char *tenant_id, int64_t after_at, const char *after_id,
                    int64_t limit, int64_t offset, int64_t *total,
                    void (*fn)(void *arg, const struct lg_network *n), void *arg, struct lg_err *e)
{
    int rc = total ? lg_sql_int(db, lg_sql(db, Q_NETWORK_COUNT, e, "t", tenant_id), total, e) : 0, count = 0;
    struct lg_network n;
    if (rc)
        return rc;
    lg_stmt *s = lg_sql(db, Q_NETWORK_LIST, e, "tiiit", tenant_id, limit, offset, after_at, after_id);
    for (; (rc = lg_sql_step(db, s, e)) > 0; count++) {
        read_row(s, &n);
        fn(arg, &n);
    }
    return rc < 0 ? rc : count;
}

int lg_network_count_all(struct lg_db *db, int64_t *n, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_NETWORK_COUNT_ALL, e, ""), n, e);
}

/* --- cards --- */

static void read_nic(lg_stmt *s, struct lg_nic *c)
{
    struct lg_cidr cidr;
    memset(c, 0, sizeof *c);
    c->seq = lg_col_int(s, 0);
    lg_col_copy(s, 1, c->instance_id, sizeof c->instance_id);
    lg_col_copy(s, 2, c->instance_name, sizeof c->instance_name);
    lg_col_copy(s, 3, c->network_id, sizeof c->network_id);
    lg_col_copy(s, 4, c->network_name, sizeof c->network_name);
    c->network_number = lg_col_int(s, 6);
    c->position = (int)lg_col_int(s, 7);
    c->detaching = lg_col_int(s, 9);
    if (lg_parse_cidr("cidr", lg_col_text(s, 5), &cidr, NULL))
        return;
    c->prefix = cidr.prefix;
    lg_cidr_address(&cidr, lg_col_int(s, 8), c->address);
}

int lg_nic_each(struct lg_db *db, const char *network_id, void (*fn)(void *arg, const struct lg_nic *c),
                void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_NIC_OF_NETWORK, e, "t", network_id);
    int rc, n = 0;
    struct lg_nic c;
    for (; (rc = lg_sql_step(db, s, e)) > 0; n++) {
        read_nic(s, &c);
        fn(arg, &c);
    }
    return rc < 0 ? rc : n;
}

int lg_nic_load(struct lg_db *db, struct lg_instance *in, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_NIC_OF_INSTANCE, e, "t", in->id);
    int rc = 0;
    free(in->nics);
    in->nics = NULL;
    in->nic_count = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        if (!in->nics && !(in->nics = calloc(LG_NICS_MAX, sizeof *in->nics)))
            abort();
        if (in->nic_count < LG_NICS_MAX)
            read_nic(s, &in->nics[in->nic_count++]);
    }
    return rc;
}

int lg_nic_instances(struct lg_db *db, void (*fn)(void *arg, const char *instance_id), void *arg,
                     struct lg_err *e)
{
    return lg_sql_each_text(db, lg_sql(db, Q_NIC_OF_ANY, e, ""), fn, arg, e);
}

/* --- rendering and events --- */

static void render_nic(void *arg, const struct lg_nic *c)
{
    struct lg_json *j = arg;
    lg_json_obj(j, NULL);
    lg_json_str(j, "instance", c->instance_id);
    lg_json_str(j, "instanceName", c->instance_name);
    lg_json_str(j, "address", c->address);
    lg_json_end_obj(j);
}

int lg_network_render(struct lg_db *db, struct lg_json *j, const char *key, const struct lg_network *n,
                      struct lg_err *e)
{
    lg_json_obj(j, key);
    lg_json_str(j, "id", n->id);
    lg_json_str(j, "name", n->name);
    lg_json_str(j, "tenant", n->tenant_slug);
    lg_json_str(j, "cidr", n->cidr);
    lg_json_arr(j, "attachments");
    int rc = lg_nic_each(db, n->id, render_nic, j, e);
    lg_json_end_arr(j);
    lg_json_int(j, "version", n->version);
    lg_json_time(j, "createdAt", n->created_at);
    lg_json_time(j, "updatedAt", n->updated_at);
    lg_json_end_obj(j);
    return rc < 0 ? rc : 0;
}

static int tell(struct lg_db *db, const char *kind, const struct lg_network *n, struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    struct lg_json *j = lg_event_begin(&d);
    int rc = lg_network_render(db, j, "network", n, e);
    if (rc)
        return rc;
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = n->tenant_id,
                                           .subject_type = "network",
                                           .subject_id = n->id,
                                           .subject_name = n->name},
                        e);
}

static int tell_again(struct lg_db *db, struct lg_network *n, const char *kind, struct lg_err *e)
{
    char id[LG_ID_LEN];
    memcpy(id, n->id, sizeof id);
    int rc = lg_network_get(db, id, n, e);
    return rc ? rc : tell(db, kind, n, e);
}

/* --- changes --- */

int lg_network_add(struct lg_db *db, struct lg_network *n, struct lg_err *e)
{
    int64_t count = 0;
    int rc = lg_sql_int(db, lg_sql(db, Q_NETWORK_COUNT, e, "t", n->tenant_id), &count, e);
    if (!rc && count >= LG_NETWORKS_MAX) {
        lg_fail(e, LG_LIMIT, "the tenant has %d networks; delete one first", LG_NETWORKS_MAX);
        return lg_err_detail(e, "limit", "networks");
    }
    if (!rc)
        rc = lg_sql_int(db, lg_sql(db, Q_NETWORK_FREE_NUMBER, e, ""), &n->number, e);
    if (rc)
        return rc;
    if (n->number > 0xffff)
        return lg_fail(e, LG_LIMIT, "this host has as many networks as it can name");
    lg_id_new(n->id);
    rc = lg_sql_run(db, Q_NETWORK_ADD, e, "ttttii", n->id, n->tenant_id, n->name, n->cidr, n->number,
                    lg_clock_ms());
    if (rc == -(int)LG_CONFLICT) {
        lg_fail(e, LG_CONFLICT, "the name %s is taken by another network", n->name);
        return lg_err_detail(e, "field", "name");
    }
    return rc < 0 ? rc : tell_again(db, n, "network.created", e);
}

static void note_name(void *arg, const struct lg_nic *c)
{
    snprintf(arg, 64, "%s", c->instance_name);
}

int lg_network_remove(struct lg_db *db, struct lg_network *n, struct lg_err *e)
{
    char name[64] = "";
    int count = lg_nic_each(db, n->id, note_name, name, e), rc = count;
    if (count > 0) {
        lg_fail(e, LG_CONFLICT, "%s is on this network; detach it first", name);
        return lg_err_detail(e, "instances", "%d", count);
    }
    if (rc >= 0)
        rc = lg_sql_run(db, Q_NETWORK_REMOVE, e, "t", n->id);
    if (rc == 0)
        return no_network(e);
    if (rc > 0)
        rc = lg_sql_run(db, Q_NETWORK_REMOVAL_PUT, e, "ii", n->number, lg_clock_ms());
    return rc < 0 ? rc : tell(db, "network.deleted", n, e);
}

/* Both sides show it, so both have changed. */
static int touch(struct lg_db *db, struct lg_instance *in, struct lg_network *n, struct lg_err *e)
{
    static const struct lg_instance_change nothing = {.state = -1, .started_at = -1};
    int rc = lg_sql_run(db, Q_NETWORK_TOUCH, e, "ti", n->id, lg_clock_ms());
    if (rc >= 0)
        rc = tell_again(db, n, "network.updated", e);
    return rc < 0 ? rc : lg_instance_change(db, in, &nothing, e);
}

int lg_nic_add(struct lg_db *db, struct lg_instance *in, struct lg_network *n, struct lg_err *e)
{
    struct lg_cidr cidr;
    int64_t position = 0, host = 0;
    int rc = lg_parse_cidr("cidr", n->cidr, &cidr, e);
    if (rc || (rc = lg_sql_int(db, lg_sql(db, Q_NIC_FREE_POSITION, e, "t", in->id), &position, e)))
        return rc;
    if (position > LG_NICS_MAX) {
        lg_fail(e, LG_LIMIT, "an instance can be on %d networks beside its first one", LG_NICS_MAX);
        return lg_err_detail(e, "limit", "nics");
    }
    rc = lg_sql_int(db, lg_sql(db, Q_NIC_FREE_HOST, e, "ti", n->id, lg_cidr_last(&cidr)), &host, e);
    if (rc)
        return rc;
    if (!host) {
        lg_fail(e, LG_LIMIT, "the network %s has no free address", n->name);
        return lg_err_detail(e, "limit", "addresses");
    }
    rc = lg_sql_run(db, Q_NIC_ADD, e, "ttii", in->id, n->id, position, host);
    if (rc == -(int)LG_CONFLICT)
        return lg_fail(e, LG_CONFLICT, "%s is on the network %s already", in->name, n->name);
    return rc < 0 ? rc : touch(db, in, n, e);
}

int lg_nic_set_detaching(struct lg_db *db, const char *instance_id, const char *network_id, bool on,
                         struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_NIC_SET_DETACHING, e, "tti", instance_id, network_id, (int64_t)on);
    return rc < 0 ? rc : rc ? 0 : lg_fail(e, LG_NOT_FOUND, "the instance is not on this network");
}

int lg_nic_remove(struct lg_db *db, struct lg_instance *in, struct lg_network *n, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_NIC_REMOVE, e, "tt", in->id, n->id);
    return rc <= 0 ? rc : touch(db, in, n, e);
}

int lg_network_removal_list(struct lg_db *db, int *out, int cap, struct lg_err *e)
{
    return lg_sql_int_list(db, lg_sql(db, Q_NETWORK_REMOVAL_LIST, e, ""), out, cap, e);
}

int lg_network_removal_clear(struct lg_db *db, int number, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_NETWORK_REMOVAL_CLEAR, e, "i", (int64_t)number);
    return rc < 0 ? rc : 0;
}
