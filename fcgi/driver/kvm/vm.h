/* The verbs of driver.h on virtual machines, by the names they have there. */
#ifndef LG_DRIVER_KVM_VM_H
#define LG_DRIVER_KVM_VM_H

#include "driver/kvm/conn.h"

/* look.c */
int lg_vm_inspect(struct lg_engine *g, const char *id, struct lg_inst_status *st, struct lg_err *e);
int lg_vm_list(struct lg_engine *g, lg_status_fn *fn, void *arg, struct lg_err *e);
int lg_vm_status(struct lg_engine *g, virDomainPtr d, const char *id, struct lg_inst_status *st,
                 struct lg_err *e);

/* life.c */
int lg_vm_create(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e);
int lg_vm_start(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e);
int lg_vm_remove(struct lg_engine *g, const char *id, bool force, struct lg_err *e);
int lg_vm_define(struct lg_engine *g, const struct lg_inst_spec *s,
                 struct lg_err *e); /* its description, anew */

/* power.c */
int lg_vm_stop(struct lg_engine *g, const char *id, int timeout_s, struct lg_err *e);
int lg_vm_pause(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_vm_unpause(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_vm_suspend(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_vm_wake(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e);
int lg_vm_reset(struct lg_engine *g, const char *id, struct lg_err *e);

/* update.c */
int lg_vm_update(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e);
int lg_vm_disk_size(struct lg_engine *g, const struct lg_inst_spec *s, int64_t *bytes, struct lg_err *e);
int lg_vm_devices(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e); /* hotplug.c */
void lg_vm_pending(virDomainPtr d, char *out, size_t cap);

/* usage.c, console.c, watch.c, net.c, accel.c */
int lg_vm_usage(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e);
int lg_vm_log_tail(struct lg_engine *g, const char *id, int lines, struct lg_buf *out, struct lg_err *e);
int lg_vm_log_stream(struct lg_engine *g, const char *id, int tail, bool follow, int64_t since_ms, int fd,
                     struct lg_err *e);
void lg_vm_log_cap(const struct lg_engine *g, const char *id);
int lg_vm_console_open(struct lg_engine *g, const char *id, enum lg_console kind, int *fd, struct lg_err *e);
int lg_vm_screenshot(struct lg_engine *g, const char *id, struct lg_buf *out, char mime[32],
                     struct lg_err *e);
int lg_vm_watch(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e);
int lg_vm_network_ensure(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e);
int lg_vm_network_remove(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e);
/* "kvm" or "qemu": what the setting says or the probe found; `notice` says why, "" when there is nothing to
 * say. */
bool lg_vm_accel_known(const struct lg_driver_ctx *ctx, char accel[8],
                       char notice[160]); /* without a probe */
const char *lg_vm_accel(const struct lg_driver_ctx *ctx, char notice[160]);

#endif
