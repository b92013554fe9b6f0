/*
 * Running programs: an argv array, a clean environment, closed descriptors, a deadline. There is no shell
 * anywhere.
 */
#ifndef LG_BASE_PROC_H
#define LG_BASE_PROC_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct lg_proc {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in the fixed PATH below */
    const char *const *env;  /* NULL-terminated "K=V"; NULL means PATH, HOME and LANG only */
    const char *cwd;         /* NULL: unchanged */
    const char *input;       /* bytes for standard input; NULL: /dev/null */
    size_t input_len;
    int stdout_fd,
        stderr_fd;       /* for lg_proc_start: descriptors to use, or -1 for /dev/null; never closed here */
    int uid, gid;        /* dropped to when > 0 (with no further groups) */
    int die_with_parent; /* SIGKILL when the parent dies */
};

#define LG_PROC_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Starts it in its own process group. Returns the pid or a negative code. */
pid_t lg_proc_start(const struct lg_proc *p, struct lg_err *e);

/*
 * Runs it to the end, collecting standard output (and standard error, when `err_out` is not NULL) up to the
 * buffers' maxima; what exceeds them is dropped. Kills the group at the deadline. Returns the exit code
 * (0–255), or a negative code: LG_TIMEOUT, or LG_INTERNAL when it cannot start or a signal ended it.
 */
int lg_proc_run(const struct lg_proc *p, int timeout_ms, struct lg_buf *out, struct lg_buf *err_out,
                struct lg_err *e);

#endif
