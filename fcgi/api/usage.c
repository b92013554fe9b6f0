/*
 * GET …/usage: the newest sample of an instance, or, with since, until or step, what it used over that time.
 */
#include <stdlib.h>
#include <string.h>

#include "api/compute.h"
#include "base/clock.h"
#include "store/history.h"

#define SINCE_DEFAULT_S 3600
#define STEP_MAX_S      ((int64_t)31 * 24 * 3600)

/* --- the newest sample --- */

static void render_newest(struct lg_resp *r, const struct lg_instance *in, const struct lg_sample *s)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_time(&j, "at", s->at);
    lg_json_obj(&j, "cpu");
    lg_json_real(&j, "usage", s->cpu_percent);
    lg_json_real(&j, "cores", (double)in->cpu_millis / 1000);
    lg_json_int(&j, "timeUs", s->cpu_us);
    lg_json_end_obj(&j);
    lg_json_obj(&j, "memory");
    lg_json_int(&j, "used", s->memory_bytes);
    lg_json_int(&j, "limit", in->memory_bytes);
    lg_json_real(&j, "percentage",
                 in->memory_bytes ? (double)s->memory_bytes * 100 / (double)in->memory_bytes : 0);
    lg_json_end_obj(&j);
    lg_json_obj(&j, "storage");
    if (s->disk_bytes < 0)
        lg_json_null(&j, "used");
    else
        lg_json_int(&j, "used", s->disk_bytes);
    if (in->storage_bytes)
        lg_json_int(&j, "total", in->storage_bytes);
    else
        lg_json_null(&j, "total");
    lg_json_end_obj(&j);
    lg_json_obj(&j, "network");
    lg_json_int(&j, "rxBytes", s->rx_bytes);
    lg_json_int(&j, "txBytes", s->tx_bytes);
    lg_json_end_obj(&j);
    lg_json_int(&j, "pids", s->pids);
    lg_json_end_obj(&j);
}

/* What does not run uses nothing: zeros with `at` null, not an error. */
static int newest(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_sample s = {.disk_bytes = -1};
    int rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    if (!rc && (in.state == LG_ST_RUNNING || in.state == LG_ST_PAUSED))
        rc = lg_sample_get(q->db, in.id, &s, e);
    if (rc < 0)
        return rc;
    render_newest(r, &in, &s);
    return 0;
}

/* --- the newest samples of all of them --- */

static void add_sample(void *arg, const char *name, const struct lg_sample *s)
{
    struct lg_json *j = arg;
    lg_json_obj(j, NULL);
    lg_json_str(j, "instance", s->instance_id);
    lg_json_str(j, "name", name);
    lg_json_time(j, "at", s->at);
    lg_json_obj(j, "cpu");
    lg_json_real(j, "usage", s->cpu_percent);
    lg_json_end_obj(j);
    lg_json_obj(j, "memory");
    lg_json_int(j, "used", s->memory_bytes);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
}

static int all_newest(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_arr(&j, "usage");
    int rc = lg_sample_each(q->db, q->who.tenant_id, add_sample, &j, e);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    return rc;
}

/* --- over time --- */

struct span {
    const struct lg_history_tier *tier;
    int64_t since_s, until_s, step_s;
};

/* The finest tier that reaches back to `since`; the widest for what is older still. */
static const struct lg_history_tier *tier_since(int64_t since_s)
{
    int64_t age = lg_clock_ms() / 1000 - since_s;
    int t = 0;
    while (t < LG_HISTORY_TIERS - 1 && age > lg_history_tiers[t].keep_s)
        t++;
    return &lg_history_tiers[t];
}

static int parse_span(const struct lg_req *q, struct span *s, struct lg_err *e)
{
    int64_t since = 0, until = 0, now = lg_clock_ms();
    int rc = lg_req_query_time(q, "until", now, &until, e);
    if (!rc)
        rc = lg_req_query_time(q, "since", until - SINCE_DEFAULT_S * 1000, &since, e);
    if (!rc)
        rc = lg_req_query_int(q, "step", 1, STEP_MAX_S, 0, &s->step_s, e);
    if (rc)
        return rc;
    if (since >= until)
        return lg_invalid_query(e, "since", "must be before until");
    s->tier = tier_since(since / 1000);
    int64_t width = s->tier->width_s;
    s->step_s = s->step_s <= width ? width : (s->step_s + width - 1) / width * width;
    s->since_s = since / 1000 / s->step_s * s->step_s;
    s->until_s = (until + 999) / 1000;
    return 0;
}

