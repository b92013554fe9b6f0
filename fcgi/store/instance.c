#include "store/instance.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/code_network.h"
#include "store/event.h"
#include "store/instance_parts.h"
#include "store/sql.h"

#define ADDRESS_REST_MS 15000 /* a freed address rests longer than any cached route lives (3 s) */
#define REASON_LOG_MAX  8192

void lg_instance_done(struct lg_instance *in)
{
    free(in->reason);
    free(in->config);
    lg_parts_done(in);
    memset(in, 0, sizeof *in);
}

static char *dup_text(const char *s)
{
    char *copy = strdup(s);
    if (!copy)
        abort();
    return copy;
}

static void read_row(lg_stmt *s, struct lg_instance *in)
{
    memset(in, 0, sizeof *in);
    in->seq = lg_col_int(s, 0);
    lg_col_copy(s, 1, in->id, sizeof in->id);
    lg_col_copy(s, 2, in->tenant_id, sizeof in->tenant_id);
    lg_col_copy(s, 3, in->tenant_slug, sizeof in->tenant_slug);
    lg_col_copy(s, 4, in->name, sizeof in->name);
    lg_col_copy(s, 5, in->type, sizeof in->type);
    lg_col_copy(s, 6, in->backend, sizeof in->backend);
    int state = lg_state_of(lg_col_text(s, 7));
    in->state = state < 0 ? LG_ST_ERROR : (enum lg_state)state;
    lg_col_copy(s, 8, in->desired, sizeof in->desired);
    lg_col_copy(s, 9, in->health, sizeof in->health);
    in->reason = lg_col_null(s, 10) ? NULL : dup_text(lg_col_text(s, 10));
    lg_col_copy(s, 11, in->image_id, sizeof in->image_id);
    lg_col_copy(s, 12, in->image, sizeof in->image);
    lg_col_copy(s, 13, in->image_ref, sizeof in->image_ref);
    in->config = dup_text(lg_col_text(s, 14));
    in->cpu_millis = lg_col_int(s, 15);
    in->memory_bytes = lg_col_int(s, 16);
    in->storage_bytes = lg_col_int(s, 17);
    in->host_number = (int)lg_col_int(s, 18);
    in->net_index = (int)lg_col_int(s, 19);
    lg_col_copy(s, 20, in->engine_ref, sizeof in->engine_ref);
    lg_col_copy(s, 21, in->owner_id, sizeof in->owner_id);
    lg_col_copy(s, 22, in->owner_name, sizeof in->owner_name);
    in->version = lg_col_int(s, 23);
    in->created_at = lg_col_int(s, 24);
    in->updated_at = lg_col_int(s, 25);
    in->started_at = lg_col_int(s, 26);
    lg_col_copy(s, 27, in->flavor, sizeof in->flavor);
    in->ssh_enabled = lg_col_int(s, 28);
    lg_col_copy(s, 29, in->pending, sizeof in->pending);
}

static int read_one(struct lg_db *db, lg_stmt *s, struct lg_instance *in, struct lg_err *e)
{
    memset(in, 0, sizeof *in);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, in);
    lg_sql_done(s);
    return rc < 0 ? rc : rc ? 0 : lg_fail(e, LG_NO_INSTANCE, "there is no such instance");
}

int lg_instance_get(struct lg_db *db, const char *tenant_id, const char *id, struct lg_instance *in,
                    struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_INSTANCE_GET, e, "tt", id, tenant_id), in, e);
}

int lg_instance_by_name(struct lg_db *db, const char *tenant_id, const char *name, struct lg_instance *in,
                        struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_INSTANCE_GET_BY_NAME, e, "tt", tenant_id, name), in, e);
}

int lg_instance_has_gpu(struct lg_db *db, const char *address, struct lg_err *e)
{
    return lg_sql_found(db, lg_sql(db, Q_INSTANCE_HAS_GPU, e, "t", address), e);
}

int lg_instance_find(struct lg_db *db, const char *tenant_id, const char *which, struct lg_instance *in,
                     struct lg_err *e)
{
    return (lg_id_valid(which) ? lg_instance_get : lg_instance_by_name)(db, tenant_id, which, in, e);
}

/* Only state and tenant: those have a count and an index of their own. */
static bool plain(const struct lg_instance_filter *f)
{
    return !*f->backend && !*f->name && !*f->q && !*f->label_key;
}

