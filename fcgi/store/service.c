#include "store/service.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/sql.h"

#define SWEEP_STEP 200 /* expired ones removed in one transaction */

static void read_row(lg_stmt *q, struct lg_service *s)
{
    s->lease_id = lg_col_int(q, 0);
    lg_col_copy(q, 1, s->tenant_id, sizeof s->tenant_id);
    lg_col_copy(q, 2, s->name, sizeof s->name);
    lg_col_copy(q, 3, s->id, sizeof s->id);
    lg_col_copy(q, 4, s->address, sizeof s->address);
    s->port = (int)lg_col_int(q, 5);
    int status = lg_service_status_of(lg_col_text(q, 6));
    s->status = status < 0 ? LG_SERVICE_UNHEALTHY : (enum lg_service_status)status;
    lg_col_copy(q, 7, s->metadata, sizeof s->metadata);
    lg_col_copy(q, 8, s->version, sizeof s->version);
    s->ttl_ms = lg_col_int(q, 9);
    s->registered_at = lg_col_int(q, 10);
    s->expires_at = lg_col_int(q, 11);
}

/* 1 and fills `s`, 0: no row. */
static int read_one(struct lg_db *db, lg_stmt *q, struct lg_service *s, struct lg_err *e)
{
    int rc = lg_sql_step(db, q, e);
    if (rc > 0)
        read_row(q, s);
    lg_sql_done(q);
    return rc;
}

/* --- events --- */

void lg_service_render(struct lg_json *j, const char *key, const struct lg_service *s, bool more)
{
    lg_json_obj(j, key);
    lg_json_str(j, "name", s->name);
    lg_json_str(j, "id", s->id);
    lg_json_str(j, "address", s->address);
    lg_json_int(j, "port", s->port);
    lg_json_str(j, "status", lg_service_status_name(s->status));
    lg_json_raw(j, "metadata", s->metadata);
    lg_json_str(j, "version", s->version);
    if (more) {
        lg_json_bool(j, "own", !*s->tenant_id);
        lg_json_int(j, "ttlSeconds", s->ttl_ms / 1000);
        lg_json_time(j, "registeredAt", s->registered_at);
        lg_json_time(j, "expiresAt", s->expires_at);
    }
    lg_json_end_obj(j);
}

static int tell(struct lg_db *db, const struct lg_service *s, const char *kind, struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    char subject[260];
    lg_service_render(lg_event_begin(&d), "service", s, true);
    snprintf(subject, sizeof subject, "%s/%s", s->name, s->id);
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = *s->tenant_id ? s->tenant_id : LG_EVENT_ALL_TENANTS,
                                           .subject_type = "service",
                                           .subject_id = subject,
                                           .subject_name = s->name},
                        e);
}

/* --- registering --- */

static int check_count(struct lg_db *db, const char *tenant_id, struct lg_err *e)
{
    int64_t n = 0;
    int rc = *tenant_id ? lg_sql_int(db, lg_sql(db, Q_SERVICE_COUNT, e, "t", tenant_id), &n, e) : 0;
    if (rc || n < LG_SERVICES_MAX)
        return rc;
    lg_fail(e, LG_LIMIT, "the tenant has %d registered services; deregister one first", LG_SERVICES_MAX);
    return lg_err_detail(e, "limit", "%d", LG_SERVICES_MAX);
}

/* Below 2^53, so that every client's JSON numbers hold it. */
static int64_t new_lease(void)
{
    uint64_t v = 0;
    while (!v)
        if (getrandom(&v, sizeof v, 0) == (ssize_t)sizeof v)
            v >>= 11;
    return (int64_t)v;
}

static bool says_the_same(const struct lg_service *a, const struct lg_service *b)
{
    return !strcmp(a->address, b->address) && a->port == b->port && a->status == b->status &&
           !strcmp(a->metadata, b->metadata) && !strcmp(a->version, b->version);
}

static int insert(struct lg_db *db, const struct lg_service *s, struct lg_err *e)
{
    const char *tenant = *s->tenant_id ? s->tenant_id : NULL;
    const char *status = lg_service_status_name(s->status);
    int rc =
        tenant ? lg_sql_run(db, Q_SERVICE_PUT, e, "ittttitttiii", s->lease_id, tenant, s->name, s->id,
                            s->address, (int64_t)s->port, status, s->metadata, s->version, s->ttl_ms,
                            s->registered_at, s->expires_at)
               : lg_sql_run(db, Q_SERVICE_PUT, e, "intttitttiin", s->lease_id, s->name, s->id, s->address,
                            (int64_t)s->port, status, s->metadata, s->version, (int64_t)0, s->registered_at);
    return rc < 0 ? rc : 0;
}

static int drop(struct lg_db *db, const struct lg_service *s, const char *kind, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_SERVICE_REMOVE, e, "i", s->lease_id);
    return rc <= 0 ? rc : tell(db, s, kind, e);
}

