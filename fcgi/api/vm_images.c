/* Images of virtual machines: what is said of one when it is uploaded, fetched from an address or changed. */
#include <stdlib.h>
#include <string.h>

#include "api/images.h"
#include "base/id.h"
#include "http/body.h"

/* --- what is said of one --- */

bool lg_vm_image_says(const struct lg_vm_image *v)
{
    return v->format || v->sha256 || v->default_user || v->min_disk.set || v->min_memory.set ||
           v->cloud_init.set;
}

int lg_vm_image_take(const struct lg_vm_image *v, struct lg_image_vm *vm, struct lg_err *e)
{
    int rc = v->format ? lg_check_disk_format("format", v->format, e) : 0;
    if (!rc && v->sha256 && *v->sha256)
        rc = lg_check_sha256("sha256", v->sha256, e);
    if (!rc && v->default_user && *v->default_user)
        rc = lg_check_default_user("defaultUser", v->default_user, e);
    if (rc)
        return rc;
    if (v->format)
        snprintf(vm->format, sizeof vm->format, "%s", v->format);
    if (v->sha256)
        snprintf(vm->sha256, sizeof vm->sha256, "%s", v->sha256);
    if (v->default_user)
        snprintf(vm->default_user, sizeof vm->default_user, "%s", v->default_user);
    if (v->min_disk.set)
        vm->min_disk_bytes = v->min_disk.v;
    if (v->min_memory.set)
        vm->min_memory_bytes = v->min_memory.v;
    if (v->cloud_init.set)
        vm->cloud_init = v->cloud_init.v;
    return 0;
}

static const char *given(const struct lg_req *q, const char *name)
{
    const char *s = lg_req_query(q, name, "");
    return *s ? s : NULL;
}

static int query_size(const struct lg_req *q, const char *name, struct lg_opt_int *out, struct lg_err *e)
{
    out->set = given(q, name) != NULL;
    return lg_req_query_int(q, name, 0, (int64_t)LG_VM_SPACE_MAX, 0, &out->v, e);
}

int lg_vm_image_query(struct lg_req *q, struct lg_image_vm *vm, struct lg_err *e)
{
    struct lg_vm_image v = {
        .format = given(q, "format"), .sha256 = given(q, "sha256"), .default_user = given(q, "defaultUser")};
    int rc = query_size(q, "minDiskBytes", &v.min_disk, e);
    if (!rc)
        rc = query_size(q, "minMemoryBytes", &v.min_memory, e);
    if (!rc && given(q, "cloudInit")) {
        v.cloud_init.set = true;
        rc = lg_req_query_bool(q, "cloudInit", &v.cloud_init.v, e);
    }
    *vm = (struct lg_image_vm){.format = "qcow2", .cloud_init = true};
    return rc ? rc : lg_vm_image_take(&v, vm, e);
}

/* --- fetched from an address --- */

int lg_vm_image_fetched(struct lg_req *q, const char *url, const char *name, const struct lg_vm_image *vm,
                        struct lg_image *im, struct lg_err *e)
{
    char ref[LG_ID_LEN];
    int rc = name ? lg_check_image_ref("name", name, e) : lg_fail(e, LG_INVALID, "name is missing");
    if (!name)
        return lg_err_detail(e, "field", "name");
    if (rc || (rc = lg_check_url("url", url, *q->app->conf.fetch_allow != 0, e)) ||
        (rc = lg_backend_check(q, "kvm", e)))
        return rc;
    lg_image_new(q, im, name, "vm", "pull");
    im->vm = (struct lg_image_vm){.format = "qcow2", .cloud_init = true};
    snprintf(im->vm.url, sizeof im->vm.url, "%s", url);
    lg_id_new(ref);
    snprintf(im->reference, sizeof im->reference, "localhost/lodge/%s:latest", ref);
    return lg_vm_image_take(vm, &im->vm, e);
}
