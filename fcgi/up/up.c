#include "up/up.h"

#include <errno.h>
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
#include "driver/container/engine.h"
#include "driver/kvm/engine.h"
#include "up/children.h"
#include "up/nginx.h"
#include "up/template.h"

#define READY_WARN_MS 20000

/* Everything that must live as long as the children do. */
struct site {
    struct lg_conf conf;
    struct lg_who who;
    struct lg_engine_cmd engine;
    char api[PATH_MAX + 16], runner[PATH_MAX + 16], stream[PATH_MAX + 16], nginx[PATH_MAX + 16],
        lodge[PATH_MAX + 16];
    const char *vm_argv[3], *api_argv[2], *runner_argv[2], *stream_argv[2], *nginx_argv[8];
    struct lg_child child[6];
    struct lg_family family;
    bool vm; /* a private libvirtd is to run */
    int lock, guard;
    pid_t guard_pid;
};

/* nginx says best itself what is wrong with a configuration. */
static int check_nginx(const struct site *s, struct lg_err *e)
{
    const char *argv[] = {"nginx", "-t", "-q", "-e", "stderr", "-p", s->nginx, "-c", "nginx.conf", NULL};
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    int rc =
        lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 20000, NULL, &said, e);
    return rc <= 0 ? rc
                   : lg_fail(e, LG_INVALID, "nginx refuses its configuration: %.400s", lg_buf_cstr(&said));
}

/* In the order of starting; stopped in reverse. */
static void table(struct site *s)
{
    const struct lg_conf *c = &s->conf;
    snprintf(s->api, sizeof s->api, "%s/lodge-api", c->bin_dir);
    snprintf(s->runner, sizeof s->runner, "%s/lodge-runner", c->bin_dir);
    snprintf(s->stream, sizeof s->stream, "%s/lodge-stream", c->bin_dir);
    snprintf(s->lodge, sizeof s->lodge, "%s/lodge", c->bin_dir);
    s->vm_argv[0] = s->lodge;
    s->vm_argv[1] = "vm-engine";
    s->api_argv[0] = s->api;
    s->runner_argv[0] = s->runner;
    s->stream_argv[0] = s->stream;
    const char *nginx[] = {"nginx", "-e", "stderr", "-p", s->nginx, "-c", "nginx.conf", NULL};
    memcpy(s->nginx_argv, nginx, sizeof nginx);
    int n = 0;
    if (s->engine.argv[0])
        s->child[n++] = (struct lg_child){.name = "engine",
                                          .argv = s->engine.argv,
                                          .env = s->engine.env,
                                          .restart_ms = 200,
                                          .grace_ms = 2000};
    if (s->vm)
        s->child[n++] =
            (struct lg_child){.name = "vm-engine", .argv = s->vm_argv, .restart_ms = 200, .grace_ms = 3000};
    s->child[n++] = (struct lg_child){
        .name = "runner", .argv = s->runner_argv, .restart_ms = 200, .grace_ms = 14000, .sweep = true};
    s->child[n++] = (struct lg_child){
        .name = "stream", .argv = s->stream_argv, .restart_ms = 100, .grace_ms = 1000, .sweep = true};
    s->child[n++] = (struct lg_child){
        .name = "api", .argv = s->api_argv, .restart_ms = 100, .grace_ms = 2000, .sweep = true};
    s->child[n++] = (struct lg_child){
        .name = "nginx", .argv = s->nginx_argv, .restart_ms = 100, .grace_ms = 1500, .sweep = true};
    s->family = (struct lg_family){.conf = c, .child = s->child, .count = n};
}

static int prepare_engine(struct site *s, struct lg_err *e)
{
    int rc = lg_engine_prepare(&s->conf, &s->engine, e);
    if (rc == -(int)LG_UNSUPPORTED) {
        memset(&s->engine, 0, sizeof s->engine); /* the administrator's own engine: nothing to start */
        lg_err_clear(e);
        return 0;
    }
    return rc;
}

/* Without libvirt everything else works; who asks for a machine is told why there is none. */
static void prepare_vm_engine(struct site *s)
{
    struct lg_err e = {0};
    int rc = lg_vm_engine_wanted(&s->conf, &e);
    s->vm = !rc;
    if (rc == -(int)LG_UNAVAILABLE)
        fprintf(stderr, "lodge: no virtual machines: %s\n", e.msg);
}

/* Keys, certificate and nginx's configuration, checked by nginx. */
static int files(struct site *s, struct lg_err *e)
{
    const struct lg_conf *c = &s->conf;
    lg_conf_path(c, s->nginx, sizeof s->nginx, "nginx");
    int rc = lg_up_keys(c, e);
    rc = rc ? rc : lg_up_certificate(c, e);
    rc = rc ? rc : lg_nginx_render(c, s->who.root, e);
    return rc ? rc : check_nginx(s, e);
}

