#include "store/event.h"

#include "base/clock.h"
#include "store/sql.h"

int lg_event_add(struct lg_db *db, const struct lg_event *ev, struct lg_err *e)
{
    int rc = lg_sql_run(
        db, Q_EVENT_ADD, e, "ittittttit", lg_clock_ms(), ev->kind, ev->tenant_id ? ev->tenant_id : "",
        (int64_t)ev->admin, ev->subject_type, ev->subject_id, ev->subject_name ? ev->subject_name : "",
        ev->operation_id ? ev->operation_id : "", (int64_t)ev->op_done, ev->data ? ev->data : "{}");
    lg_db_touch_events(db);
    return rc < 0 ? rc : 0;
}

void lg_event_draft_done(struct lg_event_draft *d)
{
    lg_buf_done(&d->data);
}

struct lg_json *lg_event_begin(struct lg_event_draft *d)
{
    d->data = (struct lg_buf){0};
    lg_json_init(&d->j, &d->data);
    lg_json_obj(&d->j, NULL);
    return &d->j;
}

int lg_event_end(struct lg_db *db, struct lg_event_draft *d, const struct lg_event *ev, struct lg_err *e)
{
    lg_json_end_obj(&d->j);
    if (d->data.failed)
        return lg_fail(e, LG_INTERNAL, "out of memory for an event");
    struct lg_event with = *ev;
    with.data = d->data.data;
    return lg_event_add(db, &with, e);
}

int lg_event_bounds(struct lg_db *db, int64_t *last, int64_t *oldest, struct lg_err *e)
{
    return lg_sql_two_ints(db, lg_sql(db, Q_EVENT_BOUNDS, e, ""), last, oldest, e);
}

int lg_event_each(struct lg_db *db, int64_t after, const char *tenant_id, int limit,
                  void (*fn)(void *arg, const struct lg_event *ev), void *arg, struct lg_err *e)
{
    lg_stmt *s = tenant_id ? lg_sql(db, Q_EVENT_AFTER_OF_TENANT, e, "iit", after, (int64_t)limit, tenant_id)
                           : lg_sql(db, Q_EVENT_AFTER, e, "ii", after, (int64_t)limit);
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        struct lg_event ev = {.id = lg_col_int(s, 0),
                              .at = lg_col_int(s, 1),
                              .kind = lg_col_text(s, 2),
                              .tenant_id = lg_col_text(s, 3),
                              .admin = lg_col_int(s, 4),
                              .subject_type = lg_col_text(s, 5),
                              .subject_id = lg_col_text(s, 6),
                              .subject_name = lg_col_text(s, 7),
                              .operation_id = lg_col_text(s, 8),
                              .op_done = lg_col_int(s, 9),
                              .data = lg_col_text(s, 10),
                              .tenant_slug = lg_col_text(s, 11)};
        fn(arg, &ev);
        n++;
    }
    return rc < 0 ? rc : n;
}

int lg_event_prune(struct lg_db *db, int64_t keep, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_EVENT_PRUNE, e, "i", keep);
    return rc < 0 ? rc : 0;
}

void lg_event_render(struct lg_json *j, const char *key, const struct lg_event *ev)
{
    lg_json_obj(j, key);
    lg_json_int(j, "id", ev->id);
    lg_json_time(j, "at", ev->at);
    lg_json_str(j, "kind", ev->kind);
    lg_json_str(j, "tenant", ev->tenant_slug);
    lg_json_obj(j, "subject");
    lg_json_str(j, "type", ev->subject_type);
    lg_json_str(j, "id", ev->subject_id);
    lg_json_str(j, "name", ev->subject_name);
    lg_json_end_obj(j);
    lg_json_raw(j, "data", ev->data);
    lg_json_end_obj(j);
}
