/* What this host can run: backends, their health, capacity and what is taken of it. */
#include <string.h>

#include "api/compute.h"

static const struct {
    const char *backend, *type, *capabilities[8]; /* ended by NULL */
} backends[] = {
    {"docker", "container", {"containers", "images", "networks", "volumes", "logs"}},
    {"kvm", "vm", {"vms", "images", "networks", "volumes", "logs", "console"}},
};
#define BACKENDS (sizeof backends / sizeof backends[0])

static int count_instances(struct lg_req *q, const char *backend, int64_t *n, struct lg_err *e)
{
    struct lg_instance_filter f = {.tenant_id = q->who.tenant_id,
                                   .state = -1,
                                   .backend = backend,
                                   .name = "",
                                   .q = "",
                                   .label_key = "",
                                   .label_value = "",
                                   .limit = 0};
    int rc = lg_instance_each(q->db, &f, n, NULL, NULL, e);
    return rc < 0 ? rc : 0;
}

static void render_capacity(const struct lg_req *q, struct lg_json *j, int64_t cpu, int64_t memory)
{
    lg_json_obj(j, "resources");
    lg_json_obj(j, "cpu");
    lg_json_real(j, "used", (double)cpu / 1000);
    lg_json_real(j, "total", (double)lg_host_cpu_millis(&q->app->conf) / 1000);
    lg_json_end_obj(j);
    lg_json_obj(j, "memory");
    lg_json_int(j, "used", memory);
    lg_json_int(j, "total", lg_host_memory_bytes() * q->app->conf.memory_overcommit);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
}

/* Both share the host: `total` is the same, `used` each one's own. */
static int render_backend(struct lg_req *q, struct lg_json *j, const char *backend, int64_t *n, bool *well,
                          struct lg_err *e)
{
    int64_t cpu, memory;
    struct lg_err why = {0};
    int rc = count_instances(q, backend, n, e);
    if (!rc)
        rc = lg_instance_admitted_of(q->db, backend, &cpu, &memory, e);
    if (rc)
        return rc;
    *well = !lg_backend_check(q, backend, &why);
    lg_json_obj(j, backend);
    lg_json_str(j, "status", *well ? "healthy" : "unavailable");
    lg_json_str(j, "reason", *well ? NULL : why.msg);
    lg_json_int(j, "instances", *n);
    render_capacity(q, j, cpu, memory);
    lg_json_end_obj(j);
    return 0;
}

static int status(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_json j;
    int64_t n, total = 0;
    bool well, any = false;
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    (void)db;
    lg_resp_json(r, 200, &j);
    lg_json_obj(&j, "backends");
    for (size_t i = 0; i < BACKENDS; i++) {
        if ((rc = render_backend(q, &j, backends[i].backend, &n, &well, e)))
            return rc;
        total += n;
        any |= well;
    }
    lg_json_end_obj(&j);
    lg_json_int(&j, "totalInstances", total);
    lg_json_str(&j, "health", any ? "healthy" : "unhealthy");
    lg_json_end_obj(&j);
    return 0;
}

static void render_info(struct lg_json *j, size_t i, const struct lg_engine_state *st)
{
    lg_json_str(j, "type", backends[i].backend);
    lg_json_str(j, "engine", *st->type ? st->type : NULL);
    lg_json_str(j, "version", *st->version ? st->version : NULL);
    lg_json_str(j, "apiVersion", *st->api_version ? st->api_version : NULL);
    lg_json_str(j, "status", st->healthy ? "running" : "unavailable");
    lg_json_strings(j, "capabilities", backends[i].capabilities);
    lg_json_arr(j, "supportedTypes");
    lg_json_str(j, NULL, backends[i].type);
    lg_json_end_arr(j);
    lg_json_obj(j, "healthCheck");
    lg_json_str(j, "status", st->healthy ? "healthy" : "unhealthy");
    lg_json_str(j, "reason", st->healthy || !*st->reason ? NULL : st->reason);
    lg_json_str(j, "notice", st->healthy && *st->reason ? st->reason : NULL);
    lg_json_time(j, "lastCheck", st->checked_at);
    lg_json_end_obj(j);
}

static int info(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_engine_state st = {.reason = "no driver for it is enabled on this host"};
    struct lg_json j;
    size_t i = 0;
    while (i < BACKENDS && strcmp(backends[i].backend, q->param[0]))
        i++;
    if (i == BACKENDS)
        return lg_fail(e, LG_INVALID_BACKEND, "there is no backend called %.40s; it is docker or kvm",
                       q->param[0]);
    int rc = lg_engine_state_get(q->db, backends[i].backend, &st, e);
    if (rc < 0)
        return rc;
    lg_resp_json(r, 200, &j);
    render_info(&j, i, &st);
    lg_json_end_obj(&j);
    return 0;
}

const struct lg_route lg_routes_cluster[] = {{.method = "GET",
                                              .pattern = "/api/v1/compute/cluster/status",
                                              .perm = LG_PERM_MEMBER,
                                              .handler = status,
                                              .doc = "Backends, capacity and how much is taken"},
                                             {.method = "GET",
                                              .pattern = "/api/v1/compute/backends/:backend/info",
                                              .perm = LG_PERM_MEMBER,
                                              .handler = info,
                                              .doc = "One backend: engine, version, health"},
                                             {.method = NULL}};
