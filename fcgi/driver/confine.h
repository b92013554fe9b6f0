/*
 * A program that works on what strangers brought: started by fork and exec, so that nothing of this process'
 * memory is in it, as nobody, without other descriptors, without a network unless it asks for one, with
 * limits on memory, time and files. Linux namespaces. Runner's processes, as root; for others (tests with the
 * fake engine) the limits alone.
 */
#ifndef LG_DRIVER_CONFINE_H
#define LG_DRIVER_CONFINE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"

struct lg_confine {
    const char *const *argv; /* argv[0] with a slash need not be where nobody can go */
    int fd[4];               /* become its 0, 1, 2, 3; -1 for /dev/null. None is closed here */
    bool network;
    int64_t file_bytes;   /* of any file it writes */
    int64_t memory_bytes; /* of address space */
    int cpu_s;
    bool (*prepare)(const void *arg); /* in the child, root in its own mount namespace; may be NULL */
    const void *arg;
};

/* Its pid, or a negative code. It dies with the caller. */
pid_t lg_confine_start(const struct lg_confine *c, struct lg_err *e);

struct lg_confine_watch {
    int timeout_ms;
    const volatile sig_atomic_t *cancel;          /* may be NULL */
    void (*hear)(void *arg, struct lg_buf *said); /* whenever it said more; may be NULL */
    void *arg;
};

/* Starts it with its 1 and 2 in `said` (what exceeds the buffer is dropped), and waits. Its exit code, 125
 * and 127 when it could not be set up or run, or a negative code: LG_TIMEOUT, LG_CANCELLED, LG_INTERNAL
 * (ended by a signal: a limit, or a defect). */
int lg_confine_run(const struct lg_confine *c, const struct lg_confine_watch *w, struct lg_buf *said,
                   struct lg_err *e);

/* Where the program lodge-intake is: beside this one. */
void lg_intake_program(const struct lg_conf *c, char *out, size_t cap);

/* Kills it (when `kill_it`) and waits for its end; its wait status. */
int lg_confine_end(pid_t pid, bool kill_it);

#endif