static int check_programs(const struct lg_conf *c, struct lg_err *e)
{
    static const char *const names[] = {"lodge-api", "lodge-stream", "lodge-runner"};
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", c->bin_dir, names[i]);
        if (access(path, X_OK))
            return lg_fail_errno(e, LG_INVALID, "cannot run %s (`make` builds it)", path);
    }
    return 0;
}

/* A restore that was interrupted after its decision is finished, and its settings are the ones that count. */
static int finish_restore(struct site *s, struct lg_err *e)
{
    int rc = lg_restore_finish(&s->conf, e);
    if (rc <= 0)
        return rc;
    fprintf(stderr, "lodge: finished a restore that was interrupted\n");
    rc = lg_conf_load(&s->conf, e);
    rc = rc ? rc : lg_up_who(&s->conf, &s->who, e);
    return rc ? rc : lg_up_dirs(&s->conf, &s->who, e);
}

/* Everything that can be wrong is found here, before anything is started. */
static int prepare(struct site *s, struct lg_err *e)
{
    const struct lg_conf *c = &s->conf;
    s->lock = s->guard = -1;
    int rc = lg_up_who(c, &s->who, e);
    rc = rc ? rc : check_programs(c, e);
    if (!rc && mkdir(c->state_dir, 0755) && errno != EEXIST)
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot make %s", c->state_dir);
    rc = rc ? rc : lg_up_check_paths(c, &s->who, e);
    rc = rc ? rc : lg_up_dirs(c, &s->who, e);
    if (!rc && (s->lock = lg_up_lock(c, e)) < 0)
        rc = s->lock;
    rc = rc ? rc : finish_restore(s, e);
    if (rc)
        return rc;
    int left = lg_family_sweep(c);
    if (left)
        fprintf(stderr, "lodge: ended %d processes that an earlier start had left\n", left);
    rc = lg_up_ports(c, e);
    rc = rc ? rc : files(s, e);
    rc = rc ? rc : prepare_engine(s, e);
    lg_engine_tidy(c);
    rc = rc ? rc : lg_up_database(c, &s->who, e);
    if (!rc)
        lg_up_base_image(c, &s->who);
    prepare_vm_engine(s);
    return rc;
}

static void greet(const struct site *s, int64_t took_ms)
{
    const struct lg_conf *c = &s->conf;
    printf("\nLodge is up (%lld.%lld s)\n\n"
           "  Open      https://%s%s/\n"
           "  Sign in   user and password are in %s/credentials\n"
           "  Apps      https://<name>.%s%s/\n"
           "  Logs      %s/log/\n\n"
           "The certificate is self-signed: accept it once in the browser. Ctrl-C stops Lodge; instances go "
           "on.\n",
           (long long)(took_ms / 1000), (long long)(took_ms % 1000 / 100), c->domain, lg_port_suffix(c),
           c->state_dir, c->apps_domain, lg_port_suffix(c), c->state_dir);
    if (c->compat_listeners)
        printf(
            "Gateway mode is on (compat_listeners = 1): on ports %s and %s every local user may act in any\n"
            "tenant without signing in. Turn it off where other people have accounts.\n",
            c->compat_ports, c->repl_ports);
    fflush(stdout);
}

/* Waits for a signal that ends us, at most `ms`. SIGCHLD only wakes us. */
static bool told_to_end(const sigset_t *signals, int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    int sig = sigtimedwait(signals, NULL, &t);
    return sig == SIGINT || sig == SIGTERM || sig == SIGHUP;
}

/* Looks until the site is up, or has been degraded for so long that a person should know. True when done. */
static bool look(const struct site *s, int64_t took_ms, bool *warned)
{
    char why[512] = "";
    enum lg_site_state state = lg_up_answers(&s->conf, why, sizeof why);
    bool late = took_ms > READY_WARN_MS;
    if (state == LG_SITE_UP || (state == LG_SITE_DEGRADED && late))
        greet(s, took_ms);
    if (state != LG_SITE_UP && late && !*warned)
        fprintf(stderr, "lodge: not everything works yet: %s (logs: %s/log/)\n", why, s->conf.state_dir);
    *warned = *warned || late;
    return state == LG_SITE_UP || (state == LG_SITE_DEGRADED && late);
}

static void watch(struct site *s, const sigset_t *signals, int64_t began)
{
    bool done = false, warned = false;
    for (int ms = 0; !told_to_end(signals, ms);) {
        ms = lg_family_tend(&s->family);
        if (done)
            continue;
        done = look(s, lg_clock_mono() - began, &warned);
        ms = done || ms < 50 ? ms : 50;
    }
}

static void finish(struct site *s)
{
    fprintf(stderr, "\nlodge: stopping; instances go on\n");
    lg_family_stop(&s->family);
    lg_fd_close(&s->guard);
    /* It alone: as the reaper of the engine's descendants we are also the parent of instances' monitors,
     * which go on. */
    while (waitpid(s->guard_pid, NULL, 0) < 0 && errno == EINTR)
        ;
    lg_fd_close(&s->lock);
}

