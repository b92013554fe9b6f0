/* What the tenant dialect has beside instances: flavors, metrics and health. */
#include <string.h>

#include "api/compute.h"
#include "api/gpu.h"
#include "http/auth.h"
#include "http/body.h"
#include "model/validate.h"
#include "store/flavor.h"
#include "store/metric.h"

/* --- flavors --- */

struct flavors {
    struct lg_json json;
    int gpus; /* of the host: it could run no flavor with more */
};

static void add_flavor(void *arg, const struct lg_flavor *f)
{
    struct flavors *l = arg;
    if (f->gpus <= l->gpus)
        lg_flavor_render(&l->json, f);
}

static int flavors(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct flavors l = {.gpus = lg_gpu_count(&q->app->conf)};
    lg_resp_json(r, 200, &l.json);
    lg_json_arr(&l.json, "flavors");
    int rc = lg_flavor_each(q->db, add_flavor, &l, e);
    lg_json_end_arr(&l.json);
    lg_json_end_obj(&l.json);
    return rc < 0 ? rc : 0;
}

/* --- metrics --- */

struct body {
    const char *name, *type;
    struct lg_opt_real value;
    json_t *labels;
};

static const struct lg_field fields[] = {
    {.name = "name",
     .type = LG_T_STRING,
     .required = true,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct body, name)},
    {.name = "type", .type = LG_T_STRING, .offset = offsetof(struct body, type)},
    {.name = "value",
     .type = LG_T_REAL,
     .required = true,
     .min = -1e300,
     .max = 1e300,
     .offset = offsetof(struct body, value)},
    {.name = "labels", .type = LG_T_OBJECT, .offset = offsetof(struct body, labels)},
    {0}};

static int check_type(const char *type, struct lg_err *e)
{
    static const char *const all[] = {"counter", "gauge", "histogram", "summary"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!strcmp(type, all[i]))
            return 0;
    return lg_invalid(e, "type", "must be counter, gauge, histogram or summary");
}

static void write_labels(const struct lg_instance *labels, struct lg_buf *out)
{
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    for (int i = 0; i < labels->label_count; i++)
        lg_json_str(&j, labels->labels[i].key, labels->labels[i].value);
    lg_json_end_obj(&j);
}

static void add_metric(void *arg, const struct lg_metric *m)
{
    struct lg_json *j = arg;
    lg_json_obj(j, NULL);
    lg_json_str(j, "name", m->name);
    lg_json_str(j, "type", m->type);
    lg_json_real(j, "value", m->value);
    lg_json_raw(j, "labels", m->labels);
    lg_json_int(j, "timestamp", m->at / 1000);
    lg_json_end_obj(j);
}

static int report(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_json j;
    lg_cleanup_instance struct lg_instance labels = {0}; /* only its labels are used */
    lg_cleanup_buf struct lg_buf text = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, fields, false, "", &b, e)) ||
        (rc = check_type(b.type ? b.type : "gauge", e)) ||
        (rc = lg_labels_parse(b.labels, "labels", &labels, e)))
        return rc;
    write_labels(&labels, &text);
    struct lg_metric m = {
        .name = b.name, .type = b.type ? b.type : "gauge", .value = b.value.v, .labels = lg_buf_cstr(&text)};
    if ((rc = lg_req_begin(q, e)) || (rc = lg_gateway_tenant(q, e)) ||
        (rc = lg_metric_add(q->db, q->who.tenant_id, &m, e)))
        return rc;
    r->status = 201;
    lg_json_init(&j, &r->body);
    add_metric(&j, &m);
    return lg_req_commit_quietly(q, e); /* a metric changes nothing that anybody would look up */
}

static int metrics(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_json j;
    int64_t limit;
    int rc = lg_req_query_int(q, "limit", 1, LG_METRICS_KEPT, 100, &limit, e);
    if (rc)
        return rc;
    lg_resp_json(r, 200, &j);
    lg_json_arr(&j, "metrics");
    rc = lg_metric_each(q->db, q->who.tenant_id, lg_req_query(q, "name", ""), (int)limit, add_metric, &j, e);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    return rc < 0 ? rc : 0;
}

/* --- health --- */

/* The listener's own name: one Lodge stands behind the ports of four services. */
static const char *service_of(const struct lg_req *q)
{
    const char *name = lg_req_header(q, "LODGE_SERVICE");
    return name && *name ? name : "compute-service";
}

static int health(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    (void)e;
    struct lg_json j;
    bool well = lg_health_is_well(q);
    lg_resp_json(r, well ? 200 : 503, &j);
    lg_json_str(&j, "status", well ? "healthy" : "unhealthy");
    lg_json_str(&j, "service", service_of(q));
    lg_json_end_obj(&j);
    return 0;
}

const struct lg_route lg_routes_tenant_health[] = {{.method = "GET",
                                                    .pattern = "/health",
                                                    .perm = LG_PERM_PUBLIC,
                                                    .handler = health,
                                                    .doc = "Tenant dialect: {status, service}"},
                                                   {.method = NULL}};

const struct lg_route lg_routes_tenant_own[] = {
    {.method = "GET",
     .pattern = "/api/v1/compute/flavors",
     .perm = LG_PERM_PUBLIC,
     .handler = flavors,
     .doc = "The named sizes"},
    {.method = "GET",
     .pattern = "/api/v1/monitoring/metrics",
     .perm = LG_PERM_MEMBER,
     .handler = metrics,
     .doc = "What the tenant reported, newest first; name, limit"},
    {.method = "POST",
     .pattern = "/api/v1/monitoring/metrics",
     .perm = LG_PERM_MEMBER,
     .body_max = LG_BODY_SMALL,
     .keyed = true,
     .handler = report,
     .doc = "Keeps {name, type, value, labels}"},
    {.method = NULL}};
