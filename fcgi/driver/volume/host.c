#include "driver/volume/host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

/* What a child says, in memory both have. */
struct word {
    int rc;
    struct lg_err e;
};

static void act(struct word *w, int ns_fd, int (*fn)(void *arg, struct lg_err *e), void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    w->rc = setns(ns_fd, CLONE_NEWNS) ? lg_fail_errno(&w->e, LG_BACKEND, "cannot enter a mount namespace")
                                      : fn(arg, &w->e);
    _exit(0);
}

int lg_with_mounts_of(int ns_fd, int (*fn)(void *arg, struct lg_err *e), void *arg, struct lg_err *e)
{
    int status = -1;
    struct word *w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w == MAP_FAILED)
        return lg_fail_errno(e, LG_INTERNAL, "out of memory");
    memset(w, 0, sizeof *w);
    pid_t pid = fork();
    if (!pid)
        act(w, ns_fd, fn, arg);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    int rc = w->rc;
    if (pid < 0 || status)
        rc = lg_fail(e, LG_INTERNAL, "a process in another mount namespace did not end well");
    else if (rc && e)
        *e = w->e;
    munmap(w, sizeof *w);
    return rc;
}

int lg_with_host_mounts(int (*fn)(void *arg, struct lg_err *e), void *arg, struct lg_err *e)
{
    struct stat own, host;
    lg_cleanup_fd int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &host) || stat("/proc/self/ns/mnt", &own) ||
        (own.st_ino == host.st_ino && own.st_dev == host.st_dev))
        return fn(arg, e);
    return lg_with_mounts_of(fd, fn, arg, e);
}
