#include "store/layer.h"

#include "base/clock.h"
#include "store/event.h"
#include "store/sql.h"

int lg_layer_get(struct lg_db *db, const char *instance_id, struct lg_layer_row *l, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_LAYER_GET, e, "t", instance_id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        *l = (struct lg_layer_row){.bytes = lg_col_int(s, 0),
                                   .hard = lg_col_int(s, 1),
                                   .warned = lg_col_int(s, 2),
                                   .stopped_bytes = lg_col_int(s, 3),
                                   .at = lg_col_int(s, 4)};
    lg_sql_done(s);
    return rc;
}

int lg_layer_put(struct lg_db *db, const char *instance_id, const struct lg_layer_row *l, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_LAYER_PUT, e, "tiiiii", instance_id, l->bytes, (int64_t)l->hard,
                        (int64_t)l->warned, l->stopped_bytes, lg_clock_ms());
    return rc < 0 ? rc : 0;
}

int lg_layer_tell(struct lg_db *db, const struct lg_instance *in, const char *level, int64_t used,
                  struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    struct lg_json *j = lg_event_begin(&d);
    lg_json_str(j, "level", level);
    lg_json_int(j, "used", used);
    lg_json_int(j, "limit", in->storage_bytes);
    lg_json_int(j, "percent", in->storage_bytes ? used * 100 / in->storage_bytes : 0);
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = "instance.storage",
                                           .tenant_id = in->tenant_id,
                                           .subject_type = "instance",
                                           .subject_id = in->id,
                                           .subject_name = in->name},
                        e);
}
