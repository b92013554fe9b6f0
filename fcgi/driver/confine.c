#include "driver/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"

#define NOBODY  65534
#define STEP_MS 200
#define ABOVE   16 /* descriptors wait here until their places are free */
#define FDS     (int)(sizeof((struct lg_confine *)0)->fd / sizeof(int))

/* ── in the child ── */

static bool limit(int what, int64_t value)
{
    return !setrlimit((__rlimit_resource_t)what, &(struct rlimit){(rlim_t)value, (rlim_t)value});
}

/* What it was given gets its place, everything else is closed but the program itself. */
static bool place_descriptors(const struct lg_confine *c, int *program)
{
    int at[FDS], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = null >= 0;
    for (int i = 0; i < FDS; i++)
        ok &= (at[i] = fcntl(c->fd[i] < 0 ? null : c->fd[i], F_DUPFD_CLOEXEC, ABOVE)) >= 0;
    for (int i = 0; ok && i < FDS; i++)
        ok = dup2(at[i], i) == i;
    close_range(FDS, ~0U, 0);
    *program = strchr(c->argv[0], '/') ? open(c->argv[0], O_PATH | O_CLOEXEC) : -1;
    return ok && (*program >= 0 || !strchr(c->argv[0], '/'));
}

static bool own_world(const struct lg_confine *c)
{
    if (geteuid())
        return true;
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (c->network ? 0 : CLONE_NEWNET)) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return false;
    return !c->prepare || c->prepare(c->arg);
}

static bool give_up_rights(const struct lg_confine *c)
{
    bool ok = limit(RLIMIT_CPU, c->cpu_s) && limit(RLIMIT_FSIZE, c->file_bytes) && limit(RLIMIT_NOFILE, 64) &&
              limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* its shadow is terabytes */
    ok = ok && limit(RLIMIT_AS, c->memory_bytes);
#endif
    if (!geteuid())
        ok = ok && !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
             !setresuid(NOBODY, NOBODY, NOBODY);
    return ok && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void refuse(void)
{
    dprintf(STDERR_FILENO, "the confinement cannot be set up: %s\n", strerror(errno));
    _exit(125);
}

/* The first process of its PID namespace: whatever it has started ends with it. */
static void become(const struct lg_confine *c, int program)
{
    static const char *const env[] = {"PATH=" LG_PROC_PATH, "LANG=C", NULL};
    char *const *argv = (char *const *)(uintptr_t)c->argv, *const *e = (char *const *)(uintptr_t)env;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!own_world(c) || (!geteuid() && chdir("/tmp")) || !give_up_rights(c))
        refuse();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* lost with the change of user */
    if (program >= 0)
        fexecve(program, argv, e);
    else
        execvpe(argv[0], argv, e);
    dprintf(STDERR_FILENO, "%s cannot be run: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Between the caller and that process: ends as it ends, and it with us. */
static void stand_between(const struct lg_confine *c, pid_t parent)
{
    sigset_t none;
    int program, status = 0;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (!place_descriptors(c, &program) || getppid() != parent || (!geteuid() && unshare(CLONE_NEWPID)))
        refuse();
    pid_t pid = fork();
    if (!pid)
        become(c, program);
    if (pid < 0)
        refuse();
    close_range(0, ~0U, 0);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status)) {
        limit(RLIMIT_CORE, 0);
        signal(WTERMSIG(status), SIG_DFL);
        kill(getpid(), WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* ── outside ── */

pid_t lg_confine_start(const struct lg_confine *c, struct lg_err *e)
{
    pid_t parent = getpid(), pid = fork();
    if (!pid)
        stand_between(c, parent);
    return pid < 0 ? lg_fail_errno(e, LG_INTERNAL, "cannot start %s", c->argv[0]) : pid;
}

void lg_intake_program(const struct lg_conf *c, char *out, size_t cap)
{
    snprintf(out, cap, "%s/lodge-intake", c->bin_dir);
}

int lg_confine_end(pid_t pid, bool kill_it)
{
    int status = 0;
    if (kill_it)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static bool cancelled(const struct lg_confine_watch *w)
{
    return w->cancel && *w->cancel;
}

/* Reads until it closes its output. False: late or cancelled. */
static bool listen_to(const struct lg_confine_watch *w, int fd, struct lg_buf *said)
{
    int64_t deadline = lg_clock_mono() + w->timeout_ms;
    char tmp[4096];
    while (lg_clock_mono() < deadline && !cancelled(w)) {
        struct pollfd f = {fd, POLLIN, 0};
        if (poll(&f, 1, STEP_MS) <= 0)
            continue;
        ssize_t n = read(fd, tmp, sizeof tmp);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return true;
        if (n > 0)
            lg_buf_add(said, tmp, (size_t)n);
        if (w->hear)
            w->hear(w->arg, said);
    }
    return false;
}

int lg_confine_run(const struct lg_confine *c, const struct lg_confine_watch *w, struct lg_buf *said,
                   struct lg_err *e)
{
    struct lg_confine with = *c;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    with.fd[1] = with.fd[2] = ends[1];
    pid_t pid = lg_confine_start(&with, e);
    close(ends[1]);
    bool ended = pid > 0 && listen_to(w, ends[0], said);
    close(ends[0]);
    if (pid < 0)
        return pid;
    int status = lg_confine_end(pid, !ended);
    if (!ended)
        return cancelled(w) ? lg_fail(e, LG_CANCELLED, "cancelled while %s was at work", c->argv[0])
                            : lg_fail(e, LG_TIMEOUT, "%s did not end in time", c->argv[0]);
    if (WIFSIGNALED(status))
        return lg_fail(e, LG_INTERNAL, "%s was ended by signal %d", c->argv[0], WTERMSIG(status));
    return WEXITSTATUS(status);
}
