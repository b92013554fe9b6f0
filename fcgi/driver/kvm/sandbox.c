#include "driver/kvm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"

#define NOBODY       65534
#define MEMORY_BYTES ((rlim_t)2 << 30)
#define STEP_MS      200

static bool limit(int what, rlim_t value)
{
    return !setrlimit((__rlimit_resource_t)what, &(struct rlimit){value, value});
}

/* An empty /tmp of its own with nothing in it but the two files. */
static bool own_tmp(const struct lg_sandbox *s)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return false;
    lg_cleanup_fd int in = open(s->in, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    lg_cleanup_fd int out = s->out ? open(s->out, O_PATH | O_CLOEXEC | O_NOFOLLOW) : -1;
    char from[2][32];
    if (in < 0 || (s->out && out < 0) ||
        mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=1m"))
        return false;
    snprintf(from[0], sizeof from[0], "/proc/self/fd/%d", in);
    snprintf(from[1], sizeof from[1], "/proc/self/fd/%d", out);
    const char *const to[] = {"/tmp/in", "/tmp/out"};
    for (int i = 0; i < 1 + (s->out != NULL); i++) {
        int fd = open(to[i], O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
        if (fd < 0 || close(fd) || mount(from[i], to[i], NULL, MS_BIND, NULL))
            return false;
    }
    return !mount(NULL, "/tmp/in", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
}

static void become(const struct lg_sandbox *s, const char *const *argv, int out, pid_t parent)
{
    static const char *const env[] = {"PATH=" LG_PROC_PATH, "LANG=C", NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok =
        getppid() == parent && dup2(null, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2 && own_tmp(s);
    close_range(3, ~0U, 0);
    ok = ok && limit(RLIMIT_AS, MEMORY_BYTES) && limit(RLIMIT_CPU, (rlim_t)(s->timeout_ms / 1000 + 1)) &&
         limit(RLIMIT_FSIZE, (rlim_t)s->max_bytes) && limit(RLIMIT_NOFILE, 64) && limit(RLIMIT_CORE, 0);
    ok = ok && !chdir("/tmp") && !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
         !setresuid(NOBODY, NOBODY, NOBODY) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!ok) {
        dprintf(2, "the sandbox cannot be set up: %s\n", strerror(errno));
        _exit(125);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* lost with the change of user */
    execvpe(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
    dprintf(2, "%s cannot be run: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* The newest "(12.34/100%)" in what was said; such text is progress and not kept. */
static void tell(const struct lg_sandbox *s, struct lg_buf *said)
{
    double percent = -1;
    for (const char *p = lg_buf_cstr(said); (p = strchr(p, '('));) {
        char *end;
        double v = strtod(++p, &end);
        if (!strncmp(end, "/100%)", 6))
            percent = v;
    }
    if (percent < 0)
        return;
    if (s->fn)
        s->fn(s->arg, percent / 100, s->step);
    lg_buf_reset(said);
}

static bool cancelled(const struct lg_sandbox *s)
{
    return s->cancel && *s->cancel;
}

/* Reads until it closes its output. False: late or cancelled. */
static bool listen_to(const struct lg_sandbox *s, int fd, struct lg_buf *said)
{
    int64_t deadline = lg_clock_mono() + s->timeout_ms;
    char tmp[4096];
    while (lg_clock_mono() < deadline && !cancelled(s)) {
        struct pollfd f = {fd, POLLIN, 0};
        if (poll(&f, 1, STEP_MS) <= 0)
            continue;
        ssize_t n = read(fd, tmp, sizeof tmp);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return true;
        if (n > 0)
            lg_buf_add(said, tmp, (size_t)n);
        if (s->fn)
            tell(s, said);
    }
    return false;
}

int lg_sandbox_run(const struct lg_sandbox *s, const char *const *argv, struct lg_buf *said, struct lg_err *e)
{
    int pipe_fd[2], status;
    if (pipe2(pipe_fd, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    pid_t parent = getpid(), pid = fork();
    if (!pid)
        become(s, argv, pipe_fd[1], parent);
    close(pipe_fd[1]);
    bool ended = pid > 0 && listen_to(s, pipe_fd[0], said);
    close(pipe_fd[0]);
    if (pid < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot start %s", argv[0]);
    if (!ended)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!ended)
        return cancelled(s) ? lg_fail(e, LG_CANCELLED, "cancelled while %s was at work", argv[0])
                            : lg_fail(e, LG_TIMEOUT, "%s did not end in time", argv[0]);
    if (WIFSIGNALED(status))
        return lg_fail(e, LG_INTERNAL, "%s was ended by signal %d", argv[0], WTERMSIG(status));
    return WEXITSTATUS(status);
}
