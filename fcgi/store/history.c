#include "store/history.h"

#include "store/sql.h"

#define FIRST_SPAN_MS 10000 /* after a start nobody knows since when exactly: at most this long */

const struct lg_history_tier lg_history_tiers[LG_HISTORY_TIERS] = {
    {10, 3600}, {60, 24 * 3600}, {900, (int64_t)31 * 24 * 3600}};

struct growth { /* of the counters since the sample before */
    int64_t cpu_us, rx_bytes, tx_bytes, span_ms;
};

/* All counters begin at zero with a start, so after one each is its own growth. */
static struct growth growth_of(const struct lg_sample *now, const struct lg_sample *before)
{
    int64_t span = before ? now->at - before->at : FIRST_SPAN_MS;
    bool anew = !before || now->cpu_us < before->cpu_us || now->rx_bytes < before->rx_bytes ||
                now->tx_bytes < before->tx_bytes || span <= 0;
    if (anew)
        return (struct growth){now->cpu_us, now->rx_bytes, now->tx_bytes,
                               span > 0 && span < FIRST_SPAN_MS ? span : FIRST_SPAN_MS};
    return (struct growth){now->cpu_us - before->cpu_us, now->rx_bytes - before->rx_bytes,
                           now->tx_bytes - before->tx_bytes, span};
}

int lg_history_add(struct lg_db *hdb, const struct lg_sample *now, const struct lg_sample *before,
                   struct lg_err *e)
{
    struct growth g = growth_of(now, before);
    int64_t width_ms = lg_history_tiers[0].width_s * 1000;
    int rc = lg_sql_run(hdb, Q_HISTORY_SUBJECT_ADD, e, "t", now->instance_id);
    if (rc >= 0)
        rc = lg_sql_run(hdb, Q_HISTORY_ADD, e, "tiiiriiiii", now->instance_id,
                        now->at / width_ms * width_ms / 1000, g.span_ms, g.cpu_us,
                        (double)g.cpu_us / (double)g.span_ms / 10, now->memory_bytes, g.rx_bytes, g.tx_bytes,
                        now->disk_bytes, now->pids);
    return rc < 0 ? rc : 0;
}

/* Only buckets whose parts are all still there are made anew. */
static int roll_tier(struct lg_db *hdb, int to, int64_t since_s, int64_t now_s, struct lg_err *e)
{
    const struct lg_history_tier *fine = &lg_history_tiers[to - 1], *wide = &lg_history_tiers[to];
    int64_t oldest = now_s - fine->keep_s, first = since_s / wide->width_s * wide->width_s;
    if (first < oldest)
        first = (oldest + wide->width_s - 1) / wide->width_s * wide->width_s;
    int rc = lg_sql_run(hdb, Q_HISTORY_ROLL, e, "iiii", (int64_t)fine->width_s, (int64_t)wide->width_s, first,
                        now_s + 1);
    return rc < 0 ? rc : 0;
}

int lg_history_roll(struct lg_db *hdb, int64_t since_ms, int64_t now_ms, struct lg_err *e)
{
    int64_t now_s = now_ms / 1000;
    int rc = 0;
    for (int t = 1; !rc && t < LG_HISTORY_TIERS; t++)
        rc = roll_tier(hdb, t, since_ms / 1000, now_s, e);
    for (int t = 0; rc >= 0 && t < LG_HISTORY_TIERS; t++)
        rc = lg_sql_run(hdb, Q_HISTORY_PRUNE, e, "ii", (int64_t)lg_history_tiers[t].width_s,
                        now_s - lg_history_tiers[t].keep_s);
    return rc < 0 ? rc : 0;
}

int lg_history_each(struct lg_db *hdb, void (*fn)(void *arg, const char *instance_id), void *arg,
                    struct lg_err *e)
{
    return lg_sql_each_text(hdb, lg_sql(hdb, Q_HISTORY_SUBJECT_EACH, e, ""), fn, arg, e);
}

int lg_history_remove(struct lg_db *hdb, const char *instance_id, struct lg_err *e)
{
    int rc = lg_sql_run(hdb, Q_HISTORY_SUBJECT_REMOVE, e, "t", instance_id);
    return rc < 0 ? rc : 0;
}

int lg_history_series(struct lg_db *hdb, const char *instance_id, const struct lg_history_tier *tier,
                      int64_t since_s, int64_t until_s, int64_t step_s, lg_history_fn *fn, void *arg,
                      struct lg_err *e)
{
    lg_stmt *s = lg_sql(hdb, Q_HISTORY_SERIES, e, "tiiii", instance_id, (int64_t)tier->width_s, since_s,
                        until_s, step_s);
    int rc;
    while ((rc = lg_sql_step(hdb, s, e)) > 0) {
        struct lg_history_point p = {.at_s = lg_col_int(s, 0),
                                     .samples = lg_col_int(s, 1),
                                     .span_ms = lg_col_int(s, 2),
                                     .cpu_min = lg_col_real(s, 4),
                                     .cpu_max = lg_col_real(s, 5),
                                     .memory_avg = lg_col_real(s, 6),
                                     .memory_min = lg_col_int(s, 7),
                                     .memory_max = lg_col_int(s, 8),
                                     .rx_bytes = lg_col_int(s, 9),
                                     .tx_bytes = lg_col_int(s, 10),
                                     .disk_bytes = lg_col_int(s, 11),
                                     .pids = lg_col_int(s, 12)};
        p.cpu_avg = p.span_ms > 0 ? (double)lg_col_int(s, 3) / (double)p.span_ms / 10 : 0;
        fn(arg, &p);
    }
    return rc;
}
