#include "driver/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/confine.h"
#include "intake/wire.h"

#define LOOK_MS      200
#define MEMORY_BYTES ((int64_t)1 << 30)
#define CPU_S        3600

static void report(const struct lg_intake_word *w, lg_progress_fn *fn, void *arg)
{
    char text[96];
    snprintf(text, sizeof text, "fetching: %.1f MiB", (double)w->got / (1 << 20));
    if (fn)
        fn(arg, w->total > 0 ? (double)w->got / (double)w->total : -1, text);
}

static int listen_to(int fd, const volatile sig_atomic_t *cancel, lg_progress_fn *fn, void *arg,
                     struct lg_err *e)
{
    for (;;) {
        struct lg_intake_word w;
        struct pollfd p = {fd, POLLIN, 0};
        int n = poll(&p, 1, LOOK_MS);
        if (cancel && *cancel)
            return lg_fail(e, LG_CANCELLED, "the fetch was cancelled");
        if (n <= 0)
            continue;
        if (read(fd, &w, sizeof w) != (ssize_t)sizeof w)
            return lg_fail(e, LG_INTERNAL, "the process that fetched the file died");
        w.text[sizeof w.text - 1] = 0;
        if (!w.done)
            report(&w, fn, arg);
        else if (w.code)
            return lg_fail(e, w.code > 0 && w.code < LG_CODE_COUNT ? (enum lg_code)w.code : LG_INTERNAL, "%s",
                           w.text);
        else
            return 0;
    }
}

/* What the child is to fetch, as a file for it to read; -1. */
static int request(const struct lg_fetch *f, struct lg_err *e)
{
    struct lg_intake_fetch q = {.max_bytes = f->max_bytes};
    int fd = memfd_create("fetch", MFD_CLOEXEC);
    if (strlen(f->url) >= sizeof q.url)
        return lg_fd_close(&fd), lg_fail(e, LG_INVALID, "the address is too long");
    snprintf(q.url, sizeof q.url, "%s", f->url);
    snprintf(q.allow, sizeof q.allow, "%s", f->conf->fetch_allow);
    snprintf(q.ca_file, sizeof q.ca_file, "%s", f->conf->fetch_ca_file);
    if (fd >= 0 && write(fd, &q, sizeof q) == (ssize_t)sizeof q && !lseek(fd, 0, SEEK_SET))
        return fd;
    lg_fd_close(&fd);
    return lg_fail_errno(e, LG_INTERNAL, "cannot start a fetch");
}

int lg_fetch(const struct lg_fetch *f, const volatile sig_atomic_t *cancel, lg_progress_fn *fn, void *arg,
             struct lg_err *e)
{
    char program[PATH_MAX];
    int ends[2];
    lg_cleanup_fd int asked = request(f, e);
    if (asked < 0)
        return asked;
    if (pipe2(ends, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    lg_intake_program(f->conf, program, sizeof program);
    const char *const argv[] = {program, "fetch", NULL};
    const struct lg_confine c = {.argv = argv,
                                 .fd = {asked, ends[1], -1, f->fd},
                                 .network = true,
                                 .file_bytes = f->max_bytes + 1,
                                 .memory_bytes = MEMORY_BYTES,
                                 .cpu_s = CPU_S};
    pid_t pid = lg_confine_start(&c, e);
    close(ends[1]);
    int rc = pid < 0 ? pid : listen_to(ends[0], cancel, fn, arg, e);
    close(ends[0]);
    if (pid > 0)
        lg_confine_end(pid, true);
    return rc;
}