static int count(struct lg_db *db, const struct lg_instance_filter *f, const char *state, int64_t *total,
                 struct lg_err *e)
{
    lg_stmt *s = plain(f) ? lg_sql(db, Q_INSTANCE_COUNT_ALL, e, "tt", f->tenant_id, state)
                          : lg_sql(db, Q_INSTANCE_COUNT_FILTERED, e, "ttttttt", f->tenant_id, state,
                                   f->backend, f->name, f->q, f->label_key, f->label_value);
    return lg_sql_int(db, s, total, e);
}

static lg_stmt *list(struct lg_db *db, const struct lg_instance_filter *f, const char *state,
                     struct lg_err *e)
{
    int64_t before = f->before_seq > 0 ? f->before_seq : INT64_MAX, limit = f->limit, offset = f->offset;
    if (!plain(f))
        return lg_sql(db, Q_INSTANCE_LIST_FILTERED, e, "tiiitttttt", f->tenant_id, before, limit, offset,
                      state, f->backend, f->name, f->q, f->label_key, f->label_value);
    if (*state)
        return lg_sql(db, Q_INSTANCE_LIST_OF_STATE, e, "tiiit", f->tenant_id, before, limit, offset, state);
    return lg_sql(db, Q_INSTANCE_LIST, e, "tiii", f->tenant_id, before, limit, offset);
}

int lg_instance_each(struct lg_db *db, const struct lg_instance_filter *f, int64_t *total,
                     void (*fn)(void *arg, struct lg_instance *in), void *arg, struct lg_err *e)
{
    const char *state = f->state < 0 ? "" : lg_state_name((enum lg_state)f->state);
    int rc = total ? count(db, f, state, total, e) : 0, n = 0;
    if (rc)
        return rc;
    lg_stmt *s = list(db, f, state, e);
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        lg_cleanup_instance struct lg_instance in;
        read_row(s, &in);
        fn(arg, &in);
        n++;
    }
    return rc < 0 ? rc : n;
}

int lg_instance_each_of_backend(struct lg_db *db, const char *backend,
                                void (*fn)(void *arg, struct lg_instance *in), void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_INSTANCE_OF_BACKEND, e, "t", backend);
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        struct lg_instance in = {0};
        lg_col_copy(s, 0, in.id, sizeof in.id);
        lg_col_copy(s, 1, in.tenant_id, sizeof in.tenant_id);
        lg_col_copy(s, 2, in.name, sizeof in.name);
        int state = lg_state_of(lg_col_text(s, 3));
        in.state = state < 0 ? LG_ST_ERROR : (enum lg_state)state;
        lg_col_copy(s, 4, in.desired, sizeof in.desired);
        lg_col_copy(s, 5, in.engine_ref, sizeof in.engine_ref);
        in.updated_at = lg_col_int(s, 6);
        fn(arg, &in);
        n++;
    }
    return rc < 0 ? rc : n;
}

int lg_instance_admitted(struct lg_db *db, const char *but_id, int64_t *cpu_millis, int64_t *memory_bytes,
                         struct lg_err *e)
{
    return lg_sql_two_ints(db, lg_sql(db, Q_INSTANCE_ADMITTED, e, "t", but_id), cpu_millis, memory_bytes, e);
}

int lg_instance_admitted_of(struct lg_db *db, const char *backend, int64_t *cpu_millis, int64_t *memory_bytes,
                            struct lg_err *e)
{
    return lg_sql_two_ints(db, lg_sql(db, Q_INSTANCE_ADMITTED_OF, e, "t", backend), cpu_millis, memory_bytes,
                           e);
}

/* {state, previous, reason, address, desired, health, version}: what a client needs to repaint without
 * asking. */
static int tell(struct lg_db *db, const char *kind, const struct lg_instance *in, enum lg_state previous,
                const char *operation_id, struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    struct lg_json *j = lg_event_begin(&d);
    struct lg_net net;
    char address[16], mac[18];
    int rc = lg_net_of(lg_db_conf(db)->subnet_pool, lg_db_site(db), in->net_index, &net, e);
    if (rc)
        return rc;
    lg_net_host(&net, in->host_number, address, mac);
    lg_json_str(j, "state", lg_state_name(in->state));
    lg_json_str(j, "previous", lg_state_name(previous));
    lg_json_raw(j, "reason", in->reason ? in->reason : "null");
    lg_json_str(j, "address", address);
    lg_json_str(j, "desired", in->desired);
    lg_json_str(j, "health", in->health);
    lg_json_int(j, "version", in->version);
    lg_json_time(j, "startedAt", in->started_at);
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = in->tenant_id,
                                           .subject_type = "instance",
                                           .subject_id = in->id,
                                           .subject_name = in->name,
                                           .operation_id = operation_id},
                        e);
}

