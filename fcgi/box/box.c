/*
 * lodge-box: the first process of a sandbox. It takes orders on standard input (wire.h), runs a compiler and
 * a program with their own pipes, limits and clocks, and tells what they say and how they end. It is static,
 * runs as the same unprivileged user as the program, and cannot be killed, traced or read from inside:
 * process 1 of its namespace, not dumpable. When its input ends it ends, and the kernel ends all the others.
 */
#include "box/box.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_TURNS 32 /* a pipe holds less; who goes on writing after the end is not waited for */

static struct lg_box box = {.step = {.in = -1, .out = -1, .err = -1, .host = -1, .pipe = -1}, .file = -1};
static unsigned char in[LG_BOX_HEAD + LG_BOX_FRAME_MAX];
static size_t have, given; /* bytes of `in`; of an input frame's payload, those already passed on */

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void close_step(struct lg_step *s)
{
    int *fd[] = {&s->in, &s->out, &s->err, &s->host, &s->pipe};
    for (size_t i = 0; i < sizeof fd / sizeof fd[0]; i++) {
        if (*fd[i] >= 0)
            close(*fd[i]);
        *fd[i] = -1;
    }
    s->pid = 0;
}

static void say_ended(const struct lg_step *s, const char *what, int code, int sig)
{
    lg_sayf(LG_BOX_ENDED, "%s exit %d signal %d wall %lld cpu %lld rss %lld full %d input %lld", what, code,
            sig, (long long)(now_us() - s->began_us), (long long)s->cpu_us, (long long)s->rss_kib,
            lg_file_full(), (long long)s->input);
}

static void refuse(const char *what, int why)
{
    lg_sayf(LG_BOX_REFUSED, "%s: %s", what, strerror(why));
}

static void start(const struct lg_words *argv, bool compiling)
{
    int rc = lg_step_start(&box, argv, compiling, false);
    if (rc)
        refuse("cannot start a process", rc);
}

static void ended(void)
{
    struct lg_step *s = &box.step;
    for (int i = 0; i < DRAIN_TURNS && lg_step_output(s); i++) {
        struct pollfd f[2] = {{s->out, POLLIN, 0}, {s->err, POLLIN, 0}};
        if (poll(f, 2, 0) <= 0 || !((f[0].revents | f[1].revents) & POLLIN))
            break;
    }
    int code = WIFEXITED(s->status) ? WEXITSTATUS(s->status) : 0;
    int sig = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
    bool go_on = s->compiling && !code && !sig;
    say_ended(s, s->compiling ? "compile" : "run", code, sig);
    close_step(s);
    if (go_on)
        start(&box.argv, false);
}

/* Everything in the sandbox but us, and what is being forked at this moment as well. */
static void everybody(int sig)
{
    if (getpid() == 1) /* anywhere else it would be everything on the host */
        kill(-1, sig);
}

/* A session's interpreter says a line when a snippet is done; what it printed before is in the pipes. */
static void host_spoke(void)
{
    struct lg_step *s = &box.step;
    char word[16]; /* a digit and a line end: one snippet is at work at a time */
    ssize_t n = read(s->host, word, sizeof word);
    if (n <= 0) {
        if (!n || errno != EINTR) {
            close(s->host);
            s->host = -1;
        }
        return;
    }
    everybody(SIGSTOP);
    s->rests = true;
    for (int i = 0; i < DRAIN_TURNS; i++) {
        struct pollfd f[2] = {{s->out, POLLIN, 0}, {s->err, POLLIN, 0}};
        if (poll(f, 2, 0) <= 0 || !((f[0].revents | f[1].revents) & POLLIN))
            break;
        lg_step_output(s);
    }
    if (!s->working)
        return;
    lg_step_input_drain(s);
    say_ended(s, "snippet", *word == '0' ? 0 : 1, 0);
    s->working = false;
}

/* ---- orders ---- */

static void order_file(const char *p, size_t n)
{
    char path[1024];
    if (box.file >= 0)
        close(box.file);
    box.file = -1;
    if (!n || n >= sizeof path || memchr(p, 0, n)) {
        refuse("a file's name", EINVAL);
        return;
    }
    memcpy(path, p, n);
    path[n] = 0;
    box.file = lg_file_create(path);
    if (box.file < 0)
        lg_sayf(LG_BOX_REFUSED, "%s: %s", path, strerror(-box.file));
}

static void order_data(const char *p, size_t n)
{
    while (n && box.file >= 0) {
        ssize_t k = write(box.file, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            refuse("a file cannot be written", errno);
            close(box.file);
            box.file = -1;
            return;
        }
        p += k;
        n -= (size_t)k;
    }
}

static void order_run(const char *p, size_t n)
{
    if (box.file >= 0)
        close(box.file);
    box.file = -1;
    if (box.step.pid && box.step.hosted) {
        box.step.began_us = now_us();
        box.step.rests = false;
        everybody(SIGCONT);
        box.step.working = true;
        lg_step_input_open(&box.step);
        if (write(box.step.host, p, n) != (ssize_t)n)
            refuse("the interpreter", errno);
        return;
    }
    start(box.compile.count ? &box.compile : &box.argv, box.compile.count > 0);
}

