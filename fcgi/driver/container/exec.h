/* Terminals in containers, as driver.h says it. */
#ifndef LG_DRIVER_CONTAINER_EXEC_H
#define LG_DRIVER_CONTAINER_EXEC_H

#include "driver/driver.h"

int lg_ct_exec_open(struct lg_engine *g, const char *id, const char *const *argv, int *fd,
                    char ref[LG_REF_LEN], struct lg_err *e);
int lg_ct_exec_size(struct lg_engine *g, const char *ref, int columns, int rows, struct lg_err *e);
int lg_ct_exec_end(struct lg_engine *g, const char *ref);

#endif
