/* What the native API and the tenant dialect ask for about volumes. Runs in lodge-api's workers; everything
 * here is inside the write transaction at hand. */
#ifndef LG_API_VOLUMES_H
#define LG_API_VOLUMES_H

#include "api/compute.h"
#include "store/volume.h"

/* Checks name, kind ("" undecided), size and what the host's disk can hold; adds the row and its operation.
 */
int lg_volume_ask_create(struct lg_req *q, struct lg_volume *v, struct lg_operation *op, struct lg_err *e);
/* `path` NULL: /mnt/<name of the volume> in a container. The instance and the volume are of one tenant. */
int lg_volume_ask_attach(struct lg_req *q, struct lg_volume *v, struct lg_instance *in, const char *path,
                         bool read_only, struct lg_operation *op, struct lg_err *e);
int lg_volume_ask_detach(struct lg_req *q, struct lg_volume *v, struct lg_instance *in,
                         struct lg_operation *op, struct lg_err *e);
/* Has the host's disk room for the growth? LG_LIMIT. */
int lg_volume_admit_growth(struct lg_req *q, const struct lg_volume *v, int64_t size_bytes, struct lg_err *e);
/* An operation about `v`, not yet added. */
void lg_volume_operation(struct lg_operation *op, const struct lg_req *q, const char *kind,
                         const struct lg_volume *v);
int lg_volume_ask_delete(struct lg_req *q, struct lg_volume *v, struct lg_operation *op, struct lg_err *e);

/* `config.volumes` of a create into in->mounts, and those of a new instance into the database: volumes that
 * the tenant does not have yet are made, with the default size. */
int lg_mounts_parse(struct lg_req *q, const json_t *list, struct lg_instance *in, struct lg_err *e);
int lg_mounts_add(struct lg_req *q, struct lg_instance *in, struct lg_err *e);

#endif
