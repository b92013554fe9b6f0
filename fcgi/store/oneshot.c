#include "store/oneshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/net.h"
#include "store/code_network.h"
#include "store/event.h"
#include "store/sql.h"

#define UNCLAIMED_MS ((int64_t)20000) /* longer than lodge-stream tries to reach the runner */
#define KEEP_MS      ((int64_t)3600000)

void lg_oneshot_done(struct lg_oneshot *o)
{
    free(o->command);
    o->command = NULL;
}

/* The command is copied only when it is asked for. */
static void read_row(lg_stmt *s, struct lg_oneshot *o, bool command)
{
    memset(o, 0, sizeof *o);
    o->seq = lg_col_int(s, 0);
    lg_col_copy(s, 1, o->id, sizeof o->id);
    lg_col_copy(s, 2, o->tenant_id, sizeof o->tenant_id);
    lg_col_copy(s, 3, o->image, sizeof o->image);
    lg_col_copy(s, 4, o->image_ref, sizeof o->image_ref);
    o->command = command ? strdup(lg_col_text(s, 5)) : NULL;
    o->whole = lg_col_int(s, 6);
    lg_col_copy(s, 7, o->state, sizeof o->state);
    o->stop = lg_col_int(s, 8);
    o->created_at = lg_col_int(s, 9);
    o->host_number = (int)lg_col_int(s, 10);
    o->exit_code = lg_col_null(s, 11) ? -1 : (int)lg_col_int(s, 11);
    lg_col_copy(s, 12, o->error, sizeof o->error);
    o->ended_at = lg_col_int(s, 13);
}

static int active(struct lg_db *db, const char *tenant_id, int64_t *n, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_ONESHOT_ACTIVE, e, "t", tenant_id), n, e);
}

static int admit(struct lg_db *db, const char *tenant_id, struct lg_err *e)
{
    const struct lg_conf *c = lg_db_conf(db);
    int64_t all, own;
    int rc = active(db, "", &all, e);
    rc = rc ? rc : active(db, tenant_id, &own, e);
    if (rc || (all < c->oneshot_max && own < c->oneshot_tenant_max))
        return rc;
    lg_fail(e, LG_RATE, "%lld containers of %s run already; try again in a moment",
            (long long)(own < c->oneshot_tenant_max ? all : own),
            own < c->oneshot_tenant_max ? "all tenants" : "this tenant");
    return lg_err_detail(e, "retryAfter", "2");
}

static int load(struct lg_db *db, const char *id, struct lg_oneshot *o, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_ONESHOT_GET, e, "t", id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, o, true);
    lg_sql_done(s);
    return rc;
}

void lg_oneshot_render(struct lg_json *j, const char *key, const struct lg_oneshot *o)
{
    lg_json_obj(j, key);
    lg_json_str(j, "id", o->id);
    lg_json_str(j, "image", o->image);
    lg_json_str(j, "state", o->state);
    if (o->exit_code < 0)
        lg_json_null(j, "exitCode");
    else
        lg_json_int(j, "exitCode", o->exit_code);
    lg_json_str(j, "error", *o->error ? o->error : NULL);
    lg_json_time(j, "createdAt", o->created_at);
    if (o->ended_at)
        lg_json_time(j, "endedAt", o->ended_at);
    else
        lg_json_null(j, "endedAt");
    lg_json_end_obj(j);
}

static int tell(struct lg_db *db, const char *kind, const char *id, struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    lg_cleanup_oneshot struct lg_oneshot o = {0};
    struct lg_json *j = lg_event_begin(&d);
    int rc = load(db, id, &o, e);
    if (rc <= 0)
        return rc;
    lg_oneshot_render(j, "container", &o);
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = o.tenant_id,
                                           .subject_type = "container",
                                           .subject_id = o.id,
                                           .subject_name = o.image},
                        e);
}

/* exit_code < 0: it has none. Ended already is 0. */
static int end_one(struct lg_db *db, const char *id, int exit_code, const char *error, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    int rc = exit_code < 0 ? lg_sql_run(db, Q_ONESHOT_END, e, "tnti", id, error, now)
                           : lg_sql_run(db, Q_ONESHOT_END, e, "titi", id, (int64_t)exit_code, error, now);
    return rc <= 0 ? rc : tell(db, "container.ended", id, e);
}

/* Ends those that `query` finds, one after the other; `bound` is its parameter, 0 none. */
static int end_all(struct lg_db *db, enum lg_query query, int64_t bound, const char *error, struct lg_err *e)
{
    for (;;) {
        char id[LG_ID_LEN] = "";
        lg_stmt *s = bound ? lg_sql(db, query, e, "i", bound) : lg_sql(db, query, e, "");
        int rc = lg_sql_step(db, s, e);
        if (rc > 0)
            lg_col_copy(s, 0, id, sizeof id);
        lg_sql_done(s);
        rc = rc <= 0 ? rc : end_one(db, id, -1, error, e);
        if (rc < 0 || !*id)
            return rc;
    }
}

