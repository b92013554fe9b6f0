/* Images in the engine; the verbs of driver.h with the same names. */
#ifndef LG_DRIVER_IMAGE_H
#define LG_DRIVER_IMAGE_H

#include "driver/container/client.h"

int lg_ct_image_find(struct lg_engine *g, const char *ref, struct lg_image_info *info, struct lg_err *e);
int lg_ct_image_pull(struct lg_engine *g, const char *ref, lg_progress_fn *fn, void *arg,
                     struct lg_image_info *info, struct lg_err *e);
int lg_ct_image_import(struct lg_engine *g, const struct lg_import *im, lg_progress_fn *fn, void *arg,
                       struct lg_image_info *info, struct lg_err *e);
int lg_ct_image_remove(struct lg_engine *g, const char *ref, struct lg_err *e);

#endif