static int pick_host(struct lg_db *db, struct lg_instance *in, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    bool beside_code = false;
    int rc = lg_code_network_allowed(db, in->tenant_id, &beside_code, e);
    int last = beside_code ? LG_NET_LAST_INSTANCE : LG_NET_LAST_HOST;
    rc = rc ? rc : lg_sql_run(db, Q_HOST_NUMBER_FORGET, e, "i", now);
    lg_stmt *s = rc < 0 ? NULL
                        : lg_sql(db, Q_INSTANCE_FREE_HOST, e, "tiii", in->tenant_id, now,
                                 (int64_t)LG_NET_FIRST_HOST, (int64_t)last);
    rc = rc < 0 ? rc : lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    in->host_number = rc ? (int)lg_col_int(s, 0) : 0;
    lg_sql_done(s);
    if (rc)
        return 0;
    lg_fail(e, LG_LIMIT, "the tenant's network has no free address: it holds %d instances",
            last - LG_NET_FIRST_HOST + 1);
    return lg_err_detail(e, "limit", "addresses");
}

static int insert(struct lg_db *db, const struct lg_instance *in, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_INSTANCE_ADD, e, "tttttttttttiiiitit", in->id, in->tenant_id, in->name,
                        in->type, in->backend, lg_state_name(in->state), in->desired, in->image_id, in->image,
                        in->image_ref, in->config, in->cpu_millis, in->memory_bytes, in->storage_bytes,
                        (int64_t)in->host_number, in->owner_id, in->created_at, in->flavor);
    if (rc != -(int)LG_CONFLICT)
        return rc < 0 ? rc : 0;
    lg_fail(e, LG_CONFLICT, "the name %s is taken by another instance", in->name);
    return lg_err_detail(e, "field", "name");
}

/* Version and net_index, seq, …: what the database made of it. Parts are kept. */
static int refresh(struct lg_db *db, struct lg_instance *in, struct lg_err *e)
{
    struct lg_instance now;
    int rc = lg_instance_get(db, "", in->id, &now, e);
    if (rc)
        return rc;
    lg_parts_move(&now, in);
    lg_instance_done(in);
    *in = now;
    return 0;
}

int lg_instance_add(struct lg_db *db, struct lg_instance *in, const struct lg_key *env_key, struct lg_err *e)
{
    int rc = pick_host(db, in, e);
    if (rc)
        return rc;
    lg_id_new(in->id);
    in->created_at = lg_clock_ms();
    if (!(rc = insert(db, in, e)) && !(rc = lg_parts_add(db, in, env_key, e)) && !(rc = refresh(db, in, e)))
        rc = tell(db, "instance.created", in, in->state, NULL, e);
    return rc;
}

/* Whole characters of the end of `log`. */
static const char *log_end(const char *log)
{
    size_t n = strlen(log);
    const char *from = n > REASON_LOG_MAX ? log + n - REASON_LOG_MAX : log;
    while (((unsigned char)*from & 0xc0) == 0x80)
        from++;
    return from;
}

/* NULL when there is nothing to say. */
static char *reason_json(const struct lg_reason *r)
{
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_json j;
    if (!r || !r->text || !*r->text)
        return NULL;
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "text", r->text);
    lg_json_str(&j, "code", r->code);
    if (r->exit_code < 0)
        lg_json_null(&j, "exitCode");
    else
        lg_json_int(&j, "exitCode", r->exit_code);
    lg_json_bool(&j, "oomKilled", r->oom_killed);
    lg_json_time(&j, "at", lg_clock_ms());
    lg_json_str(&j, "log", r->log ? log_end(r->log) : NULL);
    lg_json_end_obj(&j);
    return lg_buf_take(&b);
}

static int head(struct lg_db *db, const char *id, enum lg_state *state, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_INSTANCE_HEAD, e, "t", id);
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    int found = rc ? lg_state_of(lg_col_text(s, 0)) : 0;
    *state = found < 0 ? LG_ST_ERROR : (enum lg_state)found;
    lg_sql_done(s);
    return rc ? 0 : lg_fail(e, LG_NO_INSTANCE, "there is no such instance");
}

