/*
 * The master: starts the children, hands out operations, ends what is late, reaps. It never speaks to an
 * engine, so nothing an engine does can stop it. A lock whose descriptor every child inherits makes a new
 * master wait until all of a killed one have ended.
 */
#include "job/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "job/queue.h"

#define POLL_MS    400   /* look at the database without a doorbell */
#define RESPAWN_MS 200   /* pause before a dead helper is started again */
#define REMOVE_MS  10500 /* for helpers to remove what nobody should find later */
#define GRACE_MS   2000  /* for operations at work when asked to end */

/* Children that are not job workers. Watchers and reconcilers: one per driver. */
struct helper {
    const char *name;
    void (*main)(const struct lg_runner *r, int arg);
    int arg;
    pid_t pid;
    int64_t start_at; /* mono ms */
};

struct master {
    struct lg_runner *r;
    struct lg_queue q;
    struct helper helper[5 + 2 * LG_DRIVERS_MAX];
    int helpers;
    int signals, bell;
    bool ending;
    int64_t end_by;
};

/* ---- children ---- */

/* SQLite must not be open across fork: the child would inherit its idea of the file's locks. */
static void close_db(struct master *m)
{
    lg_db_close(m->q.db);
    m->q.db = NULL;
    m->q.look = true;
}

/* Descriptors of the master's that a child has no business with. */
static void child_close(struct master *m, int keep)
{
    for (int i = 0; i < m->q.slots; i++)
        if (m->q.slot[i].sock != keep)
            lg_fd_close(&m->q.slot[i].sock);
    lg_fd_close(&m->signals);
    lg_fd_close(&m->bell);
}

