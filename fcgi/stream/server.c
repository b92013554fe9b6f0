#include "stream/server.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "stream/client.h"

enum { GOODBYE_MS = 800 };

struct account {
    const char *name;
    int uid, gid; /* -1: stay as we are */
};

/* Whom to become: nobody else unless we are root. */
static int find_account(const struct lg_conf *conf, struct account *a, struct lg_err *e)
{
    *a = (struct account){.name = conf->run_user, .uid = -1, .gid = -1};
    if (geteuid())
        return 0;
    if (!*conf->run_user) {
        lg_log(LG_WARN, "running as root, because run_user is empty", NULL);
        return 0;
    }
    const struct passwd *pw = getpwnam(conf->run_user);
    if (!pw)
        return lg_fail(e, LG_INVALID, "setting run_user: there is no user %s", conf->run_user);
    a->uid = (int)pw->pw_uid;
    a->gid = (int)pw->pw_gid;
    return 0;
}

static int drop_privileges(const struct account *a, struct lg_err *e)
{
    if (a->uid >= 0) {
        gid_t gid = (gid_t)a->gid;
        uid_t uid = (uid_t)a->uid;
        if (initgroups(a->name, gid) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
            return lg_fail_errno(e, LG_INTERNAL, "cannot become %s", a->name);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return lg_fail_errno(e, LG_INTERNAL, "cannot give up new privileges");
#ifndef __SANITIZE_ADDRESS__ /* the leak checker needs to trace itself */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return lg_fail_errno(e, LG_INTERNAL, "cannot become undumpable");
#endif
    return 0;
}

static void raise_descriptor_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l))
        return;
    l.rlim_cur = l.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &l))
        lg_log(LG_WARN, "cannot raise the limit of open descriptors", NULL);
}

static void stop(struct lg_server *s)
{
    s->stopping = true;
    lg_log(LG_INFO, "shutting down", NULL);
    lg_timer_cancel(&s->loop.timers, &s->accept_again);
    lg_loop_close(&s->loop, &s->listener);
    lg_feed_close(s);
    lg_clients_goodbye(s);
}

static void on_signal(struct lg_source *src, uint32_t events)
{
    struct lg_server *s = lg_container_of(src, struct lg_server, signals);
    struct signalfd_siginfo info;
    (void)events;
    if (read(src->fd, &info, sizeof info) == sizeof info && !s->stopping)
        stop(s);
}

static int watch_signals(struct lg_server *s, struct lg_err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL))
        return lg_fail_errno(e, LG_INTERNAL, "cannot block signals");
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    s->signals = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_signal};
    return fd < 0 || lg_loop_add(&s->loop, &s->signals)
               ? lg_fail_errno(e, LG_INTERNAL, "cannot watch signals")
               : 0;
}

static int open_all(struct lg_server *s, int gid, struct lg_err *e)
{
    char path[PATH_MAX];
    int rc = lg_loop_init(&s->loop, e);
    if (!rc)
        rc = lg_key_load(&s->key, lg_conf_key(s->conf, path, sizeof path, "context"), e);
    if (!rc)
        rc = watch_signals(s, e);
    if (!rc)
        rc = lg_feed_open(s, lg_conf_path(s->conf, path, sizeof path, "run/feed.sock"), gid, e);
    if (!rc) /* last: who can connect is served */
        rc = lg_clients_listen(s, lg_conf_path(s->conf, path, sizeof path, "run/stream.sock"), gid, e);
    return rc;
}

static void end_of_turn(struct lg_server *s)
{
    lg_clients_flush(s);
    lg_events_pump(s);
    lg_feed_flush(s);
}

static void serve(struct lg_server *s)
{
    while (!s->stopping) {
        lg_loop_turn(&s->loop, -1);
        end_of_turn(s);
    }
    int64_t until = lg_clock_mono() + GOODBYE_MS;
    for (int64_t left; s->connections && (left = until - lg_clock_mono()) > 0;) {
        lg_loop_turn(&s->loop, (int)left);
        end_of_turn(s);
    }
}

static void close_all(struct lg_server *s)
{
    struct lg_client *c;
    TAILQ_FOREACH(c, &s->clients, all)
    lg_client_drop(c);
    lg_clients_flush(s);
    lg_loop_close(&s->loop, &s->signals);
    lg_loop_done(&s->loop);
}

int lg_stream_run(const struct lg_conf *conf, struct lg_err *e)
{
    static struct lg_server server;
    struct lg_server *s = &server;
    struct account account;
    s->conf = conf;
    s->listener.fd = s->signals.fd = s->feed.listener.fd = s->feed.peer.fd = -1;
    TAILQ_INIT(&s->clients);
    TAILQ_INIT(&s->dirty);
    TAILQ_INIT(&s->dead);
    TAILQ_INIT(&s->resuming);
    raise_descriptor_limit();
    umask(0117);
    int rc = find_account(conf, &account, e);
    if (!rc)
        rc = open_all(s, account.gid, e);
    if (!rc)
        rc = drop_privileges(&account, e);
    if (rc)
        return rc;
    lg_log(LG_INFO, "ready", NULL);
    serve(s);
    close_all(s);
    return 0;
}
