#include "store/operation.h"

#include <string.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/sql.h"

#define EVENT_LOG_MAX                                                                                        \
    2048 /* bytes of the log's end that an event repeats; the whole log is in the resource */

static void read_row(lg_stmt *s, struct lg_operation *op)
{
    op->seq = lg_col_int(s, 0);
    lg_col_copy(s, 1, op->id, sizeof op->id);
    lg_col_copy(s, 2, op->kind, sizeof op->kind);
    lg_col_copy(s, 3, op->status, sizeof op->status);
    lg_col_copy(s, 4, op->tenant_id, sizeof op->tenant_id);
    lg_col_copy(s, 5, op->instance_id, sizeof op->instance_id);
    lg_col_copy(s, 6, op->subject_name, sizeof op->subject_name);
    lg_col_copy(s, 7, op->image_id, sizeof op->image_id);
    lg_col_copy(s, 8, op->user_id, sizeof op->user_id);
    lg_col_copy(s, 9, op->username, sizeof op->username);
    lg_col_copy(s, 10, op->request_id, sizeof op->request_id);
    lg_col_copy(s, 11, op->params, sizeof op->params);
    lg_col_copy(s, 12, op->step, sizeof op->step);
    op->progress = lg_col_null(s, 13) ? -1 : lg_col_real(s, 13);
    lg_col_copy(s, 14, op->log, sizeof op->log);
    lg_col_copy(s, 15, op->error_code, sizeof op->error_code);
    lg_col_copy(s, 16, op->error_text, sizeof op->error_text);
    op->cancel = lg_col_int(s, 17);
    op->attempts = lg_col_int(s, 18);
    op->created_at = lg_col_int(s, 19);
    op->started_at = lg_col_int(s, 20);
    op->ended_at = lg_col_int(s, 21);
    lg_col_copy(s, 22, op->volume_id, sizeof op->volume_id);
    op->needs_image = sqlite3_column_count(s) > 23 && lg_col_int(s, 23); /* operation_open's alone */
}

/* 1 and the row, 0 none. */
static int read_one(struct lg_db *db, lg_stmt *s, struct lg_operation *op, struct lg_err *e)
{
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, op);
    lg_sql_done(s);
    return rc;
}

static int read_all(struct lg_db *db, lg_stmt *s, void (*fn)(void *arg, const struct lg_operation *op),
                    void *arg, struct lg_err *e)
{
    int rc, n = 0;
    struct lg_operation op;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        read_row(s, &op);
        fn(arg, &op);
        n++;
    }
    return rc < 0 ? rc : n;
}

bool lg_operation_ended(const struct lg_operation *op)
{
    return op->ended_at != 0;
}

int lg_operation_get(struct lg_db *db, const char *id, struct lg_operation *op, struct lg_err *e)
{
    int rc = read_one(db, lg_sql(db, Q_OPERATION_GET, e, "t", id), op, e);
    if (rc == 0)
        return lg_fail(e, LG_NOT_FOUND, "there is no such operation");
    return rc < 0 ? rc : 0;
}

int lg_operation_open_of(struct lg_db *db, const char *instance_id, struct lg_operation *op, struct lg_err *e)
{
    return read_one(db, lg_sql(db, Q_OPERATION_OPEN_OF_INSTANCE, e, "t", instance_id), op, e);
}

int lg_operation_each(struct lg_db *db, const char *tenant_id, const char *instance_id, const char *status,
                      int64_t before_seq, int limit, int offset,
                      void (*fn)(void *arg, const struct lg_operation *op), void *arg, struct lg_err *e)
{
    int64_t before = before_seq > 0 ? before_seq : INT64_MAX;
    lg_stmt *s = *instance_id ? lg_sql(db, Q_OPERATION_LIST_OF_INSTANCE, e, "titiit", tenant_id, before,
                                       status, (int64_t)limit, (int64_t)offset, instance_id)
                              : lg_sql(db, Q_OPERATION_LIST, e, "titii", tenant_id, before, status,
                                       (int64_t)limit, (int64_t)offset);
    return read_all(db, s, fn, arg, e);
}

int lg_operation_count(struct lg_db *db, const char *tenant_id, const char *instance_id, const char *status,
                       int64_t *n, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_OPERATION_COUNT, e, "ttt", tenant_id, instance_id, status), n, e);
}

