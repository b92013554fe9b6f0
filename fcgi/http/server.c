#include "http/server.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "http/loop.h"
#include "http/metrics.h"

#define BACKLOG     4096
#define CHILDREN    128
#define RESPAWN_MS  1000 /* a child that lived shorter is started again only after this */
#define SHUTDOWN_MS 3000

static volatile sig_atomic_t stopping;

struct child {
    pid_t pid;
    const struct lg_pool *pool;
    int fd;
    int64_t started; /* monotonic ms */
};

struct master {
    struct lg_app app;
    struct child child[CHILDREN];
    int count;
    pid_t pid;
    sigset_t unblocked;
};

static void on_term(int sig)
{
    (void)sig;
    stopping = 1;
    FCGX_ShutdownPending();
}

static void on_child(int sig)
{
    (void)sig;
}

static void catch_signals(sigset_t *unblocked)
{
    sigset_t block;
    struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART},
                     chld = {.sa_handler = on_child, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &term, NULL);
    sigaction(SIGCHLD, &chld, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigaddset(&block, SIGINT);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, unblocked);
    sigdelset(unblocked, SIGTERM);
    sigdelset(unblocked, SIGINT);
    sigdelset(unblocked, SIGCHLD);
}

static int load_keys(struct lg_app *app, struct lg_err *e)
{
    const struct {
        struct lg_key *key;
        const char *name;
    } keys[] = {{&app->token_key, "token"},
                {&app->context_key, "context"},
                {&app->cookie_key, "cookie"},
                {&app->env_key, "env"}};
    char path[PATH_MAX];
    int rc = lg_crypto_init(e);
    for (size_t i = 0; !rc && i < sizeof keys / sizeof keys[0]; i++)
        rc = lg_key_load(keys[i].key, lg_conf_key(&app->conf, path, sizeof path, keys[i].name), e);
    return rc;
}

/* As root: become conf.run_user for good. *gid is the group that sockets are for, -1 when not root. */
static int find_user(const struct lg_conf *c, uid_t *uid, int *gid, struct lg_err *e)
{
    *uid = 0;
    *gid = -1;
    if (geteuid() || !*c->run_user)
        return 0;
    const struct passwd *pw = getpwnam(c->run_user);
    if (!pw)
        return lg_fail(e, LG_INTERNAL, "setting run_user: there is no user %s", c->run_user);
    *uid = pw->pw_uid;
    *gid = (int)pw->pw_gid;
    return 0;
}

static int drop(uid_t uid, int gid, struct lg_err *e)
{
    if (uid &&
        (setgroups(0, NULL) || setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) || setresuid(uid, uid, uid)))
        return lg_fail_errno(e, LG_INTERNAL, "cannot give up privileges");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return lg_fail_errno(e, LG_INTERNAL, "cannot forbid new privileges");
    return 0;
}

static int open_pool(struct master *m, const struct lg_pool *p, int gid, struct lg_err *e)
{
    char rel[64], path[PATH_MAX];
    int fd = -1;
    if (p->run && p->bell) {
        snprintf(rel, sizeof rel, "run/%s", p->bell);
        fd = lg_bell_open(lg_conf_path(&m->app.conf, path, sizeof path, rel), gid, e);
    } else if (!p->run) {
        snprintf(rel, sizeof rel, "run/%s.sock", p->name);
        fd = lg_unix_listen(lg_conf_path(&m->app.conf, path, sizeof path, rel), SOCK_STREAM | SOCK_NONBLOCK,
                            BACKLOG, gid, e);
    }
    if (fd < 0 && !(p->run && !p->bell))
        return fd;
    long workers = 1;
    if (!p->run)
        memcpy(&workers, (const char *)&m->app.conf + p->workers_at, sizeof workers);
    for (long i = 0; i < workers && m->count < CHILDREN; i++)
        m->child[m->count++] = (struct child){.pool = p, .fd = fd};
    return 0;
}

static int child_main(struct master *m, const struct child *c)
{
    struct lg_err e = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != m->pid)
        return 1;
    if (lg_db_open(&m->app.db, &m->app.conf, &e)) {
        lg_log_err(LG_ERROR, "cannot start a worker", &e);
        return 1;
    }
    int rc;
    if (c->pool->run) {
        sigprocmask(SIG_SETMASK, &m->unblocked, NULL);
        rc = c->pool->run(&m->app, c->fd);
    } else {
        rc = lg_loop(&m->app, c->pool, c->fd, &stopping, &m->unblocked);
    }
    lg_db_close(m->app.db);
    return rc;
}

static void start(struct master *m, struct child *c)
{
    c->started = lg_clock_mono();
    c->pid = fork();
    if (!c->pid) {
        int rc = child_main(m, c);
        _exit(rc);
    }
}

static void reap(struct master *m)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < m->count; i++)
            if (m->child[i].pid == pid) {
                m->child[i].pid = 0;
                if (stopping)
                    continue;
                lg_metrics_restarted();
                lg_log(LG_WARN, "a worker ended, starting another", "pool", m->child[i].pool->name, NULL);
            }
}

static bool any_alive(const struct master *m)
{
    for (int i = 0; i < m->count; i++)
        if (m->child[i].pid > 0)
            return true;
    return false;
}

static void signal_all(const struct master *m, int sig)
{
    for (int i = 0; i < m->count; i++)
        if (m->child[i].pid > 0)
            kill(m->child[i].pid, sig);
}

static void supervise(struct master *m)
{
    int64_t kill_at = 0;
    for (;;) {
        reap(m);
        int64_t now = lg_clock_mono();
        if (stopping) {
            if (!any_alive(m))
                return;
            if (!kill_at)
                signal_all(m, SIGTERM), kill_at = now + SHUTDOWN_MS;
            else if (now > kill_at)
                signal_all(m, SIGKILL);
        }
        bool waiting = stopping;
        for (int i = 0; !stopping && i < m->count; i++) {
            struct child *c = &m->child[i];
            if (c->pid <= 0 && (!c->started || now - c->started >= RESPAWN_MS))
                start(m, c);
            waiting |= c->pid <= 0;
        }
        struct timespec ts = {.tv_nsec = 100000000};
        ppoll(NULL, 0, waiting ? &ts : NULL, &m->unblocked);
    }
}

static int prepare(struct master *m, const struct lg_pool *pools, struct lg_err *e)
{
    uid_t uid;
    int gid, rc = load_keys(&m->app, e);
    if (!rc)
        rc = find_user(&m->app.conf, &uid, &gid, e);
    if (!rc)
        rc = lg_metrics_start(pools, e);
    if (!rc)
        rc = lg_rate_start(&m->app.conf, e);
    for (const struct lg_pool *p = pools; !rc && p->name; p++)
        rc = open_pool(m, p, gid, e);
    return rc ? rc : drop(uid, gid, e);
}

int lg_serve(const struct lg_pool *pools)
{
    static struct master m;
    struct lg_err e = {0};
    lg_log_init("lodge-api", LG_INFO);
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "200", 0);
    setenv("LIBFCGI_IS_AF_UNIX_KEEPER_POLL_TIMEOUT", "200", 0);
    catch_signals(&m.unblocked);
    m.pid = getpid();
    int rc = lg_conf_load(&m.app.conf, &e);
    if (!rc && m.app.conf.log_debug)
        lg_log_init("lodge-api", LG_DEBUG);
    if (!rc)
        rc = prepare(&m, pools, &e);
    if (rc) {
        lg_log_err(LG_ERROR, "lodge-api cannot start", &e);
        return 1;
    }
    supervise(&m);
    return 0;
}
