/*
 * qemu-img on what strangers brought: in a child without privileges, network or sight of our files, with
 * limits on memory, time and what it may write. Linux namespaces; needs root.
 */
#ifndef LG_DRIVER_KVM_SANDBOX_H
#define LG_DRIVER_KVM_SANDBOX_H

#include <signal.h>

#include "driver/driver.h"

struct lg_sandbox {
    const char *in;    /* the image: seen as /tmp/in, readable alone */
    const char *out;   /* a new file: seen as /tmp/out, the only one it can write; NULL none */
    int64_t max_bytes; /* of what it writes */
    int timeout_ms;
    const volatile sig_atomic_t *cancel; /* may be NULL */
    lg_progress_fn *fn;                  /* told of "(12.34/100%)" lines; may be NULL */
    void *arg;
    const char *step;
};

/* argv speaks of /tmp/in and /tmp/out. Returns its exit code with what it said in `said`, or a negative code:
 * LG_TIMEOUT, LG_CANCELLED, LG_INTERNAL (ended by a signal: a limit, or a defect). */
int lg_sandbox_run(const struct lg_sandbox *s, const char *const *argv, struct lg_buf *said,
                   struct lg_err *e);

#endif
