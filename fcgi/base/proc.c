#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static const char *const clean_env[] = {"PATH=" LG_PROC_PATH, "HOME=/nonexistent", "LANG=C.UTF-8", NULL};

/* In the child, after fork: only async-signal-safe calls. */
static void become(const struct lg_proc *p, int in, int out, int err)
{
    setpgid(0, 0);
    if (p->die_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(in < 0 ? null : in, 0) < 0 || dup2(out < 0 ? null : out, 1) < 0 ||
        dup2(err < 0 ? null : err, 2) < 0)
        _exit(127);
    close_range(3, ~0U, 0);
    if (p->cwd && chdir(p->cwd))
        _exit(127);
    if (p->gid > 0 && (setgroups(0, NULL) || setresgid((gid_t)p->gid, (gid_t)p->gid, (gid_t)p->gid)))
        _exit(127);
    if (p->uid > 0 && setresuid((uid_t)p->uid, (uid_t)p->uid, (uid_t)p->uid))
        _exit(127);
    environ =
        (char **)(uintptr_t)(p->env ? p->env : clean_env); /* before the look-up: its PATH counts, not ours */
    execvp(p->argv[0], (char *const *)(uintptr_t)p->argv);
    _exit(127);
}

static pid_t spawn(const struct lg_proc *p, int in, int out, int err, struct lg_err *e)
{
    pid_t pid = fork();
    if (!pid)
        become(p, in, out, err);
    if (pid < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot start %s", p->argv[0]);
    setpgid(pid, pid);
    return pid;
}

pid_t lg_proc_start(const struct lg_proc *p, struct lg_err *e)
{
    return spawn(p, -1, p->stdout_fd, p->stderr_fd, e);
}

/* Moves what is ready from fd into b (dropping overflow); false at end of file. */
static bool drain(int fd, struct lg_buf *b)
{
    char tmp[16384];
    ssize_t n = read(fd, tmp, sizeof tmp);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    size_t max = b && b->max ? b->max : LG_BUF_DEFAULT_MAX;
    if (b && b->len < max)
        lg_buf_add(b, tmp, (size_t)n < max - b->len ? (size_t)n : max - b->len);
    return true;
}

static bool feed(int fd, const struct lg_proc *p, size_t *done)
{
    ssize_t n = write(fd, p->input + *done, p->input_len - *done);
    if (n > 0)
        *done += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    return *done < p->input_len;
}

static int finish(pid_t pid, const char *name, bool late, struct lg_err *e)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (late)
        return lg_fail(e, LG_TIMEOUT, "%s did not end in time", name);
    if (WIFSIGNALED(status))
        return lg_fail(e, LG_INTERNAL, "%s was ended by signal %d", name, WTERMSIG(status));
    return WEXITSTATUS(status);
}

int lg_proc_run(const struct lg_proc *p, int timeout_ms, struct lg_buf *out, struct lg_buf *err_out,
                struct lg_err *e)
{
    int in[2] = {-1, -1}, so[2] = {-1, -1}, se[2] = {-1, -1};
    if ((p->input && pipe2(in, O_CLOEXEC)) || pipe2(so, O_CLOEXEC) || pipe2(se, O_CLOEXEC)) {
        int rc = lg_fail_errno(e, LG_INTERNAL, "cannot make pipes");
        for (int i = 0; i < 2; i++)
            lg_fd_close(&in[i]), lg_fd_close(&so[i]), lg_fd_close(&se[i]);
        return rc;
    }
    pid_t pid = spawn(p, in[0], so[1], se[1], e);
    lg_fd_close(&in[0]);
    lg_fd_close(&so[1]);
    lg_fd_close(&se[1]);
    int64_t deadline = lg_clock_mono() + timeout_ms;
    size_t fed = 0;
    bool late = false;
    if (in[1] >= 0)
        lg_fd_nonblock(in[1], true);
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    while (pid > 0 && !late && (so[0] >= 0 || se[0] >= 0)) {
        struct pollfd f[3] = {{so[0], POLLIN, 0}, {se[0], POLLIN, 0}, {in[1], POLLOUT, 0}};
        int64_t left = deadline - lg_clock_mono();
        late = left <= 0;
        if (late || poll(f, 3, (int)left) < 0)
            continue;
        if (f[0].revents && !drain(so[0], out))
            lg_fd_close(&so[0]);
        if (f[1].revents && !drain(se[0], err_out))
            lg_fd_close(&se[0]);
        if (f[2].revents && !feed(in[1], p, &fed))
            lg_fd_close(&in[1]);
    }
    signal(SIGPIPE, old);
    lg_fd_close(&in[1]);
    lg_fd_close(&so[0]);
    lg_fd_close(&se[0]);
    if (pid < 0)
        return pid;
    if (late)
        kill(-pid, SIGKILL);
    return finish(pid, p->argv[0], late, e);
}