int lg_instance_change(struct lg_db *db, struct lg_instance *in, const struct lg_instance_change *ch,
                       struct lg_err *e)
{
    enum lg_state before;
    int rc = head(db, in->id, &before, e);
    if (rc)
        return rc;
    char *reason = reason_json(ch->reason);
    rc = lg_sql_run(db, Q_INSTANCE_CHANGE, e, "tttttitiit", in->id,
                    ch->state < 0 ? NULL : lg_state_name((enum lg_state)ch->state), ch->desired, ch->health,
                    ch->engine_ref, (int64_t)(ch->reason != NULL), reason, ch->started_at, lg_clock_ms(),
                    ch->pending);
    free(reason);
    if (rc < 0 || (rc = refresh(db, in, e)))
        return rc;
    return tell(db, in->state != before ? "instance.state" : "instance.updated", in, before, ch->operation_id,
                e);
}

struct lg_sizes lg_instance_sizes(const struct lg_instance *in)
{
    struct lg_sizes s = {in->cpu_millis, in->memory_bytes, in->storage_bytes, ""};
    memcpy(s.flavor, in->flavor, sizeof s.flavor);
    return s;
}

void lg_update_params(const struct lg_sizes *was, char out[LG_UPDATE_PARAMS])
{
    snprintf(out, LG_UPDATE_PARAMS,
             "{\"was\":{\"cpuMillis\":%lld,\"memoryBytes\":%lld,\"storageBytes\":%lld,\"flavor\":\"%s\"}}",
             (long long)was->cpu_millis, (long long)was->memory_bytes, (long long)was->storage_bytes,
             was->flavor);
}

bool lg_update_was(const json_t *params, struct lg_sizes *was)
{
    const json_t *o = json_object_get(params, "was");
    const char *flavor = json_string_value(json_object_get(o, "flavor"));
    *was = (struct lg_sizes){.cpu_millis = json_integer_value(json_object_get(o, "cpuMillis")),
                             .memory_bytes = json_integer_value(json_object_get(o, "memoryBytes")),
                             .storage_bytes = json_integer_value(json_object_get(o, "storageBytes"))};
    snprintf(was->flavor, sizeof was->flavor, "%s", flavor ? flavor : "");
    return flavor != NULL;
}

int lg_instance_set_sizes(struct lg_db *db, struct lg_instance *in, const struct lg_sizes *s,
                          const char *operation_id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_INSTANCE_SET_SIZES, e, "tiiiti", in->id, s->cpu_millis, s->memory_bytes,
                        s->storage_bytes, s->flavor, lg_clock_ms());
    if (rc < 0 || (rc = refresh(db, in, e)))
        return rc;
    return tell(db, "instance.updated", in, in->state, operation_id, e);
}

int lg_instance_set_ssh(struct lg_db *db, struct lg_instance *in, bool enabled, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_INSTANCE_SET_SSH, e, "tii", in->id, (int64_t)enabled, lg_clock_ms());
    if (rc < 0 || (rc = refresh(db, in, e)))
        return rc;
    return tell(db, "instance.updated", in, in->state, NULL, e);
}

int lg_instance_set_labels(struct lg_db *db, struct lg_instance *in, const struct lg_label *labels, int n,
                           struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_LABEL_CLEAR, e, "t", in->id);
    for (int i = 0; rc >= 0 && i < n; i++)
        rc = lg_sql_run(db, Q_LABEL_ADD, e, "ttt", in->id, labels[i].key, labels[i].value);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_INSTANCE_TOUCH, e, "ti", in->id, lg_clock_ms());
    if (rc < 0 || (rc = refresh(db, in, e)))
        return rc;
    return tell(db, "instance.updated", in, in->state, NULL, e);
}

int lg_instance_remove(struct lg_db *db, struct lg_instance *in, const char *operation_id, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    int rc = lg_sql_run(db, Q_TOMBSTONE_PUT, e, "ttti", in->id, in->tenant_id, in->backend, now);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_HOST_NUMBER_REST, e, "tii", in->tenant_id, (int64_t)in->host_number,
                        now + ADDRESS_REST_MS);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_INSTANCE_REMOVE, e, "t", in->id);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return lg_fail(e, LG_NO_INSTANCE, "there is no such instance");
    enum lg_state before = in->state;
    in->state = LG_ST_DELETING;
    return tell(db, "instance.deleted", in, before, operation_id, e);
}
