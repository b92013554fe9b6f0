/* Flavors, for administrators: sizes by name, the same for every tenant. Their list is the tenant dialect's.
 */
#include <string.h>

#include "api/compute.h"
#include "api/routes.h"
#include "api/users.h"
#include "http/body.h"
#include "http/etag.h"
#include "model/validate.h"
#include "store/flavor.h"

#define MIB_OF_GB 1024
#define VCPUS_MAX 255 /* of a virtual machine */
#define GB_MAX    1048576
#define GPUS_MAX  1        /* that the driver passes through */
#define USUAL     "small"  /* what a create of the tenant dialect gets that names none */
#define NO_FLAVOR "custom" /* what that dialect says of an instance without one */

/* --- rendering --- */

static void gigabytes(struct lg_json *j, const char *key, int64_t bytes)
{
    if (bytes % ((int64_t)1 << 30))
        lg_json_real(j, key, (double)bytes / ((int64_t)1 << 30));
    else
        lg_json_int(j, key, bytes >> 30);
}

void lg_flavor_render(struct lg_json *j, const struct lg_flavor *f)
{
    lg_json_obj(j, NULL);
    lg_json_str(j, "name", f->name);
    lg_json_int(j, "vcpus", f->vcpus);
    gigabytes(j, "ramGB", f->memory_bytes);
    gigabytes(j, "diskGB", f->disk_bytes);
    lg_json_str(j, "description", f->description);
    if (f->gpus)
        lg_json_int(j, "gpus", f->gpus);
    lg_json_end_obj(j);
}

static int answer(struct lg_req *q, struct lg_resp *r, int status, const struct lg_flavor *f)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    lg_flavor_render(&j, f);
    lg_resp_etag(q, r, LG_NO_VERSION);
    return 0;
}

/* --- reading --- */

struct body {
    const char *name, *description;
    struct lg_opt_int vcpus, gpus;
    struct lg_opt_real ram, disk;
};
#define SIZES(must)                                                                                          \
    {.name = "vcpus",                                                                                        \
     .type = LG_T_INT,                                                                                       \
     .required = must,                                                                                       \
     .min = 1,                                                                                               \
     .max = VCPUS_MAX,                                                                                       \
     .offset = offsetof(struct body, vcpus)},                                                                \
        {.name = "ramGB",                                                                                    \
         .type = LG_T_REAL,                                                                                  \
         .required = must,                                                                                   \
         .min = 0.0625,                                                                                      \
         .max = GB_MAX,                                                                                      \
         .offset = offsetof(struct body, ram)},                                                              \
        {.name = "diskGB",                                                                                   \
         .type = LG_T_REAL,                                                                                  \
         .required = must,                                                                                   \
         .min = 0.0625,                                                                                      \
         .max = GB_MAX,                                                                                      \
         .offset = offsetof(struct body, disk)},                                                             \
        {.name = "gpus", .type = LG_T_INT, .max = GPUS_MAX, .offset = offsetof(struct body, gpus)},          \
    {                                                                                                        \
        .name = "description", .type = LG_T_STRING, .max = sizeof((struct lg_flavor *)0)->description - 1,   \
        .offset = offsetof(struct body, description)                                                         \
    }

static const struct lg_field create_fields[] = {{.name = "name",
                                                 .type = LG_T_STRING,
                                                 .required = true,
                                                 .min = 1,
                                                 .max = sizeof((struct lg_flavor *)0)->name - 1,
                                                 .offset = offsetof(struct body, name)},
                                                SIZES(true),
                                                {.name = NULL}};
static const struct lg_field update_fields[] = {SIZES(false), {.name = NULL}};

static int read_body(struct lg_req *q, const struct lg_field *fields, struct body *b, struct lg_err *e)
{
    json_t *json;
    int rc = lg_req_json(q, &json, e);
    if (!rc)
        rc = lg_body_fields(json, fields, true, "", b, e);
    if (!rc && b->name)
        rc = lg_check_name("name", b->name, e);
    if (rc || !b->name || strcmp(b->name, NO_FLAVOR) != 0)
        return rc;
    lg_fail(e, LG_INVALID, "name must not be " NO_FLAVOR ": instances without a flavor are called so");
    return lg_err_detail(e, "field", "name");
}

/* Whole MiB: engines take nothing finer. */
static int64_t bytes_of(double gb)
{
    return (int64_t)(gb * MIB_OF_GB + 0.5) << 20;
}

