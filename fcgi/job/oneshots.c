/*
 * Containers for one command: one connection of lodge-stream, one run, one forked child, as for streams. This
 * process speaks to neither engine nor database. It keeps, in memory shared with its children, which run each
 * of them is at: when one dies before it has cleaned up, another child does that until it has succeeded.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "job/oneshot.h"

#define SLOTS    1024 /* the setting's upper bound */
#define RETRY_MS 1000

struct slot {
    pid_t pid;          /* who runs it, or cleans up after it; 0: nobody now */
    char id[LG_ID_LEN]; /* "": nothing to clean */
    bool taken;
};

struct oneshots {
    const struct lg_runner *r;
    struct slot *slot; /* SLOTS, shared */
    int listener;
};

static void on_child(int sig)
{
    (void)sig; /* only ends the poll early */
}

static volatile sig_atomic_t ending;

static void on_term(int sig)
{
    (void)sig;
    ending = 1;
}

static struct slot *free_slot(struct oneshots *o)
{
    for (int i = 0; i < SLOTS; i++)
        if (!o->slot[i].taken)
            return &o->slot[i];
    return NULL;
}

static void refuse(int sock)
{
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf b = {.max = 4096};
    lg_fail(&e, LG_RATE, "too many containers run; try again in a moment");
    lg_json_error(&b, &e);
    if (!b.failed)
        (void)!send(sock, b.data, b.len, MSG_NOSIGNAL);
}

static void accept_one(struct oneshots *o)
{
    lg_cleanup_fd int sock = accept4(o->listener, NULL, NULL, SOCK_CLOEXEC);
    struct lg_err e = {0};
    if (sock < 0)
        return;
    struct slot *s = free_slot(o);
    if (s)
        *s = (struct slot){.taken = true};
    pid_t pid = s ? lg_child_fork("lodge-oneshot", &e) : -1;
    if (!pid) {
        close(o->listener);
        _exit(lg_oneshot_serve(o->r, sock, s->id) ? 0 : 1);
    }
    if (pid < 0) {
        refuse(sock);
        if (s)
            s->taken = false;
        return;
    }
    s->pid = pid;
}

static void reap(struct oneshots *o)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < SLOTS; i++) {
            struct slot *s = &o->slot[i];
            if (!s->taken || s->pid != pid)
                continue;
            bool clean = (WIFEXITED(status) && !WEXITSTATUS(status)) || !*s->id;
            s->pid = 0;
            s->taken = !clean;
        }
}

/* In a child: the engine may not answer for long. */
static void clean_up(struct oneshots *o, struct slot *s)
{
    struct lg_err e = {0};
    pid_t pid = lg_child_fork("lodge-oneshot-cl", &e);
    if (!pid) {
        close(o->listener);
        int rc = lg_oneshot_clean(o->r, s->id, &e);
        if (rc)
            lg_pause_ms(RETRY_MS);
        _exit(rc ? 1 : 0);
    }
    s->pid = pid > 0 ? pid : 0;
}

static void clean_due(struct oneshots *o)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &o->slot[i];
        if (s->taken && !s->pid)
            clean_up(o, s);
    }
}

/* Each removes its container; the master kills what takes too long, and the next start finds it. */
static void end_runs(struct oneshots *o)
{
    for (int i = 0; i < SLOTS; i++)
        if (o->slot[i].taken && o->slot[i].pid > 0)
            kill(o->slot[i].pid, SIGTERM);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

/* Nothing of an earlier process may be left before the first run. */
static void sweep(const struct lg_runner *r)
{
    for (int ms = 100;; ms = ms < 2000 ? ms * 2 : 2000) {
        struct lg_err e = {0};
        pid_t pid = lg_child_fork("lodge-oneshot-cl", &e);
        if (!pid)
            _exit(lg_oneshot_clean(r, "", &e) ? 1 : 0);
        int status = 1;
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (pid > 0 && !status)
            return;
        lg_pause_ms(ms);
    }
}

void lg_oneshots_main(const struct lg_runner *r, int arg)
{
    (void)arg;
    char path[PATH_MAX];
    struct lg_err e = {0};
    struct oneshots o = {.r = r};
    struct sigaction sa = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGCHLD, &sa, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    o.slot = mmap(NULL, SLOTS * sizeof *o.slot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (o.slot == MAP_FAILED)
        _exit(1);
    sweep(r);
    lg_conf_path(r->conf, path, sizeof path, "run/oneshots.sock");
    o.listener = lg_unix_listen(path, SOCK_SEQPACKET | SOCK_NONBLOCK, 128, r->gid, &e);
    if (o.listener < 0) {
        lg_log_err(LG_ERROR, "containers for one command cannot be served", &e);
        lg_pause_ms(2000);
        _exit(1);
    }
    while (!ending) {
        struct pollfd f = {o.listener, POLLIN, 0};
        int n = poll(&f, 1, 1000);
        reap(&o);
        clean_due(&o);
        if (n > 0 && !ending)
            accept_one(&o);
    }
    end_runs(&o);
    _exit(0);
}
