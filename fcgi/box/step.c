/* Processes of a run: the compiler, the program, or the interpreter that was started ahead of time. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "box/box.h"

#define LEFT_TURNS 512 /* reads; a pipe holds less, but what runs may fill its own for ever */

static const struct {
    const char *name;
    int resource;
    uint64_t otherwise;
} limits[LG_LIMIT_MAX] = {
    {"cpu", RLIMIT_CPU, 60},
    {"file", RLIMIT_FSIZE, 64 << 20},
    {"open", RLIMIT_NOFILE, 256},
    {"processes", RLIMIT_NPROC, 64},
};

bool lg_limit_set(struct lg_box *b, const char *p, size_t n)
{
    char text[64];
    if (n >= sizeof text)
        return false;
    memcpy(text, p, n);
    text[n] = 0;
    for (size_t i = 0; i < LG_LIMIT_MAX; i++) {
        size_t k = strlen(limits[i].name);
        if (strncmp(text, limits[i].name, k) != 0 || text[k] != ' ')
            continue;
        b->limit[i] = strtoull(text + k + 1, NULL, 10);
        struct rlimit r = {b->limit[i], b->limit[i] + (limits[i].resource == RLIMIT_CPU)};
        if (b->step.pid) /* an interpreter that waits already */
            prlimit(b->step.pid, (enum __rlimit_resource)limits[i].resource, &r, NULL);
        return true;
    }
    return false;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void close_if(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void child(const struct lg_box *b, const struct lg_words *argv, const int fd[3], int host)
{
    static const struct rlimit none = {0, 0};
    sigset_t all;
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    for (int i = 0; i < 3; i++)
        if (dup2(fd[i], i) < 0)
            _exit(126);
    if (host >= 0 && dup2(host, LG_BOX_HOST_FD) < 0)
        _exit(126);
    close_range(host >= 0 ? LG_BOX_HOST_FD + 1 : LG_BOX_HOST_FD, ~0U, 0);
    setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < LG_LIMIT_MAX; i++) {
        uint64_t v = b->limit[i] ? b->limit[i] : limits[i].otherwise;
        struct rlimit r = {v, v + (limits[i].resource == RLIMIT_CPU)};
        setrlimit((enum __rlimit_resource)limits[i].resource, &r);
    }
    for (int i = 0; i < b->env.count; i++)
        putenv(b->env.word[i]);
    execvp(argv->word[0], argv->word);
    int why = errno;
    const char *text = strerror(why);
    if (write(2, argv->word[0], strlen(argv->word[0])) > 0 && write(2, ": ", 2) > 0 &&
        write(2, text, strlen(text)) > 0 && write(2, "\n", 1) > 0)
        _exit(why == ENOENT ? 127 : 126);
    _exit(126);
}

/* Four pairs: input, output, errors, and a host's orders. Our ends are [1] [0] [0] [1]. */
static int make_pipes(int pipes[4][2], bool hosted)
{
    for (int i = 0; i < 4; i++)
        pipes[i][0] = pipes[i][1] = -1;
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC))
            return errno;
    if (hosted && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes[3]))
        return errno;
    return 0;
}

static int reopen(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return fd < 0 ? -1 : open(path, flags | O_CLOEXEC);
}

int lg_step_start(struct lg_box *b, const struct lg_words *argv, bool compiling, bool hosted)
{
    int pipes[4][2];
    int rc = argv->count ? make_pipes(pipes, hosted) : EINVAL;
    if (rc)
        return rc;
    const int fd[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
    pid_t pid = fork();
    if (!pid)
        child(b, argv, fd, pipes[3][0]);
    rc = pid < 0 ? errno : 0;
    int pipe = hosted && !rc ? reopen(pipes[0][0], O_PATH) : -1;
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    close_if(&pipes[3][0]);
    if (rc) {
        close(pipes[0][1]);
        close(pipes[1][0]);
        close(pipes[2][0]);
        close_if(&pipes[3][1]);
        return rc;
    }
    b->step = (struct lg_step){.pid = pid,
                               .in = pipes[0][1],
                               .out = pipes[1][0],
                               .err = pipes[2][0],
                               .host = pipes[3][1],
                               .pipe = pipe,
                               .compiling = compiling,
                               .hosted = hosted,
                               .began_us = now_us()};
    fcntl(b->step.in, F_SETFL, O_NONBLOCK);
    fcntl(b->step.out, F_SETFL, O_NONBLOCK);
    fcntl(b->step.err, F_SETFL, O_NONBLOCK);
    return 0;
}

static void pass(int *fd, int type)
{
    static char bytes[LG_BOX_FRAME_MAX];
    if (*fd < 0)
        return;
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n > 0)
        lg_say(type, bytes, (size_t)n);
    else if (!n || (errno != EAGAIN && errno != EINTR))
        close_if(fd);
}

bool lg_step_output(struct lg_step *s)
{
    pass(&s->out, s->compiling ? LG_BOX_COUT : LG_BOX_OUT);
    pass(&s->err, s->compiling ? LG_BOX_CERR : LG_BOX_ERR);
    return s->out >= 0 || s->err >= 0;
}

/* A pipe is at its end for as long as nobody has it open for writing, and no longer. */
void lg_step_input_open(struct lg_step *s)
{
    if (s->in < 0)
        s->in = reopen(s->pipe, O_WRONLY | O_NONBLOCK);
    s->input = 0;
}

void lg_step_input_drain(struct lg_step *s)
{
    char bytes[4096];
    ssize_t n;
    close_if(&s->in);
    int fd = reopen(s->pipe, O_RDONLY | O_NONBLOCK);
    for (int i = 0; i < LEFT_TURNS && (n = read(fd, bytes, sizeof bytes)) > 0; i++)
        s->input -= n;
    close_if(&fd);
}

void lg_step_reap(struct lg_step *s)
{
    struct rusage u;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &u)) > 0) {
        if (pid != s->pid || s->ended)
            continue; /* an orphan that became ours */
        s->ended = true;
        s->status = status;
        s->cpu_us = ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
                    u.ru_stime.tv_usec;
        s->rss_kib = u.ru_maxrss;
    }
}
