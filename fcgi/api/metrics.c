/* GET /metrics: the numbers of this Lodge in Prometheus' text format, made when asked for. */
#include "http/metrics.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "api/parts.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/version.h"
#include "store/event.h"
#include "store/stats.h"

static void gauge(struct lg_buf *out, const char *name, const char *help, int64_t v)
{
    lg_metrics_family(out, name, "gauge", help);
    lg_buf_fmt(out, "%s %lld\n", name, (long long)v);
}

static double age_s(int64_t since)
{
    int64_t now = lg_clock_ms();
    return since && now > since ? (double)(now - since) / 1000 : 0;
}

/* name{a="…",b="…"} without the value; `b` NULL: one label. */
static void labelled(struct lg_buf *out, const char *name, const char *a, const char *av, const char *b,
                     const char *bv)
{
    lg_buf_fmt(out, "%s{%s=\"", name, a);
    lg_metrics_label(out, av);
    if (b) {
        lg_buf_fmt(out, "\",%s=\"", b);
        lg_metrics_label(out, bv);
    }
    lg_buf_str(out, "\"} ");
}

/* --- operations and instances --- */

static void operation_row(void *arg, const char *kind, const char *result, int64_t n)
{
    labelled(arg, "lodge_operations_total", "kind", kind, "result", result);
    lg_buf_fmt(arg, "%lld\n", (long long)n);
}

static void instance_row(void *arg, const char *backend, const char *state, int64_t n)
{
    labelled(arg, "lodge_instances", "backend", backend, "state", state);
    lg_buf_fmt(arg, "%lld\n", (long long)n);
}

static int render_operations(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    struct lg_queue queue;
    lg_metrics_family(out, "lodge_operations_total", "counter", "Operations that ended, by kind and result.");
    int rc = lg_stats_operations(q->db, operation_row, out, e);
    if (!rc)
        rc = lg_stats_queue(q->db, &queue, e);
    if (rc)
        return rc;
    lg_metrics_family(out, "lodge_operations_open", "gauge", "Operations that wait or are at work.");
    lg_buf_fmt(
        out,
        "lodge_operations_open{status=\"queued\"} %lld\nlodge_operations_open{status=\"running\"} %lld\n",
        (long long)queue.queued, (long long)queue.running);
    lg_metrics_family(out, "lodge_operation_oldest_age_seconds", "gauge",
                      "How long ago the oldest of these was asked for; 0 without one.");
    lg_buf_fmt(out,
               "lodge_operation_oldest_age_seconds{status=\"queued\"} %.3f\n"
               "lodge_operation_oldest_age_seconds{status=\"running\"} %.3f\n",
               age_s(queue.oldest_queued_at), age_s(queue.oldest_running_at));
    return 0;
}

static int render_instances(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    lg_metrics_family(out, "lodge_instances", "gauge", "Instances by backend and state.");
    return lg_stats_instances(q->db, instance_row, out, e);
}

/* --- usage of each instance --- */

static const struct family {
    const char *name, *type, *help;
    size_t at;   /* of an int64_t in struct lg_sample */
    double unit; /* how many of its units are one of the sample's */
    int decimals;
} families[] = {
#define AT(m) offsetof(struct lg_sample, m)
    {"lodge_instance_cpu_seconds_total", "counter", "CPU time since the instance started.", AT(cpu_us), 1e-6,
     6},
    {"lodge_instance_memory_bytes", "gauge", "Memory in use.", AT(memory_bytes), 1, 0},
    {"lodge_instance_network_receive_bytes_total", "counter", "Bytes received since the start.", AT(rx_bytes),
     1, 0},
    {"lodge_instance_network_transmit_bytes_total", "counter", "Bytes sent since the start.", AT(tx_bytes), 1,
     0},
    {"lodge_instance_disk_bytes", "gauge", "Size of the writable layer.", AT(disk_bytes), 1, 0},
    {"lodge_instance_processes", "gauge", "Processes and threads in the instance.", AT(pids), 1, 0},
#undef AT
};
#define FAMILIES (sizeof families / sizeof families[0])

/* All samples of a family stand together, so each is written to a text of its own in one pass over the rows.
 */
struct usage {
    struct lg_buf text[FAMILIES];
};

