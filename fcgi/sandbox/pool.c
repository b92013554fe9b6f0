#include "sandbox/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define TICK_MS        200
#define LOOK_AGAIN_MS  5000  /* for an image while the engine did not answer */
#define END_MS         10000 /* to remove what there is; the master waits a little longer */
#define ENGINE_END_MS  2000  /* of it, when the engine does not do it */
#define PRESSURE_SHARE 16    /* less than this part of the host's memory is free: memory is short */

/* ---- children ---- */

static void on_signal(struct lg_source *s, uint32_t events)
{
    struct lg_pool_state *p = lg_container_of(s, struct lg_pool_state, signals);
    struct signalfd_siginfo si;
    pid_t pid;
    (void)events;
    while (read(s->fd, &si, sizeof si) == (ssize_t)sizeof si)
        if (si.ssi_signo == SIGTERM && !p->end_by)
            p->end_by = lg_clock_mono() + END_MS;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        lg_makers_lost(p, pid);
        lg_images_lost(p, pid);
        if (pid == p->scribe_pid)
            p->scribe_pid = 0;
    }
}

static int watch_children(struct lg_pool_state *p, struct lg_err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    p->signals = (struct lg_source){.fd = fd, .events = EPOLLIN, .ready = on_signal};
    return fd < 0 || lg_loop_add(&p->loop, &p->signals) ? lg_fail_errno(e, LG_INTERNAL, "cannot read signals")
                                                        : 0;
}

/* ---- once in a while ---- */

static bool memory_is_short(const struct lg_conf *c)
{
    char line[128];
    long long total = 0, available = 1;
    FILE *f = fopen(c->sandbox_meminfo, "re");
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "MemTotal: %lld", &total);
        if (sscanf(line, "MemAvailable: %lld", &available) == 1)
            break;
    }
    if (f)
        fclose(f);
    return available < total / PRESSURE_SHARE;
}

static void look_at_images(struct lg_pool_state *p)
{
    static int64_t next;
    int64_t now = lg_clock_mono();
    if (now < next)
        return;
    next = now + LOOK_AGAIN_MS;
    for (int i = 0; i < p->images; i++) {
        struct lg_image_state *im = &p->image[i];
        bool prepare = p->runner->conf->sandbox_prepare && now >= im->again_at;
        if (im->step == LG_IMAGE_ERROR && !im->built)
            lg_image_look(im);
        else if (prepare && (im->step == LG_IMAGE_ABSENT || im->step == LG_IMAGE_ERROR)) {
            struct lg_err e = {0};
            if (lg_image_prepare(im, &e))
                lg_log_err(LG_WARN, "an image for code runs is not prepared", &e);
        }
    }
}

static void on_tick(struct lg_timer *t)
{
    struct lg_pool_state *p = lg_container_of(t, struct lg_pool_state, tick);
    p->pressure = memory_is_short(p->runner->conf);
    look_at_images(p);
    lg_repls_tend(p);
    if (!p->end_by)
        lg_scribe_start(p);
    lg_timer_set(&p->loop.timers, &p->tick, lg_clock_mono() + TICK_MS);
}

static void free_done(struct lg_pool_state *p)
{
    struct lg_task *r;
    while ((r = TAILQ_FIRST(&p->done))) {
        TAILQ_REMOVE(&p->done, r, all);
        lg_task_free(r);
    }
}

/* ---- the end ---- */

/* Whoever waits is told; what is not removed in time the next pool's sweep finds. */
static void __attribute__((noreturn)) end(struct lg_pool_state *p)
{
    struct lg_task *r, *next;
    lg_serve_end(p);
    for (r = TAILQ_FIRST(&p->runs); r; r = next) {
        next = TAILQ_NEXT(r, all);
        lg_task_fail(r, LG_UNAVAILABLE, "the runner is being stopped");
    }
    while (TAILQ_FIRST(&p->sessions))
        lg_repl_end(TAILQ_FIRST(&p->sessions));
    lg_scribe_end(p);
    free_done(p);
    while (lg_clock_mono() < p->end_by - (*p->engine_why ? END_MS - ENGINE_END_MS : 0) &&
           (!lg_boxes_end(p) || p->scribe_pid)) {
        lg_loop_turn(&p->loop, 20);
        lg_makers_tend(p);
        lg_boxes_tend(p);
        free_done(p);
    }
    _exit(0);
}

/* ---- start ---- */

static int prepare(struct lg_pool_state *p, struct lg_err *e)
{
    for (int i = 0; i < p->runner->drivers; i++)
        if (p->runner->driver[i]->sandbox)
            p->driver = p->runner->driver[i];
    if (!p->driver)
        return lg_fail(e, LG_UNSUPPORTED, "no driver with sandboxes is enabled");
    int rc = lg_languages_load(&p->langs, p->runner->conf, e);
    rc = rc ? rc : lg_images_init(p, e);
    rc = rc ? rc : lg_loop_init(&p->loop, e);
    rc = rc ? rc : watch_children(p, e);
    rc = rc ? rc : lg_makers_start(p, e);
    return rc ? rc : lg_serve_listen(p, e);
}

void lg_sandbox_main(const struct lg_runner *r, int arg)
{
    static struct lg_pool_state pool;
    struct lg_pool_state *p = &pool;
    struct lg_err e = {0};
    (void)arg;
    p->runner = r;
    p->scribe = -1;
    p->pace_ms = 100;
    p->tick.fire = on_tick;
    TAILQ_INIT(&p->runs);
    TAILQ_INIT(&p->tenants);
    TAILQ_INIT(&p->sessions);
    TAILQ_INIT(&p->done);
    int rc = prepare(p, &e);
    if (rc == -(int)LG_UNSUPPORTED) { /* nothing to do in this Lodge, and nothing to be started again */
        for (;;)
            pause();
    }
    if (rc) {
        lg_log_err(LG_ERROR, "code cannot be run", &e);
        lg_pause_ms(2000);
        _exit(1);
    }
    for (int i = 0; i < p->images; i++)
        lg_image_look(&p->image[i]);
    on_tick(&p->tick);
    while (!p->end_by) {
        lg_loop_turn(&p->loop, TICK_MS);
        lg_tasks_tend(p);
        lg_serve_tend(p);
        lg_boxes_tend(p);
        lg_makers_tend(p);
        free_done(p);
    }
    end(p);
}
