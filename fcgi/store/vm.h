/*
 * What only virtual machines and their images have, beside the rows of instances and images (store/instance.h
 * and store/image.h read and write these with them).
 */
#ifndef LG_STORE_VM_H
#define LG_STORE_VM_H

#include "base/crypto.h"
#include "store/db.h"

/* Of an image of kind vm. */
struct lg_image_vm {
    char format[8];  /* "qcow2" or "raw"; "" : no image of a VM */
    char url[1024];  /* where it is fetched from, "" uploaded or built */
    char sha256[65]; /* what the file must have, "" not said */
    int64_t virtual_bytes, min_disk_bytes, min_memory_bytes; /* 0: not known, none */
    char default_user[33];                                   /* "" : the image's own choice */
    bool cloud_init;
};

/* Adds or replaces what is known of the disk. */
int lg_image_vm_put(struct lg_db *db, const char *image_id, const struct lg_image_vm *vm, struct lg_err *e);

/* Of an instance of type vm. */
struct lg_instance_vm {
    char *user_data, *meta_data; /* owned; NULL none; in clear, "" when they were loaded without the key */
    struct lg_image_vm image;    /* as it is now; zeros once it is gone */
};

/* NULL is fine; wipes the texts. */
void lg_instance_vm_free(struct lg_instance_vm *vm);
int lg_instance_vm_add(struct lg_db *db, const char *instance_id, const struct lg_instance_vm *vm,
                       const struct lg_key *env_key, struct lg_err *e);
/* *out is the caller's to free. Without a key it only tells which texts there are. */
int lg_instance_vm_get(struct lg_db *db, const char *instance_id, const char *image_id,
                       const struct lg_key *env_key, struct lg_instance_vm **out, struct lg_err *e);

#endif