static void usage_row(void *arg, const char *tenant, const char *name, const struct lg_sample *s)
{
    struct usage *u = arg;
    for (size_t i = 0; i < FAMILIES; i++) {
        int64_t v;
        memcpy(&v, (const char *)s + families[i].at, sizeof v);
        if (v < 0)
            continue; /* the engine does not say */
        labelled(&u->text[i], families[i].name, "tenant", tenant, "name", name);
        lg_buf_fmt(&u->text[i], "%.*f\n", families[i].decimals, (double)v * families[i].unit);
    }
}

static int render_usage(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    struct usage u = {0};
    int rc = lg_stats_usage(q->db, usage_row, &u, e);
    for (size_t i = 0; i < FAMILIES; i++) {
        lg_metrics_family(out, families[i].name, families[i].type, families[i].help);
        lg_buf_add(out, lg_buf_cstr(&u.text[i]), u.text[i].len);
        out->failed |= u.text[i].failed;
        lg_buf_done(&u.text[i]);
    }
    return rc;
}

/* --- engines, events, database --- */

/* Two families over the same few rows. */
struct engines {
    struct lg_buf up, checked;
};

static void engine_row(void *arg, const struct lg_engine_state *st)
{
    struct engines *n = arg;
    labelled(&n->up, "lodge_engine_up", "backend", st->backend, "engine", st->type);
    lg_buf_fmt(&n->up, "%d\n", st->healthy);
    labelled(&n->checked, "lodge_engine_last_check_timestamp_seconds", "backend", st->backend, NULL, NULL);
    lg_buf_fmt(&n->checked, "%.3f\n", (double)st->checked_at / 1000);
}

static int render_engines(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    struct engines n = {0};
    int64_t unknown = 0;
    int rc = lg_stats_engines(q->db, engine_row, &n, e);
    if (!rc)
        rc = lg_stats_quarantine(q->db, &unknown, e);
    lg_metrics_family(out, "lodge_engine_up", "gauge", "1 when the engine answered at the last check.");
    lg_buf_str(out, lg_buf_cstr(&n.up));
    lg_metrics_family(out, "lodge_engine_last_check_timestamp_seconds", "gauge",
                      "When lodge-runner last wrote down what it found.");
    lg_buf_str(out, lg_buf_cstr(&n.checked));
    gauge(out, "lodge_engine_quarantined", "Things of this site in an engine that Lodge does not know.",
          unknown);
    lg_buf_done(&n.up);
    lg_buf_done(&n.checked);
    return rc;
}

/* Two families over the same rows again. */
struct calls {
    struct lg_buf took, failed;
};

static void call_labels(struct lg_buf *out, const char *name, const struct lg_histogram_row *r)
{
    lg_buf_fmt(out, "%s{backend=\"", name);
    lg_metrics_label(out, r->a);
    lg_buf_str(out, "\",call=\"");
    lg_metrics_label(out, r->b);
}

static void call_row(void *arg, const struct lg_histogram_row *r)
{
    struct calls *n = arg;
    unsigned long long so_far = 0;
    for (int i = 0; i < LG_HISTOGRAM_STEPS; i++) {
        so_far += r->bucket[i];
        call_labels(&n->took, "lodge_engine_call_duration_seconds_bucket", r);
        lg_buf_fmt(&n->took, "\",le=\"%s\"} %llu\n", lg_histogram_steps[i].le, so_far);
    }
    call_labels(&n->took, "lodge_engine_call_duration_seconds_sum", r);
    lg_buf_fmt(&n->took, "\"} %.6f\n", (double)r->sum_us / 1e6);
    call_labels(&n->took, "lodge_engine_call_duration_seconds_count", r);
    lg_buf_fmt(&n->took, "\"} %llu\n", so_far);
    call_labels(&n->failed, "lodge_engine_call_failures_total", r);
    lg_buf_fmt(&n->failed, "\"} %llu\n", (unsigned long long)r->failed);
}