int lg_operation_open_each(struct lg_db *db, int limit, void (*fn)(void *arg, const struct lg_operation *op),
                           void *arg, struct lg_err *e)
{
    return read_all(db, lg_sql(db, Q_OPERATION_OPEN, e, "i", (int64_t)limit), fn, arg, e);
}

static void render_log(struct lg_json *j, const char *log)
{
    lg_json_arr(j, "log");
    while (*log) {
        size_t n = strcspn(log, "\n");
        lg_json_strn(j, NULL, log, n);
        log += n + (log[n] == '\n');
    }
    lg_json_end_arr(j);
}

static void render_error(struct lg_json *j, const struct lg_operation *op)
{
    if (!*op->error_code) {
        lg_json_null(j, "error");
        return;
    }
    lg_json_obj(j, "error");
    lg_json_str(j, "code", op->error_code);
    lg_json_str(j, "message", op->error_text);
    lg_json_end_obj(j);
}

static void text_or_null(struct lg_json *j, const char *key, const char *s)
{
    lg_json_str(j, key, *s ? s : NULL);
}

void lg_operation_render(struct lg_json *j, const char *key, const struct lg_operation *op)
{
    lg_json_obj(j, key);
    lg_json_str(j, "id", op->id);
    lg_json_str(j, "kind", op->kind);
    lg_json_str(j, "status", op->status);
    text_or_null(j, "instance", op->instance_id);
    text_or_null(j, "instanceName", *op->instance_id ? op->subject_name : "");
    text_or_null(j, "image", op->image_id);
    text_or_null(j, "imageName", *op->image_id && !*op->instance_id ? op->subject_name : "");
    text_or_null(j, "volume", op->volume_id);
    text_or_null(j, "volumeName", *op->volume_id && !*op->instance_id ? op->subject_name : "");
    lg_json_str(j, "step", op->step);
    if (op->progress < 0)
        lg_json_null(j, "progress");
    else
        lg_json_real(j, "progress", op->progress);
    render_log(j, op->log);
    render_error(j, op);
    lg_json_str(j, "requestedBy", op->username);
    lg_json_bool(j, "cancellable", !op->ended_at && !op->cancel);
    lg_json_time(j, "createdAt", op->created_at);
    lg_json_time(j, "startedAt", op->started_at);
    lg_json_time(j, "endedAt", op->ended_at);
    lg_json_end_obj(j);
}

/* Leaves whole lines of the log's end. */
static void shorten_log(struct lg_operation *op)
{
    size_t n = strlen(op->log);
    if (n <= EVENT_LOG_MAX)
        return;
    const char *from = op->log + n - EVENT_LOG_MAX, *line = strchr(from, '\n');
    from = line ? line + 1 : from;
    memmove(op->log, from, strlen(from) + 1);
}

/* Reads the row again, so that the event says what is true after the change, and adds the event. */
static int tell(struct lg_db *db, const char *kind, const char *id, struct lg_err *e)
{
    struct lg_operation op;
    int rc = lg_operation_get(db, id, &op, e);
    if (rc)
        return rc;
    shorten_log(&op);
    lg_cleanup_event_draft struct lg_event_draft d;
    struct lg_json *j = lg_event_begin(&d);
    lg_operation_render(j, "operation", &op);
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = op.tenant_id,
                                           .subject_type = "operation",
                                           .subject_id = op.id,
                                           .subject_name = op.subject_name,
                                           .operation_id = op.id,
                                           .op_done = lg_operation_ended(&op)},
                        e);
}

int lg_operation_alone(struct lg_db *db, const struct lg_operation *op, struct lg_err *e)
{
    struct lg_operation open;
    bool instance = *op->instance_id, volume = !instance && *op->volume_id;
    int rc = instance ? lg_operation_open_of(db, op->instance_id, &open, e)
             : volume ? read_one(db, lg_sql(db, Q_OPERATION_OPEN_OF_VOLUME, e, "t", op->volume_id), &open, e)
                      : 0;
    if (rc <= 0)
        return rc;
    lg_fail(e, LG_CONFLICT, "another operation (%s) is %s for this %s", open.kind, open.status,
            instance ? "instance; wait for it or use force" : "volume; wait for it");
    lg_err_detail(e, "operation", "%s", open.id);
    return lg_err_detail(e, "kind", "%s", open.kind);
}

struct ids {
    char id[64][LG_ID_LEN];
    int count;
};

