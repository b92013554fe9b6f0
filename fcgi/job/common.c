#include "job/job.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

void lg_hint(const struct lg_runner *r, int driver, const char *instance_id)
{
    /* Lossy by design: a full socket means the reconciler has plenty to look at, and it sweeps anyway. */
    for (int i = 0; i < r->drivers; i++)
        if (driver == i || driver == LG_ALL_DRIVERS)
            (void)!send(r->hints[i][1], instance_id, strlen(instance_id), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void lg_pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Signals as in a fresh process: the master's are blocked and read by signalfd. */
static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    static const int own[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        signal(own[i], SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t lg_child_fork(const char *name, struct lg_err *e)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot start %s", name);
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    prctl(PR_SET_NAME, name);
    reset_signals();
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the master decides when children end */
    lg_log_name(name);
    return 0;
}

struct lg_db *lg_child_db(const struct lg_runner *r)
{
    struct lg_db *db = NULL;
    for (int ms = 100;; ms = ms < 2000 ? ms * 2 : 2000) {
        struct lg_err e = {0};
        if (!lg_db_open(&db, r->conf, &e))
            return db;
        lg_log_err(LG_WARN, "the database does not open; trying again", &e);
        lg_pause_ms(ms);
    }
}

void lg_engines_init(struct lg_engines *s, const struct lg_runner *r, const volatile sig_atomic_t *cancel)
{
    memset(s, 0, sizeof *s);
    s->runner = r;
    s->ctx = (struct lg_driver_ctx){.conf = r->conf, .site = r->site, .cancel = cancel};
}

int lg_engines_get(struct lg_engines *s, const char *backend, const struct lg_driver **d,
                   struct lg_engine **g, struct lg_err *e)
{
    for (int i = 0; i < s->runner->drivers; i++) {
        const struct lg_driver *found = s->runner->driver[i];
        if (strcmp(found->backend, backend))
            continue;
        int rc = s->handle[i] ? 0 : found->open(&s->ctx, &s->handle[i], e);
        if (rc)
            return rc;
        *d = found;
        *g = s->handle[i];
        return 0;
    }
    return lg_fail(e, LG_UNAVAILABLE, "no driver for backend %s is enabled (setting drivers)", backend);
}

void lg_engines_done(struct lg_engines *s)
{
    for (int i = 0; i < s->runner->drivers; i++)
        s->runner->driver[i]->close(s->handle[i]);
    memset(s->handle, 0, sizeof s->handle);
}
