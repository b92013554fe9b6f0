#include "cli/ctrl_c.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t pressed, most;
static volatile pid_t helper;
static int64_t last_ms;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Async-signal-safe calls only. */
static void on_press(int sig)
{
    int64_t now = now_ms();
    (void)sig;
    if (pressed && now - last_ms < LG_CTRL_C_TWICE_MS)
        return;
    last_ms = now;
    if (pressed++ >= most || helper <= 0)
        _exit(LG_EXIT_SIGINT);
    kill(helper, SIGUSR1);
}

static void help(struct lg_cli *c, const struct lg_ctrl_c *presses, int count, pid_t us)
{
    sigset_t set;
    int sig;
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    c->client = NULL; /* TLS does not survive being shared */
    for (int i = 0; i < count && getppid() == us && !sigwait(&set, &sig); i++) {
        lg_cleanup_answer struct lg_answer a = {.status = 0};
        if (presses[i].say)
            lg_say(0, "%s", presses[i].say);
        lg_try(c, presses[i].method, presses[i].path, NULL, &a, NULL);
    }
    while (getppid() == us)
        pause();
    _exit(0);
}

pid_t lg_ctrl_c_begin(struct lg_cli *c, const struct lg_ctrl_c *presses, int count)
{
    struct sigaction a = {.sa_handler = on_press, .sa_flags = SA_RESTART};
    sigset_t set, old;
    sigemptyset(&a.sa_mask);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, &old); /* before the fork: a press is kept until it is waited for */
    pressed = 0;
    most = count;
    fflush(NULL);
    pid_t us = getpid(), pid = fork();
    if (!pid)
        help(c, presses, count, us);
    helper = pid;
    sigaction(SIGINT, &a, NULL);
    sigdelset(&old, SIGINT);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return pid;
}

int lg_ctrl_c_end(pid_t beside)
{
    signal(SIGINT, SIG_DFL);
    helper = 0;
    if (beside > 0) {
        kill(beside, SIGTERM);
        waitpid(beside, NULL, 0);
    }
    return pressed;
}