static void note_id(void *arg, const struct lg_operation *op)
{
    struct ids *ids = arg;
    if (ids->count < 64)
        memcpy(ids->id[ids->count++], op->id, LG_ID_LEN);
}

/* Asks every open operation of the instance to cancel. */
static int cancel_all(struct lg_db *db, const char *instance_id, struct lg_err *e)
{
    struct ids ids = {.count = 0};
    int rc = read_all(db, lg_sql(db, Q_OPERATION_OPEN_UNCANCELLED, e, "t", instance_id), note_id, &ids, e);
    for (int i = 0; rc >= 0 && i < ids.count; i++)
        rc = lg_operation_cancel(db, ids.id[i], e);
    return rc < 0 ? rc : 0;
}

int lg_operation_add(struct lg_db *db, struct lg_operation *op, bool force, struct lg_err *e)
{
    int rc = !force             ? lg_operation_alone(db, op, e)
             : *op->instance_id ? cancel_all(db, op->instance_id, e)
                                : 0;
    return rc ? rc : lg_operation_add_after(db, op, e);
}

int lg_operation_add_after(struct lg_db *db, struct lg_operation *op, struct lg_err *e)
{
    lg_id_new(op->id);
    memcpy(op->status, "queued", 7);
    op->created_at = lg_clock_ms();
    op->started_at = op->ended_at = 0;
    op->progress = -1;
    int rc = lg_sql_run(db, Q_OPERATION_ADD, e, "ttttttttttit", op->id, op->kind, op->tenant_id,
                        op->instance_id, op->subject_name, op->image_id, op->user_id, op->username,
                        op->request_id, *op->params ? op->params : "{}", op->created_at, op->volume_id);
    if (rc < 0)
        return rc;
    rc = read_one(db, lg_sql(db, Q_OPERATION_GET, e, "t", op->id), op, e);
    if (rc < 0)
        return rc;
    lg_db_touch_operations(db);
    return tell(db, "operation.created", op->id, e);
}

int lg_operation_claim(struct lg_db *db, const char *id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_OPERATION_CLAIM, e, "ti", id, lg_clock_ms());
    if (rc == 0)
        return lg_fail(e, LG_STATE, "the operation is not open any more");
    return rc < 0 ? rc : tell(db, "operation.progress", id, e);
}

#define LINES_MAX 8192

/* Lines of the log, without other control characters. */
static void clean_lines(const char *line, char out[LINES_MAX])
{
    size_t n = 0;
    for (; *line && n < LINES_MAX - 2; line++)
        out[n++] = (unsigned char)*line < 0x20 && *line != '\n' ? ' ' : *line;
    out[n++] = '\n';
    out[n] = 0;
}

int lg_operation_progress(struct lg_db *db, const struct lg_operation *op, const char *step, double progress,
                          const char *line, struct lg_err *e)
{
    char text[LINES_MAX] = "";
    if (line)
        clean_lines(line, text);
    int rc = progress < 0 ? lg_sql_run(db, Q_OPERATION_PROGRESS, e, "ttnt", op->id, step, text)
                          : lg_sql_run(db, Q_OPERATION_PROGRESS, e, "ttrt", op->id, step, progress, text);
    return rc <= 0 ? rc : tell(db, "operation.progress", op->id, e);
}

int lg_operation_end(struct lg_db *db, const struct lg_operation *op, const char *status,
                     const struct lg_err *why, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_OPERATION_END, e, "tttti", op->id, status, why ? lg_code_name(why->code) : "",
                        why ? why->msg : "", lg_clock_ms());
    lg_db_touch_operations(db); /* the next one of that instance may run now */
    return rc <= 0 ? rc : tell(db, "operation.done", op->id, e);
}

int lg_operation_cancel(struct lg_db *db, const char *id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_OPERATION_CANCEL, e, "t", id);
    if (rc == 0)
        return lg_fail(e, LG_STATE, "the operation has ended");
    lg_db_touch_operations(db);
    return rc < 0 ? rc : tell(db, "operation.progress", id, e);
}

int lg_operation_requeue(struct lg_db *db, const char *id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_OPERATION_REQUEUE, e, "t", id);
    lg_db_touch_operations(db);
    return rc <= 0 ? rc : tell(db, "operation.progress", id, e);
}

int lg_operation_prune(struct lg_db *db, int64_t before_at, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_OPERATION_PRUNE, e, "i", before_at);
    return rc < 0 ? rc : 0;
}
