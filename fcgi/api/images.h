/* What the handlers of the image catalogue share. Runs in lodge-api's workers. */
#ifndef LG_API_IMAGES_H
#define LG_API_IMAGES_H

#include "api/compute.h"
#include "model/vm.h"

#define LG_IMAGE_ALIASES_MAX  16
#define LG_IMAGE_ALIASES_TEXT 900 /* characters of all aliases together */
#define LG_IMAGE_URL_MAX      1000
#define LG_VM_SPACE_MAX       9.0e15 /* bytes that a double still counts exactly */

/* --- images.c --- */

struct lg_image_names { /* borrows from the request */
    const char *at[LG_IMAGE_ALIASES_MAX];
    int count;
};
/* A list of aliases; NULL is none. LG_INVALID, details.field "aliases". */
int lg_image_names_parse(const json_t *list, struct lg_image_names *n, struct lg_err *e);
/* A fresh one of the caller's tenant, state pulling. */
void lg_image_new(const struct lg_req *q, struct lg_image *im, const char *name, const char *kind,
                  const char *source);
/* Adds image, aliases (may be NULL) and operation in the transaction at hand. LG_LIMIT: too many. */
int lg_image_enter(struct lg_req *q, struct lg_image *im, const struct lg_image_names *aliases,
                   const char *kind, struct lg_operation *op, struct lg_err *e);
int lg_image_answer(struct lg_resp *r, int status, const struct lg_image *im, const struct lg_operation *op);

/* --- vm_images.c --- */

/* What a caller says of a VM's image; NULL or unset: nothing. */
struct lg_vm_image {
    const char *format, *sha256, *default_user;
    struct lg_opt_int min_disk, min_memory;
    struct lg_opt_bool cloud_init;
};
bool lg_vm_image_says(const struct lg_vm_image *v); /* anything at all */
/* Checks it and puts what is said into `vm`. */
int lg_vm_image_take(const struct lg_vm_image *v, struct lg_image_vm *vm, struct lg_err *e);
/* The same from an upload's query, over the defaults. */
int lg_vm_image_query(struct lg_req *q, struct lg_image_vm *vm, struct lg_err *e);
/* A fresh image of a VM, to be fetched from `url` by the runner. */
int lg_vm_image_fetched(struct lg_req *q, const char *url, const char *name, const struct lg_vm_image *vm,
                        struct lg_image *im, struct lg_err *e);

#endif
