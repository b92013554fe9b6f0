/* A container's output; the verbs of driver.h with the same names. */
#ifndef LG_DRIVER_LOGS_H
#define LG_DRIVER_LOGS_H

#include "driver/container/client.h"

int lg_ct_log_tail(struct lg_engine *g, const char *id, int lines, struct lg_buf *out, struct lg_err *e);
int lg_ct_log_stream(struct lg_engine *g, const char *id, int tail, bool follow, int64_t since_ms, int fd,
                     struct lg_err *e);
int lg_ct_watch(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e);

#endif
