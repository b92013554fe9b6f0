/* What only a virtual machine is asked for: other sizes. */
#include "api/vm.h"

#include <string.h>

#include "store/quota.h"

/* --- resize --- */

static int check_disk(const struct lg_instance *in, int64_t bytes, struct lg_err *e)
{
    if (bytes < 0 || bytes >= in->storage_bytes)
        return 0;
    return lg_invalid(e, "resources.storage.totalSpace",
                      "is less than the %lld bytes it has: a disk only grows", (long long)in->storage_bytes);
}

static int check_memory(struct lg_req *q, const struct lg_instance *in, int64_t bytes, struct lg_err *e)
{
    struct lg_image im = {0};
    int rc = *in->image_id ? lg_image_get(q->db, in->image_id, &im, e) : 0;
    int64_t least = im.vm.min_memory_bytes > LG_VM_MEMORY_MIN ? im.vm.min_memory_bytes : LG_VM_MEMORY_MIN;
    if (rc || bytes < 0 || bytes >= least)
        return rc;
    lg_fail(e, LG_INVALID, "resources.memory.limit is %lld bytes, but its image needs at least %lld",
            (long long)bytes, (long long)least);
    lg_err_detail(e, "field", "resources.memory.limit");
    return lg_err_detail(e, "minimum", "%lld", (long long)least);
}

int lg_vm_resize(struct lg_req *q, struct lg_instance *in, const struct lg_resources *res,
                 struct lg_operation *op, struct lg_err *e)
{
    int64_t cpu = res->cpu_millis, memory = res->memory_bytes, disk = res->storage_bytes;
    int rc = lg_verb_allowed(LG_V_UPDATE, in->state, false, e);
    if (rc || (rc = check_disk(in, disk, e)) || (rc = check_memory(q, in, memory, e)))
        return rc;
    bool grows = disk > in->storage_bytes;
    rc = lg_admit(q, in->id, cpu < 0 ? in->cpu_millis : cpu, memory < 0 ? in->memory_bytes : memory, e);
    if (!rc)
        rc = lg_quota_admit(q->db, in->tenant_id,
                            &(struct lg_amounts){.cpu_millis = cpu < 0 ? 0 : cpu - in->cpu_millis,
                                                 .memory_bytes = memory < 0 ? 0 : memory - in->memory_bytes,
                                                 .storage_bytes = grows ? disk - in->storage_bytes : 0},
                            e);
    if (!rc) /* first: while another one is at work this one changes nothing */
        rc = lg_verb_ask(q, in, LG_V_UPDATE, false, "{}", op, e);
    if (!rc && (cpu >= 0 || memory >= 0))
        rc = lg_instance_set_limits(q->db, in, cpu, memory, e);
    if (!rc && grows)
        rc = lg_instance_set_storage(q->db, in, disk, e);
    return rc;
}