/* Counted by lodge-runner's processes, in a file. */
static int render_calls(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    char path[PATH_MAX];
    struct calls n = {0};
    (void)e;
    if (lg_histogram_read(lg_conf_path(&q->app->conf, path, sizeof path, "run/engine.calls"), call_row, &n,
                          NULL))
        lg_buf_reset(&n.took); /* of another version, for as long as the runner is */
    lg_metrics_family(out, "lodge_engine_call_duration_seconds", "histogram",
                      "Time until an engine answered, by call; of what streams, until its answer began.");
    lg_buf_str(out, lg_buf_cstr(&n.took));
    lg_metrics_family(out, "lodge_engine_call_failures_total", "counter",
                      "Calls that were not answered, or with an error of the engine's own.");
    lg_buf_str(out, lg_buf_cstr(&n.failed));
    out->failed |= n.took.failed | n.failed.failed;
    lg_buf_done(&n.took);
    lg_buf_done(&n.failed);
    return 0;
}

static int render_events(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    int64_t last, oldest;
    int rc = lg_event_bounds(q->db, &last, &oldest, e);
    if (rc)
        return rc;
    lg_metrics_family(out, "lodge_events_total", "counter", "Events written.");
    lg_buf_fmt(out, "lodge_events_total %lld\n", (long long)last);
    return 0;
}

static int render_database(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    char path[PATH_MAX];
    struct stat st;
    if (stat(lg_conf_path(&q->app->conf, path, sizeof path, "db/lodge.db"), &st))
        return lg_fail_errno(e, LG_STORAGE, "the database's size cannot be read");
    gauge(out, "lodge_database_size_bytes", "Size of the database file.", st.st_size);
    gauge(out, "lodge_database_wal_size_bytes", "Size of its write-ahead log.", lg_db_wal_bytes(q->db));
    if (!stat(lg_conf_path(&q->app->conf, path, sizeof path, "db/samples.db"), &st))
        gauge(out, "lodge_usage_history_size_bytes", "Size of the usage history.", st.st_size);
    return 0;
}

/* --- processes --- */

static int render_processes(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    (void)e;
    struct lg_stream_state s;
    lg_stream_look(q, &s);
    lg_metrics_family(out, "lodge_info", "gauge", "The version of Lodge.");
    lg_buf_str(out, "lodge_info{version=\"" LG_VERSION "\"} 1\n");
    lg_metrics_family(out, "lodge_process_up", "gauge", "1 when the process answers.");
    lg_buf_fmt(out,
               "lodge_process_up{process=\"api\"} 1\nlodge_process_up{process=\"runner\"} %d\n"
               "lodge_process_up{process=\"stream\"} %d\n",
               lg_runner_answers(q), s.answers);
    gauge(out, "lodge_stream_feeder_connected", "1 when lodge-stream is told of events.", s.feeder);
    gauge(out, "lodge_stream_streams", "Open event streams and logs.", s.clients - s.waits);
    gauge(out, "lodge_stream_waits", "Requests parked until an operation ends.", s.waits);
    return 0;
}

static int (*const sections[])(struct lg_req *q, struct lg_buf *out, struct lg_err *e) = {
    render_operations, render_instances, render_usage,    render_engines,
    render_calls,      render_events,    render_database,
};

/* What the database tells is of one moment; the other processes are asked after it was let go. */
static int render_stored(struct lg_req *q, struct lg_buf *out, struct lg_err *e)
{
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    (void)db;
    for (size_t i = 0; !rc && i < sizeof sections / sizeof sections[0]; i++)
        rc = sections[i](q, out, e);
    return rc;
}

static int metrics(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    if (!lg_is_local(q) && !q->signed_in)
        return lg_fail(e, LG_UNAUTHENTICATED,
                       "send an administrator's token, or ask the plain listener on loopback");
    if (!lg_is_local(q) && !q->who.admin)
        return lg_fail(e, LG_FORBIDDEN, "only administrators may do this");
    r->type = "text/plain; version=0.0.4; charset=utf-8";
    int rc = render_stored(q, &r->body, e);
    if (!rc)
        rc = render_processes(q, &r->body, e);
    if (!rc)
        lg_metrics_render(&r->body);
    return rc;
}

const struct lg_route lg_routes_metrics[] = {
    {.method = "GET",
     .pattern = "/metrics",
     .perm = LG_PERM_PUBLIC, /* the handler looks: loopback needs no token */
     .handler = metrics,
     .doc = "Numbers for Prometheus: on loopback's plain listener for anybody, elsewhere for admins"},
    {.method = NULL}};
