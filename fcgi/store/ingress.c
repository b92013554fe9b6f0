#include "store/ingress.h"

#include <string.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/quota.h"
#include "store/sql.h"

static void read_row(lg_stmt *s, struct lg_ingress *r)
{
    lg_col_copy(s, 0, r->instance_id, sizeof r->instance_id);
    lg_col_copy(s, 1, r->tenant_id, sizeof r->tenant_id);
    lg_col_copy(s, 2, r->host, sizeof r->host);
    lg_col_copy(s, 3, r->access, sizeof r->access);
    r->port = (int)lg_col_int(s, 4);
    r->target_port = (int)lg_col_int(s, 5);
    r->created_at = lg_col_int(s, 6);
}

void lg_ingress_url(const struct lg_ingress *r, const struct lg_conf *c, char out[LG_INGRESS_URL])
{
    char port[8] = "";
    if (c->https_port != 443)
        snprintf(port, sizeof port, ":%ld", c->https_port);
    snprintf(out, LG_INGRESS_URL, "https://%s.%s%s/", r->host, c->apps_domain, port);
}

void lg_ingress_render(struct lg_json *j, const char *key, const struct lg_ingress *r,
                       const struct lg_conf *c)
{
    char url[LG_INGRESS_URL];
    lg_ingress_url(r, c, url);
    lg_json_obj(j, key);
    lg_json_str(j, "instance", r->instance_id);
    lg_json_int(j, "port", r->port);
    lg_json_int(j, "targetPort", r->target_port);
    lg_json_str(j, "host", r->host);
    lg_json_str(j, "url", url);
    lg_json_str(j, "access", r->access);
    lg_json_time(j, "createdAt", r->created_at);
    lg_json_end_obj(j);
}

static int tell(struct lg_db *db, const char *kind, const struct lg_instance *in, const struct lg_ingress *r,
                struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    struct lg_json *j = lg_event_begin(&d);
    lg_json_str(j, "instance", in->id);
    lg_ingress_render(j, "rule", r, lg_db_conf(db));
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = in->tenant_id,
                                           .subject_type = "ingress",
                                           .subject_id = in->id,
                                           .subject_name = r->host},
                        e);
}

static int taken(struct lg_db *db, const char *host, struct lg_err *e)
{
    int rc = lg_sql_found(db, lg_sql(db, Q_INGRESS_TAKEN, e, "t", host), e);
    if (rc <= 0)
        return rc;
    lg_fail(e, LG_CONFLICT, "the host name %s is taken; choose another with \"host\"", host);
    return lg_err_detail(e, "field", "host");
}

int lg_ingress_add(struct lg_db *db, const struct lg_instance *in, struct lg_ingress *r, struct lg_err *e)
{
    memcpy(r->instance_id, in->id, sizeof r->instance_id);
    memcpy(r->tenant_id, in->tenant_id, sizeof r->tenant_id);
    r->created_at = lg_clock_ms();
    int rc = taken(db, r->host, e);
    if (!rc)
        rc = lg_quota_admit(db, in->tenant_id, &(struct lg_amounts){.ingress = 1}, e);
    if (rc)
        return rc;
    rc = lg_sql_run(db, Q_INGRESS_ADD, e, "tiitti", r->instance_id, (int64_t)r->port, (int64_t)r->target_port,
                    r->host, r->access, r->created_at);
    if (rc == -(int)LG_CONFLICT) {
        lg_fail(e, LG_CONFLICT, "the instance has a rule for port %d already", r->port);
        return lg_err_detail(e, "field", "port");
    }
    return rc < 0 ? rc : tell(db, "ingress.created", in, r, e);
}

int lg_ingress_remove(struct lg_db *db, const struct lg_instance *in, int port, struct lg_err *e)
{
    struct lg_ingress r;
    lg_stmt *s = lg_sql(db, Q_INGRESS_GET, e, "ti", in->id, (int64_t)port);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, &r);
    lg_sql_done(s);
    if (rc <= 0)
        return rc ? rc : lg_fail(e, LG_NOT_FOUND, "the instance has no ingress rule for port %d", port);
    rc = lg_sql_run(db, Q_INGRESS_REMOVE, e, "ti", in->id, (int64_t)port);
    return rc < 0 ? rc : tell(db, "ingress.deleted", in, &r, e);
}

int lg_ingress_each(struct lg_db *db, const char *tenant_id, const char *instance_id,
                    void (*fn)(void *arg, const struct lg_ingress *r), void *arg, struct lg_err *e)
{
    lg_stmt *s = *instance_id ? lg_sql(db, Q_INGRESS_OF_INSTANCE, e, "tt", tenant_id, instance_id)
                              : lg_sql(db, Q_INGRESS_OF_TENANT, e, "t", tenant_id);
    int rc, n = 0;
    struct lg_ingress r;
    for (; (rc = lg_sql_step(db, s, e)) > 0; n++) {
        read_row(s, &r);
        fn(arg, &r);
    }
    return rc < 0 ? rc : n;
}

int lg_ingress_lookup(struct lg_db *db, const char *host, struct lg_route_target *t, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_INGRESS_LOOKUP, e, "t", host);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        lg_col_copy(s, 0, t->instance_id, sizeof t->instance_id);
        lg_col_copy(s, 1, t->tenant_id, sizeof t->tenant_id);
        lg_col_copy(s, 2, t->access, sizeof t->access);
        int state = lg_state_of(lg_col_text(s, 3));
        t->state = state < 0 ? LG_ST_ERROR : (enum lg_state)state;
        t->net_index = (int)lg_col_int(s, 4);
        t->host_number = (int)lg_col_int(s, 5);
        t->target_port = (int)lg_col_int(s, 6);
    }
    lg_sql_done(s);
    return rc;
}

int lg_app_code_add(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], const struct lg_app_code *c,
                    struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_APP_CODE_FORGET, e, "i", lg_clock_ms());
    if (rc >= 0)
        rc = lg_sql_run(db, Q_APP_CODE_ADD, e, "bttti", digest, (size_t)LG_DIGEST_BYTES, c->host, c->user_id,
                        c->path, c->expires_at);
    return rc < 0 ? rc : 0;
}

int lg_app_code_take(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], struct lg_app_code *c,
                     struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_APP_CODE_GET, e, "b", digest, (size_t)LG_DIGEST_BYTES);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        lg_col_copy(s, 0, c->host, sizeof c->host);
        lg_col_copy(s, 1, c->user_id, sizeof c->user_id);
        lg_col_copy(s, 2, c->path, sizeof c->path);
        c->expires_at = lg_col_int(s, 3);
    }
    lg_sql_done(s);
    if (rc <= 0)
        return rc;
    rc = lg_sql_run(db, Q_APP_CODE_REMOVE, e, "b", digest, (size_t)LG_DIGEST_BYTES);
    return rc < 0 ? rc : c->expires_at > lg_clock_ms();
}

int lg_app_member(struct lg_db *db, const char *user_id, const char *tenant_id, struct lg_err *e)
{
    return lg_sql_found(db, lg_sql(db, Q_APP_MEMBER, e, "tt", user_id, tenant_id), e);
}