static int tidy(struct lg_db *db, int64_t now, struct lg_err *e)
{
    int rc = end_all(db, Q_ONESHOT_UNCLAIMED, now - UNCLAIMED_MS, "nobody came for it", e);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_ONESHOT_PRUNE, e, "i", now - KEEP_MS);
    return rc < 0 ? rc : 0;
}

int lg_oneshot_add(struct lg_db *db, struct lg_oneshot *o, struct lg_err *e)
{
    lg_id_new(o->id);
    o->created_at = lg_clock_ms();
    int rc = tidy(db, o->created_at, e);
    rc = rc ? rc : admit(db, o->tenant_id, e);
    rc = rc ? rc
            : lg_sql_run(db, Q_ONESHOT_ADD, e, "ttttttii", o->id, o->tenant_id, o->user_id, o->image,
                         o->image_ref, o->command, (int64_t)o->whole, o->created_at);
    rc = rc < 0 ? rc : tell(db, "container.created", o->id, e);
    return rc < 0 ? rc : 0;
}

int lg_oneshot_claim(struct lg_db *db, const char *id, const char *tenant_id, struct lg_oneshot *o,
                     struct lg_err *e)
{
    memset(o, 0, sizeof *o);
    int rc = lg_sql_run(db, Q_ONESHOT_CLAIM, e, "tt", id, tenant_id);
    rc = rc <= 0 ? rc : load(db, id, o, e);
    int told = rc <= 0 ? 0 : tell(db, "container.running", id, e);
    return told < 0 ? told : rc;
}

int lg_oneshot_place(struct lg_db *db, struct lg_oneshot *o, int *net_index, struct lg_err *e)
{
    char id[LG_ID_LEN];
    int64_t first = LG_NET_FIRST_ONESHOT, last = first + LG_NET_CODE_HOSTS - 1;
    memcpy(id, o->id, sizeof id);
    int rc = lg_sql_run(db, Q_ONESHOT_PLACE, e, "tiii", id, first, last, lg_clock_ms());
    lg_oneshot_done(o);
    rc = rc < 0 ? rc : load(db, id, o, e);
    if (rc <= 0)
        return rc ? rc : lg_fail(e, LG_NOT_FOUND, "there is no such run (any more)");
    if (o->host_number)
        return lg_code_network_place(db, o->tenant_id, o->host_number, net_index, e);
    lg_fail(e, LG_RATE, "all addresses for code in the tenant's network are in use; try again in a moment");
    return lg_err_detail(e, "retryAfter", "2");
}

int lg_oneshot_stop(struct lg_db *db, const char *id, const char *tenant_id, struct lg_err *e)
{
    return lg_sql_run(db, Q_ONESHOT_STOP, e, "tt", id, tenant_id);
}

bool lg_oneshot_stopped(struct lg_db *db, const char *id)
{
    lg_stmt *s = lg_sql(db, Q_ONESHOT_STOPPED, NULL, "t", id);
    int rc = lg_sql_step(db, s, NULL);
    bool stop = rc > 0 && lg_col_int(s, 0);
    lg_sql_done(s);
    return stop || !rc; /* its tenant was deleted */
}

static int in_transaction(struct lg_db *db, int (*fn)(struct lg_db *db, void *arg, struct lg_err *e),
                          void *arg, struct lg_err *e)
{
    int rc = lg_tx_write(db, e);
    rc = rc ? rc : fn(db, arg, e);
    rc = rc < 0 ? rc : lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc < 0 ? rc : 0;
}

struct end {
    const char *id, *error;
    int exit_code;
};

static int write_end(struct lg_db *db, void *arg, struct lg_err *e)
{
    const struct end *x = arg;
    return end_one(db, x->id, x->exit_code, x->error, e);
}

int lg_oneshot_end(struct lg_db *db, const char *id, int exit_code, const char *error, struct lg_err *e)
{
    struct end x = {id, error, exit_code};
    return in_transaction(db, write_end, &x, e);
}

static int write_lost(struct lg_db *db, void *arg, struct lg_err *e)
{
    (void)arg;
    return end_all(db, Q_ONESHOT_LOST, 0, "the runner ended", e);
}

static int write_tidy(struct lg_db *db, void *arg, struct lg_err *e)
{
    (void)arg;
    return tidy(db, lg_clock_ms(), e);
}

int lg_oneshot_sweep(struct lg_db *db, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_ONESHOT_UNCLAIMED, e, "i", lg_clock_ms() - UNCLAIMED_MS);
    int rc = lg_sql_step(db, s, e);
    lg_sql_done(s);
    return rc <= 0 ? rc : in_transaction(db, write_tidy, NULL, e);
}

int lg_oneshot_lost(struct lg_db *db, struct lg_err *e)
{
    return in_transaction(db, write_lost, NULL, e);
}

int lg_oneshot_each(struct lg_db *db, const char *tenant_id,
                    void (*fn)(void *arg, const struct lg_oneshot *o), void *arg, struct lg_err *e)
{
    struct lg_oneshot o;
    lg_stmt *s = lg_sql(db, Q_ONESHOT_LIST, e, "t", tenant_id);
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        read_row(s, &o, false);
        fn(arg, &o);
        n++;
    }
    return rc < 0 ? rc : n;
}