static bool expired(const struct lg_service *s, int64_t now)
{
    return s->expires_at && s->expires_at <= now;
}

int lg_service_put(struct lg_db *db, struct lg_service *s, struct lg_err *e)
{
    struct lg_service old;
    int64_t now = lg_clock_ms();
    int found = read_one(db, lg_sql(db, Q_SERVICE_FIND, e, "ttt", s->tenant_id, s->name, s->id), &old, e);
    int rc = found < 0 ? found : 0;
    if (found > 0 && expired(&old, now)) { /* nobody has swept it yet; whoever watches hears of the gap */
        rc = drop(db, &old, "service.expired", e);
        found = 0;
    }
    bool same = found > 0 && says_the_same(s, &old);
    if (rc || (same && !*s->tenant_id))
        return rc;
    if (!found && (rc = check_count(db, s->tenant_id, e)))
        return rc;
    if (found > 0 && (rc = lg_sql_run(db, Q_SERVICE_REMOVE, e, "i", old.lease_id)) < 0)
        return rc;
    s->lease_id = new_lease();
    s->registered_at = found ? old.registered_at : now;
    s->expires_at = *s->tenant_id ? now + s->ttl_ms : 0;
    if ((rc = insert(db, s, e)) || same)
        return rc;
    return tell(db, s, found ? "service.updated" : "service.registered", e);
}

int lg_service_renew(struct lg_db *db, const char *tenant_id, int64_t lease_id, int status,
                     struct lg_service *s, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    int rc = read_one(db, lg_sql(db, Q_SERVICE_OF_LEASE, e, "it", lease_id, tenant_id), s, e);
    if (rc < 0)
        return rc;
    if (!rc || expired(s, now))
        return lg_fail(e, LG_NOT_FOUND, "there is no such lease (any more): register again");
    bool news = status >= 0 && (enum lg_service_status)status != s->status;
    if (news)
        s->status = (enum lg_service_status)status;
    s->expires_at = now + s->ttl_ms;
    rc =
        lg_sql_run(db, Q_SERVICE_RENEW, e, "iit", lease_id, s->expires_at, lg_service_status_name(s->status));
    return rc < 0 ? rc : news ? tell(db, s, "service.updated", e) : 0;
}

int lg_service_remove(struct lg_db *db, const char *tenant_id, const char *name, const char *id,
                      struct lg_err *e)
{
    struct lg_service s;
    int rc = read_one(db, lg_sql(db, Q_SERVICE_FIND, e, "ttt", tenant_id, name, id), &s, e);
    if (rc <= 0)
        return rc;
    bool late = expired(&s, lg_clock_ms());
    rc = drop(db, &s, late ? "service.expired" : "service.deregistered", e);
    return rc ? rc : !late;
}

/* --- reading --- */

static int each(struct lg_db *db, lg_stmt *q, void (*fn)(void *arg, const struct lg_service *s), void *arg,
                struct lg_err *e)
{
    struct lg_service s;
    int rc, n = 0;
    while ((rc = lg_sql_step(db, q, e)) > 0) {
        read_row(q, &s);
        fn(arg, &s);
        n++;
    }
    return rc < 0 ? rc : n;
}

int lg_service_each(struct lg_db *db, const char *tenant_id, const char *name,
                    void (*fn)(void *arg, const struct lg_service *s), void *arg, struct lg_err *e)
{
    return each(db, lg_sql(db, Q_SERVICE_LIST, e, "tti", tenant_id, name, lg_clock_ms()), fn, arg, e);
}

int lg_service_each_own(struct lg_db *db, void (*fn)(void *arg, const struct lg_service *s), void *arg,
                        struct lg_err *e)
{
    return each(db, lg_sql(db, Q_SERVICE_OWN, e, ""), fn, arg, e);
}

/* --- expiry --- */

int lg_service_next_expiry(struct lg_db *db, int64_t *at, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_SERVICE_NEXT_EXPIRY, e, ""), at, e);
}

/* One transaction's worth: how many. */
static int sweep_some(struct lg_db *db, struct lg_err *e)
{
    struct lg_service s;
    int64_t now = lg_clock_ms();
    int rc = lg_tx_write(db, e), n = 0;
    if (rc)
        return rc;
    while (n < SWEEP_STEP && (rc = read_one(db, lg_sql(db, Q_SERVICE_ONE_EXPIRED, e, "i", now), &s, e)) > 0) {
        if ((rc = drop(db, &s, "service.expired", e)) < 0)
            break;
        n++;
    }
    if (rc >= 0)
        rc = lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc < 0 ? rc : n;
}

int lg_service_sweep(struct lg_db *db, struct lg_err *e)
{
    int n, all = 0;
    do {
        n = sweep_some(db, e);
        all += n > 0 ? n : 0;
    } while (n == SWEEP_STEP);
    return n < 0 ? n : all;
}