static void order_path(int type, const char *p, size_t n)
{
    char path[1024];
    if (n >= sizeof path)
        n = sizeof path - 1;
    memcpy(path, p, n);
    path[n] = 0;
    if (type == LG_BOX_GET)
        lg_file_get(path);
    else
        lg_file_list();
}

static void host(void)
{
    int rc = lg_step_start(&box, &box.host, false, true);
    if (rc)
        refuse("cannot start the interpreter", rc);
}

static void obey(int type, const char *p, size_t n)
{
    struct lg_words *words = type == LG_BOX_COMPILE ? &box.compile
                             : type == LG_BOX_ARGV  ? &box.argv
                                                    : &box.host;
    switch (type) {
    case LG_BOX_FILE:
        order_file(p, n);
        break;
    case LG_BOX_DATA:
        order_data(p, n);
        break;
    case LG_BOX_COMPILE:
    case LG_BOX_ARGV:
    case LG_BOX_HOST:
        if (!lg_words_set(words, p, n))
            refuse("arguments", E2BIG);
        else if (type == LG_BOX_HOST)
            host();
        break;
    case LG_BOX_ENV:
        if (!lg_words_add(&box.env, p, n))
            refuse("environment", E2BIG);
        break;
    case LG_BOX_LIMIT:
        if (!lg_limit_set(&box, p, n))
            refuse("a limit", EINVAL);
        break;
    case LG_BOX_RUN:
        order_run(p, n);
        break;
    case LG_BOX_EOF:
        if (box.step.in >= 0)
            close(box.step.in);
        box.step.in = -1;
        break;
    case LG_BOX_STOP:
        if (box.step.pid && (box.step.working || !box.step.hosted)) /* else it came too late */
            kill(-box.step.pid, SIGINT);
        break;
    default:
        order_path(type, p, n);
    }
}

/* Input for the program; true when all of it is taken, false when the pipe is full. */
static bool feed(const char *p, size_t n)
{
    while (given < n && box.step.in >= 0) {
        ssize_t k = write(box.step.in, p + given, n - given);
        if (k < 0 && errno == EAGAIN)
            return false;
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) { /* it does not read any more */
            close(box.step.in);
            box.step.in = -1;
            break;
        }
        given += (size_t)k;
        box.step.input += k;
    }
    given = 0;
    return true;
}

/* While a compiler runs its program's input waits. */
static bool must_wait(int type)
{
    bool input = type == LG_BOX_INPUT || type == LG_BOX_EOF;
    return input && box.step.pid && box.step.compiling;
}

/* Whole frames of what has arrived. True when the program's input is full and we must wait for it. */
static bool frames(void)
{
    size_t at = 0;
    bool full = false;
    while (!full && have - at >= LG_BOX_HEAD) {
        const unsigned char *f = in + at;
        size_t n = (size_t)f[1] << 24 | (size_t)f[2] << 16 | (size_t)f[3] << 8 | f[4];
        if (n > LG_BOX_FRAME_MAX)
            _exit(2);
        if (have - at < LG_BOX_HEAD + n)
            break;
        const char *p = (const char *)f + LG_BOX_HEAD;
        if (must_wait(*f))
            full = true;
        else if (*f == LG_BOX_INPUT)
            full = !feed(p, n);
        else
            obey(*f, p, n);
        if (!full)
            at += LG_BOX_HEAD + n;
    }
    memmove(in, in + at, have - at);
    have -= at;
    return full;
}

static void read_orders(void)
{
    ssize_t n = read(0, in + have, sizeof in - have);
    if (!n)
        _exit(0);
    if (n > 0)
        have += (size_t)n;
    else if (errno != EINTR && errno != EAGAIN)
        _exit(1);
}

static void turn(int signals)
{
    struct lg_step *s = &box.step;
    bool full = frames();
    struct pollfd f[] = {
        {full ? -1 : 0, POLLIN, 0},          {signals, POLLIN, 0}, {s->rests ? -1 : s->out, POLLIN, 0},
        {s->rests ? -1 : s->err, POLLIN, 0}, {s->host, POLLIN, 0}, {full ? s->in : -1, POLLOUT, 0}};
    if (poll(f, sizeof f / sizeof f[0], -1) < 0)
        return;
    if (f[0].revents)
        read_orders();
    if (f[2].revents || f[3].revents)
        lg_step_output(s);
    if (f[4].revents)
        host_spoke();
    if (f[1].revents) {
        struct signalfd_siginfo si;
        if (read(signals, &si, sizeof si) < 0 && errno != EAGAIN)
            _exit(1);
        lg_step_reap(s);
        if (s->pid && s->ended)
            ended();
    }
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || chdir(LG_BOX_DIR) || prctl(PR_SET_DUMPABLE, 0) || lg_filter_install())
        return 1;
    lg_say(LG_BOX_HELLO, NULL, 0);
    for (;;)
        turn(signals);
}
