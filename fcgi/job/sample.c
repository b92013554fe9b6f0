/*
 * Usage of running instances: the engines are asked first, then everything is written in one transaction per
 * file: the newest sample into the database, what it adds into the usage history.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "job/reconcile.h"
#include "store/history.h"
#include "store/layer.h"

#define ROLL_MS 60000 /* the width of the second tier: nothing is gained by rolling more often */

struct measured {
    struct lg_sample now, before;
    bool first; /* nothing is known of before */
};

/* Share of one core since the previous sample, which the database keeps. */
static double cpu_percent(const struct measured *m)
{
    int64_t used_us = m->now.cpu_us - m->before.cpu_us, ms = m->now.at - m->before.at;
    return !m->first && used_us > 0 && ms > 0 ? (double)used_us / (double)ms / 10.0
                                              : 0; /* negative: restarted in between */
}

static int measure(struct lg_rec *rec, struct measured *out)
{
    int n = 0;
    const struct lg_driver *d = rec->r->driver[rec->driver];
    struct lg_engine *g;
    if (!d->usage || lg_engines_get(&rec->engines, d->backend, &d, &g, NULL))
        return 0;
    for (int i = 0; i < rec->running.count; i++) {
        const char *id = rec->running.at[i];
        struct lg_usage u;
        struct lg_err e = {0};
        int rc = d->usage(g, id, &u, &e);
        if (rc == -LG_UNAVAILABLE)
            break;
        if (rc)
            continue;
        struct measured *m = &out[n++];
        m->now = (struct lg_sample){.at = lg_clock_ms(),
                                    .cpu_us = u.cpu_us,
                                    .memory_bytes = u.memory_bytes,
                                    .rx_bytes = u.rx_bytes,
                                    .tx_bytes = u.tx_bytes,
                                    .disk_bytes = u.disk_bytes,
                                    .pids = u.pids};
        memcpy(m->now.instance_id, id, sizeof m->now.instance_id);
        struct lg_layer_row layer; /* measured by a process of its own */
        if (m->now.disk_bytes < 0 && lg_layer_get(rec->db, m->now.instance_id, &layer, NULL) == 1)
            m->now.disk_bytes = layer.bytes;
        m->first = lg_sample_get(rec->db, m->now.instance_id, &m->before, NULL) != 1;
        m->now.cpu_percent = cpu_percent(m);
    }
    return n;
}

static void write_newest(struct lg_rec *rec, const struct measured *m, int n)
{
    if (!n || lg_tx_write(rec->db, NULL))
        return;
    for (int i = 0; i < n; i++)
        lg_sample_put(rec->db, &m[i].now,
                      NULL); /* one that was deleted meanwhile breaks a foreign key: no harm */
    lg_tx_commit(rec->db, NULL);
    lg_tx_rollback(rec->db);
}

/* ---- history ---- */

struct gone {
    struct lg_rec *rec;
    struct lg_ids ids;
};

static void look_whether_gone(void *arg, const char *id)
{
    struct gone *g = arg;
    struct lg_err e = {0};
    lg_cleanup_instance struct lg_instance in = {0};
    if (lg_instance_get(g->rec->db, "", id, &in, &e) == -LG_NO_INSTANCE)
        lg_ids_add(&g->ids, id);
}

/* Within the transaction: wider buckets, what is past its time, and instances that are no more. */
static int tidy(struct lg_rec *rec, int64_t now, struct lg_err *e)
{
    struct gone gone = {.rec = rec};
    /* From a minute before: another reconciler writes what it measured until then a moment later. */
    int rc = lg_history_roll(rec->history, rec->rolled_at - ROLL_MS, now, e);
    if (!rc)
        rc = lg_history_each(rec->history, look_whether_gone, &gone, e);
    for (int i = 0; !rc && i < gone.ids.count; i++)
        rc = lg_history_remove(rec->history, gone.ids.at[i], e);
    lg_ids_done(&gone.ids);
    return rc;
}

static int write_history(struct lg_rec *rec, const struct measured *m, int n, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    bool roll = rec->host && now / ROLL_MS != rec->rolled_at / ROLL_MS; /* everybody's samples, once */
    if (!n && !roll)
        return 0;
    int rc = rec->history ? 0 : lg_history_open(&rec->history, rec->r->conf, e);
    if (!rc)
        rc = lg_tx_write(rec->history, e);
    if (rc)
        return rc;
    for (int i = 0; !rc && i < n; i++)
        rc = lg_history_add(rec->history, &m[i].now, m[i].first ? NULL : &m[i].before, e);
    if (!rc && roll)
        rc = tidy(rec, now, e);
    if (!rc)
        rc = lg_tx_commit(rec->history, e);
    lg_tx_rollback(rec->history);
    if (!rc && roll)
        rec->rolled_at = now;
    return rc;
}

void lg_sample_sweep(struct lg_rec *rec)
{
    struct lg_err e = {0};
    struct measured *m = calloc((size_t)rec->running.count + 1, sizeof *m);
    int n = m ? measure(rec, m) : 0;
    write_newest(rec, m, n);
    bool failed = write_history(rec, m, n, &e) != 0;
    if (failed && !rec->history_failed)
        lg_log_err(LG_WARN, "usage is not added to its history", &e);
    rec->history_failed = failed;
    free(m);
}
