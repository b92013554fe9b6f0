/* The image catalogue. Names resolve through aliases: the tenant's own first, then the host's public ones. */
#ifndef LG_STORE_IMAGE_H
#define LG_STORE_IMAGE_H

#include "base/json.h"
#include "store/db.h"
#include "store/vm.h"

struct lg_image {
    char id[LG_ID_LEN], tenant_id[LG_ID_LEN] /* "" the host's */, tenant_slug[64], name[256], kind[12],
        source[12], reference[256], digest[128], state[12], error[480], file[256];
    int64_t size_bytes, created_at, updated_at;
    bool is_default, is_public;
    char aliases[1024];    /* space-separated, the name not among them; filled by get and each */
    struct lg_image_vm vm; /* of kind vm */
};

/* Adds it with its name as first alias; fills id. LG_CONFLICT when the name is taken in its scope. Event
 * image.created. */
int lg_image_add(struct lg_db *db, struct lg_image *im, struct lg_err *e);
int lg_image_get(struct lg_db *db, const char *id, struct lg_image *im, struct lg_err *e); /* LG_NOT_FOUND */
/* By alias as tenant `tenant_id` sees it; name "" : the kind's default. LG_NOT_FOUND. */
int lg_image_resolve(struct lg_db *db, const char *tenant_id, const char *name, const char *kind,
                     struct lg_image *im, struct lg_err *e);
/* Those a tenant sees (its own and the public ones), oldest first. Returns how many. */
int lg_image_each(struct lg_db *db, const char *tenant_id, void (*fn)(void *arg, const struct lg_image *im),
                  void *arg, struct lg_err *e);
/* Facts from the runner: state and what came with it. Event image.updated. */
int lg_image_set_state(struct lg_db *db, const char *id, const char *state, const char *digest,
                       int64_t size_bytes, const char *error, struct lg_err *e);
/* What a VM's image is besides; event image.updated. */
int lg_image_set_vm(struct lg_db *db, const char *id, const struct lg_image_vm *vm, struct lg_err *e);
int lg_image_set_default(struct lg_db *db, const char *id, const char *kind, struct lg_err *e);
int lg_image_set_public(struct lg_db *db, const char *id, bool is_public, struct lg_err *e);
int lg_image_set_aliases(struct lg_db *db, const struct lg_image *im, const char *const *aliases, int count,
                         struct lg_err *e);               /* replaces all but the name; LG_CONFLICT */
int64_t lg_image_users(struct lg_db *db, const char *id); /* instances made of it */
/* How many images of a tenant are being fetched or deleted, and how many it has in all. */
int lg_image_load(struct lg_db *db, const char *tenant_id, int64_t *under_way, int64_t *total,
                  struct lg_err *e);
/* Other entries and instances, of any tenant, with the same reference; negative on failure. */
int64_t lg_image_sharers(struct lg_db *db, const struct lg_image *im);
/* May it be that large, and if so, it is from now on: what it grows by counts for its tenant, unless it is
 * public or the host's. Errors as lg_quota_admit. Needs a write transaction. */
int lg_image_take_size(struct lg_db *db, const struct lg_image *im, int64_t size_bytes, struct lg_err *e);
int lg_image_remove(struct lg_db *db, const char *id, struct lg_err *e); /* event image.deleted */
/* References that the engine was made to have and that are in no catalogue: noted with the time of now when
 * pulled; touched when used again, a no-op for others; forgotten. In a write transaction each. */
int lg_image_use_put(struct lg_db *db, const char *ref, struct lg_err *e);
int lg_image_use_touch(struct lg_db *db, const char *ref, struct lg_err *e);
int lg_image_use_forget(struct lg_db *db, const char *ref, struct lg_err *e);
/* fn for up to 50 that were not used since `before` (ms) and that no catalogue and no instance names. */
int lg_image_use_idle(struct lg_db *db, int64_t before, void (*fn)(void *arg, const char *ref), void *arg,
                      struct lg_err *e);
int64_t lg_image_min_disk(const struct lg_image *im); /* bytes an instance's disk must have; 0 any */
void lg_image_render(struct lg_json *j, const char *key, const struct lg_image *im);

#endif
