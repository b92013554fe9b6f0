#include "up/children.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"
#include "up/procfs.h"
#include "up/template.h"

#define LOG_MAX     ((off_t)64 << 20)
#define WAIT_MAX_MS 10000
#define STEADY_MS   30000 /* alive for so long: its next death starts the back-off anew */
#define ENV_MAX     96

extern char **environ;

static void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* Who runs, for the supervisor after us: "name pid starttime sweep" a line. */
static void write_down(const struct lg_family *f)
{
    lg_cleanup_buf struct lg_buf b = {.max = 4096};
    char path[PATH_MAX];
    struct lg_err e;
    for (int i = 0; i < f->count; i++)
        if (f->child[i].pid)
            lg_buf_fmt(&b, "%s %d %llu %d\n", f->child[i].name, (int)f->child[i].pid,
                       lg_proc_born(f->child[i].pid), f->child[i].sweep);
    lg_conf_path(f->conf, path, sizeof path, "up/children");
    if (lg_write_file(path, lg_buf_cstr(&b), b.len, 0600, 0, &e))
        fprintf(stderr, "lodge: %s\n", e.msg);
}

/* A log that grew too large becomes <name>.log.1. The child appends, so it goes on at the start of the
 * emptied file. */
static void rotate(const char *path)
{
    struct stat st;
    char old[PATH_MAX + 8];
    if (stat(path, &st) || st.st_size < LOG_MAX)
        return;
    snprintf(old, sizeof old, "%s.1", path);
    lg_cleanup_fd int in = open(path, O_RDWR | O_CLOEXEC);
    lg_cleanup_fd int out = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    char tmp[65536];
    ssize_t n;
    while (in >= 0 && out >= 0 && (n = read(in, tmp, sizeof tmp)) > 0 && write(out, tmp, (size_t)n) == n)
        ;
    if (in >= 0 && ftruncate(in, 0))
        fprintf(stderr, "lodge: cannot shorten %s: %s\n", path, strerror(errno));
}

static char *log_path(const struct lg_family *f, const struct lg_child *c, char *out, size_t cap)
{
    char rel[80];
    snprintf(rel, sizeof rel, "log/%s.log", c->name);
    return lg_conf_path(f->conf, out, cap, rel);
}

/* Our children see the settings of our environment and nothing else of it. */
static void clean_environment(const struct lg_conf *conf, const char **env, char state[], char share[],
                              size_t cap)
{
    size_t n = 0;
    env[n++] = "PATH=" LG_PROC_PATH;
    env[n++] = "LANG=C.UTF-8";
    env[n++] = "HOME=/nonexistent";
    snprintf(state, cap, "LODGE_STATE=%s", conf->state_dir);
    snprintf(share, cap, "LODGE_SHARE=%s", conf->share_dir);
    env[n++] = state;
    env[n++] = share;
    for (char **v = environ; *v && n < ENV_MAX - 1; v++)
        if (!strncmp(*v, "LODGE_", 6) && strncmp(*v, "LODGE_STATE=", 12) && strncmp(*v, "LODGE_SHARE=", 12))
            env[n++] = *v;
    env[n] = NULL;
}

/*
 * In the child. SIGTERM and not SIGKILL when we die: nginx's master must still end its workers. The setting
 * is lost when a program drops its privileges, which is what the guard is for.
 */
