/* Usage of running instances: the engines are asked first, then everything is written in one transaction. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "job/reconcile.h"

/* Share of one core since the previous sample, which the database keeps. */
static double cpu_percent(struct lg_rec *rec, const struct lg_sample *now)
{
    struct lg_sample before;
    if (lg_sample_get(rec->db, now->instance_id, &before, NULL) != 1)
        return 0;
    int64_t used_us = now->cpu_us - before.cpu_us, ms = now->at - before.at;
    return used_us > 0 && ms > 0 ? (double)used_us / (double)ms / 10.0
                                 : 0; /* negative: restarted in between */
}

static int measure(struct lg_rec *rec, struct lg_sample *out)
{
    int n = 0;
    for (int i = 0; i < rec->running_count; i++) {
        const struct lg_driver *d = rec->r->driver[rec->running[i].driver];
        struct lg_engine *g;
        struct lg_usage u;
        struct lg_err e = {0};
        if (!d->usage || lg_engines_get(&rec->engines, d->backend, &d, &g, &e))
            continue;
        int rc = d->usage(g, rec->running[i].id, &u, &e);
        if (rc == -LG_UNAVAILABLE)
            break;
        if (rc)
            continue;
        struct lg_sample *s = &out[n++];
        *s = (struct lg_sample){.at = lg_clock_ms(),
                                .cpu_us = u.cpu_us,
                                .memory_bytes = u.memory_bytes,
                                .rx_bytes = u.rx_bytes,
                                .tx_bytes = u.tx_bytes,
                                .disk_bytes = u.disk_bytes,
                                .pids = u.pids};
        memcpy(s->instance_id, rec->running[i].id, sizeof s->instance_id);
        s->cpu_percent = cpu_percent(rec, s);
    }
    return n;
}

void lg_sample_sweep(struct lg_rec *rec)
{
    if (!rec->running_count)
        return;
    struct lg_sample *s = calloc((size_t)rec->running_count, sizeof *s);
    int n = s ? measure(rec, s) : 0;
    if (n && !lg_tx_write(rec->db, NULL)) {
        for (int i = 0; i < n; i++)
            lg_sample_put(rec->db, &s[i],
                          NULL); /* one that was deleted meanwhile breaks a foreign key: no harm */
        lg_tx_commit(rec->db, NULL);
    }
    free(s);
}
