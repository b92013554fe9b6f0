/*
 * Disk images: kept once by content, named by references. What strangers bring is looked at and converted by
 * an unprivileged child without network, with limits; nothing of it may refer to another file.
 */
#ifndef LG_DRIVER_KVM_IMAGE_H
#define LG_DRIVER_KVM_IMAGE_H

#include <limits.h>

#include "driver/kvm/conn.h"

int lg_vm_image_find(struct lg_engine *g, const char *ref, struct lg_image_info *info, struct lg_err *e);
int lg_vm_image_import(struct lg_engine *g, const struct lg_import *im, lg_progress_fn *fn, void *arg,
                       struct lg_image_info *info, struct lg_err *e);
int lg_vm_image_remove(struct lg_engine *g, const char *ref, struct lg_err *e);

/* The template's file (qcow2) of a reference. LG_NOT_FOUND. */
int lg_vm_image_template(const struct lg_engine *g, const char *ref, struct lg_image_info *info,
                         char path[PATH_MAX], struct lg_err *e);

#endif
