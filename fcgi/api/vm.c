/* What only a virtual machine is asked for: other sizes. */
#include "api/vm.h"

#include <string.h>

/* --- resize --- */

static int check_disk(const struct lg_instance *in, int64_t bytes, struct lg_err *e)
{
    if (bytes >= in->storage_bytes)
        return 0;
    return lg_invalid(e, "resources.storage.totalSpace",
                      "is less than the %lld bytes it has: a disk only grows", (long long)in->storage_bytes);
}

static int check_memory(struct lg_req *q, const struct lg_instance *in, int64_t bytes, struct lg_err *e)
{
    struct lg_image im = {0};
    int rc = *in->image_id ? lg_image_get(q->db, in->image_id, &im, e) : 0;
    int64_t least = im.vm.min_memory_bytes > LG_VM_MEMORY_MIN ? im.vm.min_memory_bytes : LG_VM_MEMORY_MIN;
    if (rc || bytes == in->memory_bytes || bytes >= least)
        return rc;
    lg_fail(e, LG_INVALID, "resources.memory.limit is %lld bytes, but its image needs at least %lld",
            (long long)bytes, (long long)least);
    lg_err_detail(e, "field", "resources.memory.limit");
    return lg_err_detail(e, "minimum", "%lld", (long long)least);
}

int lg_vm_resize(struct lg_req *q, struct lg_instance *in, const struct lg_sizes *want,
                 struct lg_operation *op, struct lg_err *e)
{
    int rc = lg_verb_allowed(LG_V_UPDATE, in->state, false, e);
    if (rc || (rc = check_disk(in, want->storage_bytes, e)) ||
        (rc = check_memory(q, in, want->memory_bytes, e)))
        return rc;
    return lg_sizes_ask(q, in, *want, op, e);
}
