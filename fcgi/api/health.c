/*
 * Is everything there? Asked without credentials, so the report is made once a second at most, for all
 * workers together, and a stranger gets no text of the engine's or the database's own: only what is missing.
 */
#include <assert.h>
#include <string.h>

#include "api/parts.h"
#include "base/clock.h"
#include "http/metrics.h"

#define KEEP_MS 1000

/* One part: found well, or why not. */
struct part {
    bool well;
    char reason[256];
};

static void look_database(struct lg_req *q, struct part *p)
{
    struct lg_err why = {0};
    int64_t n;
    p->well = !lg_operation_count(q->db, "", "", "queued", &n, &why);
    snprintf(p->reason, sizeof p->reason, "%.250s", why.msg);
}

static void look_runner(struct lg_req *q, struct part *p)
{
    p->well = lg_runner_answers(q);
}

static void look_stream(struct lg_req *q, struct part *p)
{
    struct lg_stream_state s;
    lg_stream_look(q, &s);
    p->well = s.answers;
}

/* That of containers; of virtual machines where the host has no other. */
static void look_engine(struct lg_req *q, struct part *p)
{
    const char *backend = lg_backend_enabled(&q->app->conf, "docker") ? "docker" : "kvm";
    struct lg_engine_state st = {.reason = "lodge-runner has not looked for it yet"};
    p->well = lg_engine_state_get(q->db, backend, &st, NULL) > 0 && st.healthy;
    snprintf(p->reason, sizeof p->reason, "%s", st.reason);
}

static const struct {
    const char *name, *plain;
    void (*look)(struct lg_req *q, struct part *p);
} parts[] = {
    {"database", "the database cannot be read", look_database},
    {"runner", "lodge-runner does not answer: nothing is started or stopped until it does", look_runner},
    {"stream", "lodge-stream does not answer: no events, logs and waits until it does", look_stream},
    {"engine", "the engine does not answer", look_engine},
};
#define PARTS (sizeof parts / sizeof parts[0])

struct report {
    int64_t at;
    struct part part[PARTS];
};
static_assert(sizeof(struct report) <= LG_SHARED_MAX, "the report is shared between the workers");

static void make_report(struct lg_req *q, struct report *report)
{
    lg_cleanup_buf struct lg_buf kept = {.max = LG_SHARED_MAX};
    if (lg_shared_take(KEEP_MS, &kept) && kept.len == sizeof *report) {
        memcpy(report, kept.data, sizeof *report);
        return;
    }
    memset(report, 0, sizeof *report);
    report->at = lg_clock_ms();
    for (size_t i = 0; i < PARTS; i++)
        parts[i].look(q, &report->part[i]);
    lg_shared_put((const char *)report, sizeof *report);
}

static bool all_well(const struct report *report)
{
    bool all = true;
    for (size_t i = 0; i < PARTS; i++)
        all = all && report->part[i].well;
    return all;
}

bool lg_health_is_well(struct lg_req *q)
{
    struct report report;
    make_report(q, &report);
    return all_well(&report);
}

static void render_reasons(const struct lg_req *q, struct lg_json *j, const struct report *report)
{
    bool ours = q->signed_in || lg_is_local(q);
    lg_json_obj(j, "reasons");
    for (size_t i = 0; i < PARTS; i++) {
        const struct part *p = &report->part[i];
        if (!p->well)
            lg_json_str(j, parts[i].name, ours && *p->reason ? p->reason : parts[i].plain);
    }
    lg_json_end_obj(j);
}

static int health(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    (void)e;
    struct lg_json j;
    struct report report;
    make_report(q, &report);
    bool all = all_well(&report);
    lg_resp_json(r, 200, &j);
    lg_json_obj(&j, "parts");
    for (size_t i = 0; i < PARTS; i++)
        lg_json_str(&j, parts[i].name, report.part[i].well ? "ok" : "down");
    lg_json_end_obj(&j);
    render_reasons(q, &j, &report);
    lg_json_str(&j, "status", all ? "ok" : "degraded");
    lg_json_time(&j, "checkedAt", report.at);
    lg_json_end_obj(&j);
    r->status = all ? 200 : 503;
    return 0;
}

const struct lg_route lg_routes_health[] = {
    {.method = "GET",
     .pattern = "/health",
     .perm = LG_PERM_PUBLIC,
     .handler = health,
     .doc = "200 when every part works, 503 and which one does not, and why"},
    {.method = NULL}};