/* The answer is a table by columns: one text for each, written in one pass over the points. */
static const struct column {
    const char *group, *name; /* group NULL: a column of its own */
    enum { REAL, INT, RATE, TIME } kind;
    size_t at; /* of a double or an int64_t in struct lg_history_point */
} columns[] = {
#define AT(m) offsetof(struct lg_history_point, m)
    {NULL, "at", TIME, AT(at_s)},
    {"cpu", "avg", REAL, AT(cpu_avg)},
    {"cpu", "min", REAL, AT(cpu_min)},
    {"cpu", "max", REAL, AT(cpu_max)},
    {"memory", "avg", REAL, AT(memory_avg)},
    {"memory", "min", INT, AT(memory_min)},
    {"memory", "max", INT, AT(memory_max)},
    {"network", "rxBytes", INT, AT(rx_bytes)},
    {"network", "txBytes", INT, AT(tx_bytes)},
    {"network", "rxRate", RATE, AT(rx_bytes)},
    {"network", "txRate", RATE, AT(tx_bytes)},
    {"storage", "used", INT, AT(disk_bytes)},
    {NULL, "pids", INT, AT(pids)},
#undef AT
};
#define COLUMNS (sizeof columns / sizeof columns[0])

struct table {
    struct lg_buf text[COLUMNS];
    struct lg_json j[COLUMNS];
};

/* Whole bytes and hundredths of a per cent: more digits say nothing. */
static double rounded(double v)
{
    return (double)(int64_t)(v * 100 + 0.5) / 100;
}

static void add_point(void *arg, const struct lg_history_point *p)
{
    struct table *t = arg;
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *at = (const char *)p + columns[i].at;
        double real;
        int64_t whole;
        memcpy(&real, at, sizeof real);
        memcpy(&whole, at, sizeof whole);
        if (columns[i].kind == REAL)
            lg_json_real(&t->j[i], NULL, rounded(real));
        else if (columns[i].kind == TIME)
            lg_json_time(&t->j[i], NULL, whole * 1000);
        else if (columns[i].kind == RATE)
            lg_json_int(&t->j[i], NULL, p->span_ms > 0 ? whole * 1000 / p->span_ms : 0);
        else if (whole < 0)
            lg_json_null(&t->j[i], NULL);
        else
            lg_json_int(&t->j[i], NULL, whole);
    }
}

static void render_table(struct lg_resp *r, const struct span *s, struct table *t)
{
    struct lg_json j;
    const char *open = NULL;
    lg_resp_json(r, 200, &j);
    lg_json_time(&j, "since", s->since_s * 1000);
    lg_json_time(&j, "until", s->until_s * 1000);
    lg_json_int(&j, "step", s->step_s);
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *group = columns[i].group;
        if (open && (!group || strcmp(open, group)))
            lg_json_end_obj(&j);
        if (group && (!open || strcmp(open, group)))
            lg_json_obj(&j, group);
        open = group;
        lg_json_end_arr(&t->j[i]);
        lg_json_raw(&j, columns[i].name, lg_buf_cstr(&t->text[i]));
        r->body.failed |= t->text[i].failed;
    }
    lg_json_end_obj(&j);
}

/* This worker's connection to the history, opened by its first reader; again when that failed. */
static int history(const struct lg_req *q, struct lg_db **out, struct lg_err *e)
{
    static struct lg_db *open;
    int rc = open ? 0 : lg_history_open(&open, &q->app->conf, e);
    *out = open;
    return rc;
}

static int series(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct span s = {0};
    struct lg_db *hdb = NULL;
    int rc = parse_span(q, &s, e);
    if (!rc)
        rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    if (!rc)
        rc = history(q, &hdb, e);
    struct table *t = rc ? NULL : calloc(1, sizeof *t);
    for (size_t i = 0; t && i < COLUMNS; i++) {
        lg_json_init(&t->j[i], &t->text[i]);
        lg_json_arr(&t->j[i], NULL);
    }
    if (!rc && !t)
        rc = lg_fail(e, LG_INTERNAL, "out of memory");
    if (!rc)
        rc = lg_history_series(hdb, in.id, s.tier, s.since_s, s.until_s, s.step_s, add_point, t, e);
    if (!rc)
        render_table(r, &s, t);
    for (size_t i = 0; t && i < COLUMNS; i++)
        lg_buf_done(&t->text[i]);
    free(t);
    return rc;
}

static int usage(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    bool over_time =
        lg_req_query(q, "since", NULL) || lg_req_query(q, "until", NULL) || lg_req_query(q, "step", NULL);
    return over_time ? series(q, r, e) : newest(q, r, e);
}

const struct lg_route lg_routes_usage[] = {
    {.method = "GET",
     .pattern = "/api/v1/compute/instances/:id/usage",
     .perm = LG_PERM_MEMBER,
     .handler = usage,
     .doc = "What it uses: the newest sample; with since, until or step, its history"},
    {.method = "GET",
     .pattern = "/api/v1/compute/usage",
     .perm = LG_PERM_MEMBER,
     .handler = all_newest,
     .doc = "What all that runs uses: the newest samples, CPU and memory"},
    {.method = NULL}};