static void become(const struct lg_child *c, const char *const *env, const char *cwd, int log, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (chdir(cwd) || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
    close_range(3, ~0U, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execvpe(c->argv[0], (char *const *)(uintptr_t)c->argv, (char *const *)(uintptr_t)env);
    dprintf(2, "cannot run %s: %s\n", c->argv[0], strerror(errno));
    _exit(127);
}

static int start(struct lg_family *f, struct lg_child *c, struct lg_err *e)
{
    char path[PATH_MAX], state[PATH_MAX + 16], share[PATH_MAX + 16];
    const char *env[ENV_MAX];
    rotate(log_path(f, c, path, sizeof path));
    lg_cleanup_fd int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (log < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot write %s", path);
    clean_environment(f->conf, env, state, share, sizeof state);
    pid_t parent = getpid(), pid = fork();
    if (!pid)
        become(c, c->env ? c->env : env, lg_conf_path(f->conf, path, sizeof path, "run"), log, parent);
    if (pid < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot start %s", c->name);
    setpgid(pid, pid);
    c->pid = pid;
    c->started_at = lg_clock_mono();
    return 0;
}

int lg_family_start(struct lg_family *f, struct lg_err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < f->count; i++)
        rc = start(f, &f->child[i], e);
    write_down(f);
    return rc;
}

/* The last line of a log, as the likeliest reason of a death. */
static void show_last_line(const struct lg_family *f, const struct lg_child *c)
{
    char path[PATH_MAX], tail[1024];
    lg_cleanup_fd int fd = open(log_path(f, c, path, sizeof path), O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    off_t from = size > (off_t)sizeof tail - 1 ? size - (off_t)sizeof tail + 1 : 0;
    ssize_t n = fd < 0 ? 0 : pread(fd, tail, sizeof tail - 1, from);
    while (n > 0 && tail[n - 1] == '\n')
        n--;
    if (n <= 0)
        return;
    tail[n] = 0;
    const char *line = strrchr(tail, '\n');
    fprintf(stderr, "  %s (%s)\n", line ? line + 1 : tail, path);
}

static void died(struct lg_family *f, struct lg_child *c, int status)
{
    int64_t now = lg_clock_mono();
    if (WIFSIGNALED(status))
        fprintf(stderr, "lodge: %s was ended by signal %d (%s)", c->name, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "lodge: %s ended with exit code %d", c->name, WEXITSTATUS(status));
    if (c->sweep)
        kill(-c->pid, SIGKILL);
    bool steady = now - c->started_at >= STEADY_MS;
    c->wait_ms = steady || !c->wait_ms ? c->restart_ms : c->wait_ms * 2;
    if (c->wait_ms > WAIT_MAX_MS)
        c->wait_ms = WAIT_MAX_MS;
    c->due_at = now + c->wait_ms;
    c->pid = 0;
    c->deaths++;
    fprintf(stderr, "; starting it again in %d ms\n", c->wait_ms);
    if (!WIFSIGNALED(status))
        show_last_line(f, c);
}

/* We are the reaper of what our children leave behind too; those are only taken off the list. */
static void reap(struct lg_family *f, bool stopping)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (int i = 0; i < f->count; i++) {
            struct lg_child *c = &f->child[i];
            if (c->pid == pid && stopping)
                c->pid = 0;
            else if (c->pid == pid)
                died(f, c, status);
        }
}

static void tend_logs(struct lg_family *f)
{
    static int64_t next;
    char path[PATH_MAX];
    if (lg_clock_mono() < next)
        return;
    next = lg_clock_mono() + 60000;
    for (int i = 0; i < f->count; i++)
        rotate(log_path(f, &f->child[i], path, sizeof path));
}

int lg_family_tend(struct lg_family *f)
{
    int64_t sooner = 1000, now = lg_clock_mono();
    bool changed = false;
    reap(f, false);
    for (int i = 0; i < f->count; i++) {
        struct lg_child *c = &f->child[i];
        struct lg_err e;
        if (c->pid)
            continue;
        changed = true;
        if (c->due_at > now) {
            sooner = c->due_at - now < sooner ? c->due_at - now : sooner;
        } else if (start(f, c, &e)) {
            fprintf(stderr, "lodge: %s\n", e.msg);
            c->due_at = now + WAIT_MAX_MS;
        }
    }
    if (changed)
        write_down(f);
    tend_logs(f);
    return (int)sooner;
}

void lg_family_stop(struct lg_family *f)
{
    for (int i = f->count - 1; i >= 0; i--) {
        struct lg_child *c = &f->child[i];
        pid_t pid = c->pid;
        if (!pid)
            continue;
        kill(pid, SIGTERM);
        for (int waited = 0; c->pid && waited < c->grace_ms; waited += 20) {
            pause_ms(20);
            reap(f, true);
        }
        if (c->pid) {
            fprintf(stderr, "lodge: %s did not end within %d ms and is killed\n", c->name, c->grace_ms);
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            c->pid = 0;
        }
        if (c->sweep)
            kill(-pid, SIGKILL);
    }
    reap(f, true);
    write_down(f);
}

/* One written-down process and its group, asked to end or killed. Returns how many are still there. */
static int end_one(int pid, unsigned long long born, bool sweep, int sig)
{
    int alive = 0;
    if (lg_proc_born(pid) == born) {
        kill(pid, sig);
        alive++;
    }
    return alive + (sweep ? lg_proc_end_group(pid, born, sig) : 0);
}

static int end_all(const char *list, int sig)
{
    int alive = 0, pid, sweep;
    unsigned long long born;
    char name[64];
    for (const char *line = list; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (sscanf(line, "%63s %d %llu %d", name, &pid, &born, &sweep) == 4 && pid > 1)
            alive += end_one(pid, born, sweep, sig);
    return alive;
}

int lg_family_sweep(const struct lg_conf *c)
{
    lg_cleanup_buf struct lg_buf list = {.max = 8192};
    char path[PATH_MAX];
    lg_conf_path(c, path, sizeof path, "up/children");
    if (access(path, R_OK) || lg_read_file(path, 4096, &list, NULL))
        return 0;
    int found = end_all(lg_buf_cstr(&list), SIGTERM);
    for (int i = 0; i < 60 && end_all(lg_buf_cstr(&list), 0); i++)
        pause_ms(50);
    if (end_all(lg_buf_cstr(&list), SIGKILL))
        pause_ms(50);
    unlink(path);
    return found;
}

int lg_family_guard(const struct lg_conf *c, pid_t *guard, struct lg_err *e)
{
    int life[2];
    if (pipe2(life, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot start the guard");
    if (!pid) {
        char byte;
        setsid();
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        prctl(PR_SET_NAME, "lodge-guard");
        close(life[1]);
        while (read(life[0], &byte, 1) < 0 && errno == EINTR)
            ;
        lg_family_sweep(c);
        _exit(0);
    }
    close(life[0]);
    *guard = pid;
    return life[1];
}
