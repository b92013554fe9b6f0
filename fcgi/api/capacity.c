/* What an instance asks for, and whether this host can give it beside all others. */
#include <unistd.h>

#include "api/compute.h"

#define MEMORY_MIN ((int64_t)4 << 20)
#define CPU_MIN    0.01
#define SPACE_MAX  9.0e15 /* bytes that a double still counts exactly */

struct resources {
    json_t *cpu, *memory, *storage;
};
struct amounts {
    struct lg_opt_real cores;
    struct lg_opt_int limit, space;
};

const struct lg_field lg_resource_fields[] = {
    {.name = "cpu", .type = LG_T_OBJECT, .offset = offsetof(struct resources, cpu)},
    {.name = "memory", .type = LG_T_OBJECT, .offset = offsetof(struct resources, memory)},
    {.name = "storage", .type = LG_T_OBJECT, .offset = offsetof(struct resources, storage)},
    {0}};
const struct lg_field lg_cpu_fields[] = {{.name = "cores",
                                          .type = LG_T_REAL,
                                          .min = CPU_MIN,
                                          .max = 100000,
                                          .offset = offsetof(struct amounts, cores)},
                                         {0}};
const struct lg_field lg_memory_fields[] = {{.name = "limit",
                                             .type = LG_T_INT,
                                             .min = MEMORY_MIN,
                                             .max = SPACE_MAX,
                                             .offset = offsetof(struct amounts, limit)},
                                            {0}};
const struct lg_field lg_storage_fields[] = {{.name = "totalSpace",
                                              .type = LG_T_INT,
                                              .min = 1,
                                              .max = SPACE_MAX,
                                              .offset = offsetof(struct amounts, space)},
                                             {0}};

int lg_resources_parse(const json_t *obj, struct lg_resources *out, struct lg_err *e)
{
    struct resources res = {0};
    struct amounts a = {0};
    int rc = obj ? lg_body_fields(obj, lg_resource_fields, true, "resources.", &res, e) : 0;
    if (!rc && res.cpu)
        rc = lg_body_fields(res.cpu, lg_cpu_fields, true, "resources.cpu.", &a, e);
    if (!rc && res.memory)
        rc = lg_body_fields(res.memory, lg_memory_fields, true, "resources.memory.", &a, e);
    if (!rc && res.storage)
        rc = lg_body_fields(res.storage, lg_storage_fields, true, "resources.storage.", &a, e);
    out->cpu_millis = a.cores.set ? (int64_t)(a.cores.v * 1000 + 0.5) : -1;
    out->memory_bytes = a.limit.set ? a.limit.v : -1;
    out->storage_bytes = a.space.set ? a.space.v : -1;
    return rc;
}

int64_t lg_host_memory_bytes(void)
{
    return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

int64_t lg_host_cpu_millis(const struct lg_conf *c)
{
    return (int64_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000 * c->cpu_overcommit;
}

/* What is in the sentence once more, for programs. */
static int over_details(struct lg_err *e, const char *limit, const char *unit, int64_t total, int64_t used,
                        int64_t asked)
{
    lg_err_detail(e, "limit", "%s", limit);
    lg_err_detail(e, "total", "%lld", (long long)total);
    lg_err_detail(e, "used", "%lld", (long long)used);
    lg_err_detail(e, "requested", "%lld", (long long)asked);
    lg_err_detail(e, "unit", "%s", unit);
    lg_err_detail(e, "scope", "host");
    return lg_err_detail(e, "raisedBy", "administrator");
}

static int over(struct lg_err *e, const char *limit, const char *unit, int64_t total, int64_t used,
                int64_t asked)
{
    lg_fail(e, LG_LIMIT,
            "there is not enough %s left on this host: %lld of %lld %s are taken, %lld were asked for", limit,
            (long long)used, (long long)total, unit, (long long)asked);
    return over_details(e, limit, unit, total, used, asked);
}

/* What one alone may fill has to be there. */
static int too_much_memory(struct lg_err *e, int64_t host, int64_t asked)
{
    lg_fail(e, LG_LIMIT,
            "this host has %lld bytes of memory, and one instance gets no more: %lld were asked for",
            (long long)host, (long long)asked);
    return over_details(e, "memory", "bytes", host, 0, asked);
}

int lg_admit(struct lg_req *q, const char *but_id, int64_t cpu_millis, int64_t memory_bytes, struct lg_err *e)
{
    int64_t cpu, memory, cpu_total = lg_host_cpu_millis(&q->app->conf), host = lg_host_memory_bytes(),
                         memory_total = host * q->app->conf.memory_overcommit;
    if (memory_bytes > host)
        return too_much_memory(e, host, memory_bytes);
    int rc = lg_instance_admitted(q->db, but_id, &cpu, &memory, e);
    if (rc)
        return rc;
    if (cpu + cpu_millis > cpu_total)
        return over(e, "cpu", "thousandths of a core", cpu_total, cpu, cpu_millis);
    if (memory + memory_bytes > memory_total)
        return over(e, "memory", "bytes", memory_total, memory, memory_bytes);
    return 0;
}