static void apply(const struct body *b, struct lg_flavor *f)
{
    if (b->vcpus.set)
        f->vcpus = b->vcpus.v;
    if (b->ram.set)
        f->memory_bytes = bytes_of(b->ram.v);
    if (b->disk.set)
        f->disk_bytes = bytes_of(b->disk.v);
    if (b->gpus.set)
        f->gpus = b->gpus.v;
    if (b->description)
        snprintf(f->description, sizeof f->description, "%s", b->description);
}

static int find(struct lg_req *q, struct lg_flavor *f, struct lg_err *e)
{
    int rc = lg_flavor_get(q->db, q->param[0], f, e);
    if (rc)
        return rc < 0 ? rc : 0;
    return lg_fail(e, LG_NOT_FOUND, "there is no flavor of that name");
}

static int check_match(struct lg_req *q, const struct lg_flavor *f, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_json j;
    lg_json_init(&j, &b);
    lg_flavor_render(&j, f);
    return lg_if_match_bytes(q, b.data, b.len, e);
}

/* A name that instances show must go on meaning their sizes. */
static int check_unused(struct lg_req *q, const struct lg_flavor *f, struct lg_err *e)
{
    int64_t n;
    int rc = lg_flavor_uses(q->db, f->name, &n, e);
    if (rc || !n)
        return rc;
    lg_fail(e, LG_CONFLICT, "%lld instance%s the flavor %s", (long long)n, n == 1 ? " has" : "s have",
            f->name);
    return lg_err_detail(e, "instances", "%lld", (long long)n);
}

/* --- handlers --- */

static int get(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_flavor f;
    int rc = find(q, &f, e);
    return rc ? rc : answer(q, r, 200, &f);
}

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct body b = {0};
    struct lg_flavor f = {0};
    int rc = read_body(q, create_fields, &b, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (rc)
        return rc;
    snprintf(f.name, sizeof f.name, "%s", b.name);
    apply(&b, &f);
    lg_act_for_host(q);
    rc = lg_flavor_add(q->db, &f, e);
    if (!rc)
        rc = answer(q, r, 201, &f);
    if (!rc)
        rc = lg_req_commit(q, f.name, NULL, e);
    return rc;
}

static int update(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct body b = {0};
    struct lg_flavor f, was;
    int rc = read_body(q, update_fields, &b, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    lg_act_for_host(q);
    if (!rc)
        rc = find(q, &f, e);
    if (!rc)
        rc = check_match(q, &f, e);
    if (rc)
        return rc;
    was = f;
    apply(&b, &f);
    if (f.vcpus != was.vcpus || f.memory_bytes != was.memory_bytes || f.disk_bytes != was.disk_bytes ||
        f.gpus != was.gpus)
        rc = check_unused(q, &f, e);
    if (!rc)
        rc = lg_flavor_put(q->db, &f, e);
    if (!rc)
        rc = answer(q, r, 200, &f);
    return rc ? rc : lg_req_commit(q, f.name, NULL, e);
}

static int remove_flavor(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_flavor f;
    int rc = lg_req_begin(q, e);
    lg_act_for_host(q);
    if (!rc)
        rc = find(q, &f, e);
    if (!rc)
        rc = check_match(q, &f, e);
    if (!rc && !strcmp(f.name, USUAL))
        rc = lg_fail(e, LG_CONFLICT, USUAL " is what instances get for which no flavor is named");
    if (!rc)
        rc = check_unused(q, &f, e);
    if (!rc)
        rc = lg_flavor_remove(q->db, f.name, e);
    if (!rc)
        rc = lg_req_commit(q, f.name, NULL, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

#define BASE "/api/v1/compute/flavors"

const struct lg_route lg_routes_flavors[] = {
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_ADMIN,
     .action = "flavor.create",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(create_fields),
     .handler = create,
     .doc = "Give a size a name"},
    {.method = "GET",
     .pattern = BASE "/:name",
     .perm = LG_PERM_USER,
     .handler = get,
     .doc = "One named size"},
    {.method = "PUT",
     .pattern = BASE "/:name",
     .perm = LG_PERM_ADMIN,
     .action = "flavor.update",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(update_fields),
     .handler = update,
     .doc = "Change what it says; its sizes while no instance has it"},
    {.method = "DELETE",
     .pattern = BASE "/:name",
     .perm = LG_PERM_ADMIN,
     .action = "flavor.delete",
     .handler = remove_flavor,
     .doc = "Forget a named size that no instance has"},
    {.method = NULL}};