static int start_worker(struct master *m, struct lg_slot *s, struct lg_err *e)
{
    int pair[2];
    close_db(m);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket pair");
    pid_t pid = lg_child_fork("lodge-job", e);
    if (!pid) {
        close(pair[0]);
        child_close(m, -1);
        lg_worker_main(m->r, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pid;
    }
    *s = (struct lg_slot){.pid = pid, .sock = pair[0]};
    lg_fd_nonblock(s->sock, true);
    return 0;
}

static int start_helper(struct master *m, struct helper *h, struct lg_err *e)
{
    close_db(m);
    pid_t pid = lg_child_fork(h->name, e);
    if (!pid) {
        child_close(m, -1);
        h->main(m->r, h->arg);
        _exit(0);
    }
    if (pid < 0)
        return pid;
    h->pid = pid;
    return 0;
}

static void start_missing(struct master *m)
{
    struct lg_err e = {0};
    int64_t now = lg_clock_mono();
    for (int i = 0; !m->ending && i < m->q.slots; i++)
        if (!m->q.slot[i].pid && start_worker(m, &m->q.slot[i], &e))
            lg_log_err(LG_ERROR, "a worker does not start", &e);
    for (int i = 0; !m->ending && i < m->helpers; i++)
        if (!m->helper[i].pid && now >= m->helper[i].start_at && start_helper(m, &m->helper[i], &e))
            lg_log_err(LG_ERROR, "a helper does not start", &e);
}

static void reaped(struct master *m, pid_t pid, int status)
{
    for (int i = 0; i < m->q.slots; i++)
        if (m->q.slot[i].pid == pid) {
            struct lg_slot *s = &m->q.slot[i];
            struct lg_word_msg w; /* what it still said before it died */
            while (recv(s->sock, &w, sizeof w, MSG_DONTWAIT) == (ssize_t)sizeof w)
                lg_queue_word(&m->q, s, &w);
            lg_queue_lost(&m->q, s);
            lg_fd_close(&s->sock);
            *s = (struct lg_slot){.sock = -1};
        }
    for (int i = 0; i < m->helpers; i++)
        if (m->helper[i].pid == pid) {
            m->helper[i].pid = 0;
            m->helper[i].start_at = lg_clock_mono() + RESPAWN_MS;
            if (!m->ending)
                lg_log(LG_WARN, "a helper ended and is started again", "name", m->helper[i].name, "how",
                       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit", NULL);
        }
}

static void read_signals(struct master *m)
{
    struct signalfd_siginfo si;
    while (read(m->signals, &si, sizeof si) == (ssize_t)sizeof si)
        if (si.ssi_signo != SIGCHLD) {
            m->end_by = m->ending ? 0 : lg_clock_mono() + GRACE_MS;
            m->ending = true;
        }
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        reaped(m, pid, status);
}

/* ---- the loop ---- */

static void read_worker(struct master *m, struct lg_slot *s)
{
    struct lg_word_msg w;
    while (s->sock >= 0 && recv(s->sock, &w, sizeof w, MSG_DONTWAIT) == (ssize_t)sizeof w)
        lg_queue_word(&m->q, s, &w);
}

static int poll_timeout(struct master *m)
{
    int64_t now = lg_clock_mono(), until = lg_queue_deadlines(&m->q), idle = now + POLL_MS;
    for (int i = 0; i < m->helpers; i++)
        if (!m->helper[i].pid && m->helper[i].start_at < until)
            until = m->helper[i].start_at;
    if (m->q.look && m->q.hold_until > now && m->q.hold_until < until)
        until = m->q.hold_until;
    if (until > idle)
        until = idle;
    return until <= now ? 1 : (int)(until - now);
}

static void wait_and_read(struct master *m)
{
    struct pollfd f[2 + LG_WORKERS_MAX] = {{m->signals, POLLIN, 0}, {m->bell, POLLIN, 0}};
    for (int i = 0; i < m->q.slots; i++)
        f[2 + i] = (struct pollfd){m->q.slot[i].sock, POLLIN, 0};
    if (poll(f, (nfds_t)(2 + m->q.slots), poll_timeout(m)) <= 0)
        return;
    for (int i = 0; i < m->q.slots; i++)
        if (f[2 + i].revents & POLLIN)
            read_worker(m, &m->q.slot[i]);
    if (f[1].revents) {
        lg_bell_drain(m->bell);
        m->q.look = true;
    }
    if (f[0].revents)
        read_signals(m);
}

static bool busy(const struct master *m)
{
    for (int i = 0; i < m->q.slots; i++)
        if (m->q.slot[i].busy)
            return true;
    return false;
}

static void signal_helpers(const struct master *m, int sig)
{
    for (int i = 0; i < m->helpers; i++)
        if (m->helper[i].pid)
            kill(m->helper[i].pid, sig);
}

static bool helper_lives(struct master *m)
{
    pid_t pid;
    bool any = false;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int i = 0; i < m->helpers; i++)
            if (m->helper[i].pid == pid)
                m->helper[i].pid = 0;
    for (int i = 0; i < m->helpers; i++)
        any |= m->helper[i].pid != 0;
    return any;
}

/* What is still at work begins again with the next master: every engine call may be repeated. */
static void end_children(struct master *m)
{
    for (int i = 0; i < m->q.slots; i++)
        if (m->q.slot[i].pid)
            kill(m->q.slot[i].pid, SIGKILL);
    signal_helpers(m, SIGTERM); /* whoever has something to remove does it now */
    for (int64_t until = lg_clock_mono() + REMOVE_MS; lg_clock_mono() < until && helper_lives(m);)
        lg_pause_ms(10);
    signal_helpers(m, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

static void loop(struct master *m)
{
    while (!m->ending || (busy(m) && lg_clock_mono() < m->end_by)) {
        if (!m->ending) {
            start_missing(m);
            lg_queue_scan(&m->q);
        }
        wait_and_read(m);
    }
    close_db(m);
    end_children(m);
}

/* ---- start ---- */

static int take_lock(struct lg_runner *r, struct lg_err *e)
{
    char path[PATH_MAX];
    lg_conf_path(r->conf, path, sizeof path, "run/runner.lock");
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (r->lock_fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot open %s", path);
    if (!flock(r->lock_fd, LOCK_EX | LOCK_NB))
        return 0;
    lg_log(LG_WARN, "waiting until every process of an earlier lodge-runner has ended", NULL);
    while (flock(r->lock_fd, LOCK_EX))
        if (errno != EINTR)
            return lg_fail_errno(e, LG_INTERNAL, "cannot lock %s", path);
    return 0;
}

static int own_signals(struct lg_err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? lg_fail_errno(e, LG_INTERNAL, "cannot read signals") : fd;
}

/* Reads what all children need from the database, before any of them is forked. */
static int read_site(struct lg_runner *r, struct lg_err *e)
{
    struct lg_db *db = NULL;
    int rc = lg_db_open(&db, r->conf, e);
    if (!rc)
        snprintf(r->site, sizeof r->site, "%s", lg_db_site(db));
    lg_db_close(db);
    return rc;
}

static int prepare(struct master *m, struct lg_err *e)
{
    struct lg_runner *r = m->r;
    char path[PATH_MAX];
    int rc = take_lock(r, e);
    if (!rc)
        rc = read_site(r, e);
    if (rc)
        return rc;
    for (int i = 0; i < r->drivers; i++)
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, r->hints[i]))
            return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket pair");
    if ((m->bell = lg_bell_open(lg_conf_path(r->conf, path, sizeof path, "run/runner.bell"), r->gid, e)) < 0)
        return m->bell;
    return (m->signals = own_signals(e)) < 0 ? m->signals : 0;
}

static void list_helpers(struct master *m)
{
    for (int i = 0; i < m->r->drivers; i++)
        m->helper[m->helpers++] =
            (struct helper){.name = "lodge-reconcile", .main = lg_reconcile_main, .arg = i};
    m->helper[m->helpers++] = (struct helper){.name = "lodge-keeper", .main = lg_keeper_main};
    m->helper[m->helpers++] = (struct helper){.name = "lodge-streams", .main = lg_streams_main};
    m->helper[m->helpers++] = (struct helper){.name = "lodge-oneshots", .main = lg_oneshots_main};
    if (m->r->sandbox)
        m->helper[m->helpers++] = (struct helper){.name = "lodge-sandbox", .main = m->r->sandbox};
    m->helper[m->helpers++] = (struct helper){.name = "lodge-layers", .main = lg_layers_main};
    for (int i = 0; i < m->r->drivers; i++)
        if (m->r->driver[i]->watch)
            m->helper[m->helpers++] = (struct helper){.name = "lodge-watch", .main = lg_watch_main, .arg = i};
}

int lg_master_main(struct lg_runner *r, struct lg_err *e)
{
    static struct master m;
    m = (struct master){.r = r, .signals = -1, .bell = -1};
    int rc = prepare(&m, e);
    if (rc)
        return rc;
    m.q.runner = r;
    m.q.look = true;
    m.q.slots = r->conf->job_workers < LG_WORKERS_MAX ? (int)r->conf->job_workers : LG_WORKERS_MAX;
    for (int i = 0; i < m.q.slots; i++)
        m.q.slot[i].sock = -1;
    list_helpers(&m);
    loop(&m);
    return 0;
}
