/* What the handlers of virtual machines share with those of all instances. Runs in lodge-api's workers. */
#ifndef LG_API_VM_H
#define LG_API_VM_H

#include "api/compute.h"
#include "model/vm.h"

/* --- vm_create.c --- */

/* The members of `config` that only a VM has; NULL where nothing is said. */
struct lg_vm_config {
    const char *disk_format, *network_type, *network_source, *firmware;
    json_t *cloud_init, *ssh_keys;
    struct lg_opt_bool tpm;
};
extern const struct lg_field lg_cloud_init_fields[]; /* of config.cloudInit */
/* The tenant's own network that networkSource names; NULL for its first one. */
const char *lg_vm_own_network(const struct lg_req *q, const struct lg_vm_config *c);
/* Checks them and fills in->config and in->vm. */
int lg_create_vm_config(const struct lg_req *q, const struct lg_vm_config *c, struct lg_instance *in,
                        struct lg_err *e);
/* Size (and GPUs) from a flavor; in->type is set. LG_INVALID, or LG_UNSUPPORTED where the host lacks GPUs. */
int lg_create_flavor(struct lg_req *q, const char *name, struct lg_instance *in, struct lg_err *e);
/* Sizes that were not named, and whether they suffice for the image; then what the runner needs to know of
 * both is added to in->config. In the write transaction, with in->tenant_id and owner_id. */
int lg_create_vm_fits(struct lg_req *q, struct lg_instance *in, const struct lg_image *im, struct lg_err *e);

/* --- vm.c --- */

/* lg_sizes_ask of what a machine can be: a disk never shrinks, an image asks for memory. */
int lg_vm_resize(struct lg_req *q, struct lg_instance *in, const struct lg_sizes *want,
                 struct lg_operation *op, struct lg_err *e);

#endif
