/*
 * The size of containers' own layers, in a process of its own: measuring one takes as long as there are files
 * in it. What comes near its limit is told, and what reaches it is stopped, where no file system does that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "job/job.h"
#include "store/layer.h"

#define WARN_PERCENT 90
#define CALM_PERCENT 80 /* below this a later warning is news again */
#define REST         5  /* times as long as a measurement took, nothing is done after it */
#define REST_MAX_MS  60000
#define NICE         10
#define GRACE_MS     120000 /* after a start, to make room in what was stopped for being full */
#define GRACE_BYTES  ((int64_t)16 << 20)

struct layers {
    const struct lg_runner *r;
    struct lg_db *db;
    struct lg_engines engines;
    struct lg_ids running;
};

static void take(void *arg, struct lg_instance *in)
{
    struct layers *l = arg;
    if (in->state == LG_ST_RUNNING || in->state == LG_ST_PAUSED)
        lg_ids_add(&l->running, in->id);
}

static void size_text(int64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    int u = 0;
    for (; v >= 1024 && u < 4; u++)
        v /= 1024;
    snprintf(out, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

/* Who was stopped for it and comes back may stay a while, as long as it does not go on growing. */
static bool must_stop(const struct lg_instance *in, const struct lg_layer_row *row)
{
    bool again = row->stopped_bytes && row->bytes <= row->stopped_bytes + GRACE_BYTES;
    return !row->hard && row->bytes >= in->storage_bytes &&
           !(again && lg_clock_ms() - in->started_at < GRACE_MS);
}

/* The end of one that is full: an operation of the system's own, with its reason. */
static int stop(struct layers *l, struct lg_instance *in, int64_t used, struct lg_err *e)
{
    static struct lg_operation op;
    char have[32], limit[32];
    memset(&op, 0, sizeof op);
    size_text(used, have);
    size_text(in->storage_bytes, limit);
    snprintf(op.kind, sizeof op.kind, "instance.stop");
    snprintf(op.username, sizeof op.username, "system");
    snprintf(op.params, sizeof op.params,
             "{\"timeout\":%ld,\"reason\":{\"code\":\"storage_full\",\"text\":\"stopped because its own "
             "files take "
             "%s of the %s it may have\"}}",
             l->r->conf->stop_timeout_s, have, limit);
    memcpy(op.tenant_id, in->tenant_id, sizeof op.tenant_id);
    memcpy(op.instance_id, in->id, sizeof op.instance_id);
    snprintf(op.subject_name, sizeof op.subject_name, "%s", in->name);
    int rc = lg_operation_add(l->db, &op, false, e);
    struct lg_instance_change ch = {.state = (int)lg_verb_during(LG_V_STOP),
                                    .desired = "stopped",
                                    .started_at = -1,
                                    .operation_id = op.id};
    return rc ? rc : lg_instance_change(l->db, in, &ch, e);
}

/* What follows from the new size; `row` is as it was before and becomes as it shall be. */
static int judge(struct layers *l, struct lg_instance *in, struct lg_layer_row *row, struct lg_err *e)
{
    int64_t limit = in->storage_bytes;
    int rc = 0;
    if (!limit || row->bytes < limit)
        row->stopped_bytes = 0;
    if (!limit || row->bytes * 100 < limit * CALM_PERCENT) {
        if (row->warned && limit)
            rc = lg_layer_tell(l->db, in, "ok", row->bytes, e);
        row->warned = false;
    } else if (!row->warned && row->bytes * 100 >= limit * WARN_PERCENT) {
        row->warned = true;
        rc = lg_layer_tell(l->db, in, "warning", row->bytes, e);
    }
    if (rc || !limit || !must_stop(in, row))
        return rc;
    row->stopped_bytes = row->bytes;
    rc = lg_layer_tell(l->db, in, "full", row->bytes, e);
    return rc ? rc : stop(l, in, row->bytes, e);
}

static bool operation_open(struct layers *l, const char *id)
{
    static struct lg_operation op;
    return lg_operation_open_of(l->db, id, &op, NULL) != 0;
}

static bool same(const struct lg_layer_row *a, const struct lg_layer_row *b)
{
    return a->bytes == b->bytes && a->hard == b->hard && a->warned == b->warned &&
           a->stopped_bytes == b->stopped_bytes;
}

/* In one transaction: the size, the event, and the operation. Whoever is at work on it now goes first. */
static int write_size(struct layers *l, const char *id, const struct lg_layer *now, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_layer_row before = {.bytes = -1}, row;
    int rc = lg_layer_get(l->db, id, &before, e);
    if (rc < 0)
        return rc;
    row = before;
    row.bytes = now->bytes;
    row.hard = now->hard;
    if (same(&before, &row) && !row.warned)
        return 0;
    rc = lg_tx_write(l->db, e);
    if (!rc)
        rc = lg_instance_get(l->db, "", id, &in, e);
    if (!rc && in.state == LG_ST_RUNNING && !operation_open(l, id))
        rc = judge(l, &in, &row, e);
    if (!rc && !same(&before, &row))
        rc = lg_layer_put(l->db, id, &row, e);
    if (!rc)
        rc = lg_tx_commit(l->db, e);
    lg_tx_rollback(l->db);
    return rc == -LG_NO_INSTANCE ? 0 : rc;
}

static void measure(struct layers *l, int driver, const char *id)
{
    const struct lg_driver *d = l->r->driver[driver];
    struct lg_engine *g;
    struct lg_layer now;
    struct lg_err e = {0};
    int64_t begun = lg_clock_mono();
    int rc = lg_engines_get(&l->engines, d->backend, &d, &g, &e);
    if (!rc)
        rc = d->layer(g, id, &now, &e);
    if (!rc && write_size(l, id, &now, &e))
        lg_log_err(LG_WARN, "the size of an instance's layer is not noted; the next round tries again", &e);
    int64_t rest = (lg_clock_mono() - begun) * REST;
    if (rest > 0)
        lg_pause_ms((int)(rest < REST_MAX_MS ? rest : REST_MAX_MS));
}

void lg_layers_main(const struct lg_runner *r, int arg)
{
    (void)arg;
    static struct layers l;
    l.r = r;
    l.db = lg_child_db(r);
    lg_engines_init(&l.engines, r, NULL);
    if (nice(NICE) < 0)
        lg_log(LG_INFO, "layers are measured at the usual priority", NULL);
    for (;;) {
        int64_t begun = lg_clock_mono();
        for (int i = 0; i < r->drivers; i++) {
            l.running.count = 0;
            if (!r->driver[i]->layer ||
                lg_instance_each_of_backend(l.db, r->driver[i]->backend, take, &l, NULL) < 0)
                continue;
            for (int k = 0; k < l.running.count; k++)
                measure(&l, i, l.running.at[k]);
        }
        int64_t left = r->conf->sample_ms - (lg_clock_mono() - begun);
        lg_pause_ms(left > 200 ? (int)left : 200);
    }
}
