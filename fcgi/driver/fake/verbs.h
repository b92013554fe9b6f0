/* The fake's verbs on instances; as driver.h says. */
#ifndef LG_DRIVER_FAKE_VERBS_H
#define LG_DRIVER_FAKE_VERBS_H

#include "base/json.h"
#include "driver/driver.h"

int lg_fake_create(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_fake_start(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_fake_stop(struct lg_engine *g, const char *id, int timeout_s, struct lg_err *e);
int lg_fake_pause(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_fake_unpause(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_fake_remove(struct lg_engine *g, const char *id, bool force, struct lg_err *e);
int lg_fake_inspect(struct lg_engine *g, const char *id, struct lg_inst_status *st, struct lg_err *e);
int lg_fake_update(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_fake_usage(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e);
int lg_fake_layer(struct lg_engine *g, const char *id, struct lg_layer *out, struct lg_err *e);
int lg_fake_list(struct lg_engine *g, lg_status_fn *fn, void *arg, struct lg_err *e);
int lg_fake_log_tail(struct lg_engine *g, const char *id, int lines, struct lg_buf *out, struct lg_err *e);
int lg_fake_log_stream(struct lg_engine *g, const char *id, int tail, bool follow, int64_t since_ms, int fd,
                       struct lg_err *e);
int lg_fake_watch(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e);

/* vm.c: what only virtual machines can. What `devices` gave one is its member of that name: ids and MACs. */
int lg_fake_devices(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_fake_disk_size(struct lg_engine *g, const struct lg_inst_spec *spec, int64_t *bytes, struct lg_err *e);
int lg_fake_suspend(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_fake_wake(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_fake_reset(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_fake_console_open(struct lg_engine *g, const char *id, enum lg_console kind, int *fd,
                         struct lg_err *e);
int lg_fake_screenshot(struct lg_engine *g, const char *id, struct lg_buf *out, char mime[32],
                       struct lg_err *e);
/* Terminals of containers. */
int lg_fake_exec_open(struct lg_engine *g, const char *id, const char *const *argv, int *fd,
                      char ref[LG_REF_LEN], struct lg_err *e);
int lg_fake_exec_size(struct lg_engine *g, const char *ref, int columns, int rows, struct lg_err *e);
int lg_fake_exec_end(struct lg_engine *g, const char *ref);
/* A verb on an existing instance, with faults, under the lock. */
int lg_fake_verb(struct lg_engine *g, const char *name, const char *id,
                 int (*fn)(struct lg_engine *g, json_t *o, struct lg_err *e), struct lg_err *e);

#endif