/* What a service manager's processes find when they start. */
static int prepare_all(struct site *s, struct lg_err *e)
{
    if ((s->lock = lg_up_lock(&s->conf, e)) < 0)
        return s->lock;
    int rc = finish_restore(s, e);
    rc = rc ? rc : files(s, e);
    rc = rc ? rc : prepare_engine(s, e);
    rc = rc ? rc : lg_up_database(&s->conf, &s->who, e);
    if (!rc)
        lg_up_base_image(&s->conf, &s->who);
    lg_fd_close(&s->lock);
    return rc;
}

int lg_prepare(int argc, char **argv)
{
    static struct site s;
    struct lg_err e = {0};
    bool all = argc == 2 && !strcmp(argv[1], "--all");
    if (argc > 1 + all) {
        fprintf(stderr, "usage: %s [--all]   (--all: the database and the base image too)\n", argv[0]);
        return 2;
    }
    umask(0022);
    setenv("PATH", LG_PROC_PATH, 1);
    int rc = lg_conf_load(&s.conf, &e);
    rc = rc ? rc : lg_up_who(&s.conf, &s.who, &e);
    rc = rc ? rc : lg_up_dirs(&s.conf, &s.who, &e);
    rc = rc ? rc : lg_up_check_paths(&s.conf, &s.who, &e);
    rc = rc ? rc : all ? prepare_all(&s, &e) : files(&s, &e);
    if (rc)
        fprintf(stderr, "lodge: %s\n", e.msg);
    return rc ? 1 : 0;
}

int lg_engine_run(int argc, char **argv)
{
    static struct site s;
    struct lg_err e = {0};
    if (argc > 1) {
        fprintf(stderr, "usage: %s\n", argv[0]);
        return 2;
    }
    umask(0022);
    int rc = lg_conf_load(&s.conf, &e);
    rc = rc ? rc : prepare_engine(&s, &e);
    if (!rc && !s.engine.argv[0])
        return 0; /* the administrator's own engine */
    lg_engine_tidy(&s.conf);
    setenv("PATH", LG_PROC_PATH, 1);
    if (!rc)
        execvpe(s.engine.argv[0], (char *const *)(uintptr_t)s.engine.argv,
                (char *const *)(uintptr_t)s.engine.env);
    fprintf(stderr, "lodge: %s\n", rc ? e.msg : strerror(errno));
    return 1;
}

int lg_vm_engine_run(int argc, char **argv)
{
    static struct lg_conf c;
    struct lg_err e = {0};
    if (argc > 1) {
        fprintf(stderr, "usage: %s\n", argv[0]);
        return 2;
    }
    umask(0022);
    int rc = lg_conf_load(&c, &e);
    rc = rc ? rc : lg_vm_engine_exec(&c, &e);
    if (rc == -(int)LG_UNSUPPORTED)
        return 0; /* none to run */
    fprintf(stderr, "lodge: %s\n", e.msg);
    return 1;
}

int lg_vm_image_run(int argc, char **argv)
{
    static struct site s;
    struct lg_err e = {0};
    int status;
    if (argc > 1) {
        fprintf(stderr, "usage: %s\n", argv[0]);
        return 2;
    }
    umask(0022);
    setenv("PATH", LG_PROC_PATH, 1);
    int rc = lg_conf_load(&s.conf, &e);
    rc = rc ? rc : lg_up_who(&s.conf, &s.who, &e);
    if (rc) {
        fprintf(stderr, "lodge: %s\n", e.msg);
        return 1;
    }
    if (!lg_vm_hosted(&s.conf))
        return 0;
    pid_t pid = lg_up_vm_image(&s.conf, &s.who);
    return pid < 0 || waitpid(pid, &status, 0) != pid || status;
}

int lg_up(int argc, char **argv)
{
    static struct site s;
    struct lg_err e = {0};
    sigset_t signals;
    int64_t began = lg_clock_mono();
    if (argc > 1) {
        fprintf(stderr, "usage: %s   (settings: LODGE_STATE/lodge.conf and LODGE_* variables)\n", argv[0]);
        return 2;
    }
    umask(0022);
    setenv("PATH", LG_PROC_PATH, 1); /* where execvp looks: never in folders of whoever called us */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* whoever reads our output may go away */
    int rc = lg_conf_load(&s.conf, &e);
    rc = rc ? rc : prepare(&s, &e);
    if (!rc && (s.guard = lg_family_guard(&s.conf, &s.guard_pid, &e)) < 0)
        rc = s.guard;
    if (rc) {
        fprintf(stderr, "lodge: %s\n", e.msg);
        return 1;
    }
    table(&s);
    if (lg_family_start(&s.family, &e)) {
        fprintf(stderr, "lodge: %s\n", e.msg);
    } else {
        if (lg_vm_hosted(&s.conf))
            lg_up_vm_image(&s.conf, &s.who);
        watch(&s, &signals, began);
    }
    finish(&s);
    return 0;
}
