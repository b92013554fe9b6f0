/*
 * Runs: who waits, who goes next, what a sandbox says of one, its deadline and its end. Tenants take turns,
 * so that one's flood is another's wait for one run and no more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "box/wire.h"
#include "sandbox/pool.h"
#include "store/code_run.h"

#define ATTACH_MS       15000 /* nobody came for it */
#define WAIT_MS         40000 /* longest time in the queue */
#define INTERRUPT_MS    1000  /* a snippet that has had its time may end by itself within it */
#define ABOUT_MS        10000 /* a tenant counts for so long after its last run */
#define KEPT_FOR_OTHERS 2     /* ready sandboxes of a kind that a tenant with many runs leaves alone */
#define MIXED_MAX       ((size_t)9 << 20)
#define OUT_MAX         ((size_t)64 << 20) /* lodge-stream takes no larger answer */
#define TAKES_NOTHING   "the sandbox does not take the code"

/* ---- tenants ---- */

static struct lg_tenant_queue *tenant_of(struct lg_pool_state *p, const char *tenant, bool make)
{
    struct lg_tenant_queue *t;
    TAILQ_FOREACH(t, &p->tenants, link)
    if (!strcmp(t->tenant, tenant))
        return t;
    t = make ? calloc(1, sizeof *t) : NULL;
    if (t) {
        snprintf(t->tenant, sizeof t->tenant, "%s", tenant);
        TAILQ_INIT(&t->waiting);
        t->last_at = lg_clock_mono();
        TAILQ_INSERT_HEAD(&p->tenants, t, link);
    }
    return t;
}

/* Remembered for a while after its last run: as long as two tenants are about, none may have all of the host.
 */
static void forget_idle(struct lg_pool_state *p)
{
    struct lg_tenant_queue *t, *next;
    int64_t now = lg_clock_mono();
    for (t = TAILQ_FIRST(&p->tenants); t; t = next) {
        next = TAILQ_NEXT(t, link);
        if (t->going || t->waiting_count)
            t->last_at = now;
        else if (now - t->last_at > ABOUT_MS) {
            TAILQ_REMOVE(&p->tenants, t, link);
            free(t);
        }
    }
    t = TAILQ_FIRST(&p->tenants);
    p->shared = t && TAILQ_NEXT(t, link);
}

static int cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}

static int going_max(const struct lg_pool_state *p)
{
    long n = p->runner->conf->sandbox_running;
    return n ? (int)n : cores() * 4;
}

/* Half of all; half of the cores while another tenant is about, so that it finds the other half. */
static int going_max_of_one(const struct lg_pool_state *p)
{
    int n = p->shared ? cores() / 2 : going_max(p) / 2;
    return n < 1 ? 1 : n;
}

/* ---- the run's own state ---- */

struct lg_task *lg_task_find(struct lg_pool_state *p, const char *id)
{
    struct lg_task *r;
    TAILQ_FOREACH(r, &p->runs, all)
    if (!strcmp(r->id, id))
        return r;
    return NULL;
}

static void step_done(struct lg_task_step *s)
{
    lg_buf_done(&s->out);
    lg_buf_done(&s->err);
}

/* What only its beginning, its history and its answer are made of. */
static void forget_parts(struct lg_task *r)
{
    lg_buf_done(&r->blob);
    lg_buf_done(&r->code_head);
    lg_buf_done(&r->mixed);
    step_done(&r->compile);
    step_done(&r->step);
}

void lg_task_free(struct lg_task *r)
{
    forget_parts(r);
    json_decref(r->args);
    free(r->files);
    lg_buf_done(&r->in);
    lg_buf_done(&r->out);
    free(r);
}

/* Out of every list and, at the end of the turn, out of memory. */
void lg_task_bury(struct lg_task *r)
{
    struct lg_pool_state *p = r->pool;
    lg_timer_cancel(&p->loop.timers, &r->deadline);
    lg_timer_cancel(&p->loop.timers, &r->left);
    lg_loop_close(&p->loop, &r->client);
    if (r->gone)
        return;
    r->gone = true;
    TAILQ_REMOVE(&p->runs, r, all);
    TAILQ_INSERT_TAIL(&p->done, r, all);
}

/* ---- the end ---- */

static void leave(struct lg_task *r)
{
    struct lg_pool_state *p = r->pool;
    struct lg_tenant_queue *t = tenant_of(p, r->tenant, false);
    if (r->state == LG_TASK_WAITING && t) {
        TAILQ_REMOVE(&t->waiting, r, wait);
        t->waiting_count--;
        p->waiting--;
    } else if (r->state == LG_TASK_GOING && t) {
        t->going--;
        p->going--;
    }
}

static void say_error(struct lg_task *r, const struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf text = {.max = 8192};
    lg_json_error(&text, e);
    lg_task_emit(r, LG_RUN_FRAME_ERROR, text.data, text.len);
}

static void say_end(struct lg_task *r)
{
    lg_cleanup_buf struct lg_buf text = {.max = OUT_MAX - 4096};
    struct lg_err e = {0};
    if (r->failed.code) {
        say_error(r, &r->failed);
        return;
    }
    lg_task_json(r, r->whole, &text);
    if (!text.failed) {
        lg_task_emit(r, LG_RUN_FRAME_END, text.data, text.len);
        return;
    }
    lg_fail(&e, LG_TOO_LARGE, "what it printed is too large for one answer: use .../execute/stream");
    say_error(r, &e);
}

/* It could not make a process, and it did not end well: also when it then went on until its time was over. */
static bool processes_short(const struct lg_task *r)
{
    bool good = r->step.ended && !r->step.code && !r->step.signal && !r->limit;
    return !good && (!r->limit || !strcmp(r->limit, "time")) &&
           lg_sandbox_pids_hits(&r->box->sb) > r->pids_hits;
}

static void finish(struct lg_task *r)
{
    struct lg_pool_state *p = r->pool;
    bool untouched = r->state == LG_TASK_WAITING;
    if (r->state == LG_TASK_DONE)
        return;
    r->ended_mono = lg_clock_mono();
    if (r->box) {
        if (!r->limit && lg_sandbox_oom_kills(&r->box->sb) > r->oom_kills)
            r->limit = "memory";
        if (processes_short(r))
            r->limit = "processes";
        r->memory_peak = lg_sandbox_memory_peak(&r->box->sb);
        if (r->session)
            lg_box_pause(r->box, false); /* its listener may have been slow */
        else
            lg_box_end(r->box);
        r->box = NULL;
        p->pace_ms = (p->pace_ms * 7 + (r->ended_mono - r->began_mono)) / 8;
    }
    leave(r);
    r->state = LG_TASK_DONE;
    if (r->session)
        lg_repl_leave(r->session, untouched || (r->snippet && !r->failed.code));
    lg_timer_cancel(&p->loop.timers, &r->deadline);
    lg_scribe_write(r);
    say_end(r);
    forget_parts(r);
    if (r->client.fd < 0 && !r->gone)
        lg_timer_set(&p->loop.timers, &r->deadline, lg_clock_mono() + ATTACH_MS);
    else if (!r->gone)
        lg_task_flush(r);
}

void lg_task_fail(struct lg_task *r, enum lg_code code, const char *why)
{
    lg_fail(&r->failed, code, "%s", why);
    finish(r);
}

void lg_task_stop(struct lg_task *r, const char *limit)
{
    if (!r->limit)
        r->limit = limit;
    finish(r);
}

void lg_task_box_gone(struct lg_task *r, const char *why)
{
    /* lg_box_end has taken the sandbox off already: what the kernel knew of it is lost with it. */
    r->box = NULL;
    lg_fail(&r->failed, LG_BACKEND, "%s", why);
    finish(r);
}

int lg_task_retry_after(const struct lg_pool_state *p)
{
    int64_t ms = (p->pace_ms + 100) * (p->waiting + 1) / going_max(p);
    return ms < 1000 ? 1 : ms > 60000 ? 60 : (int)(ms / 1000);
}

/* It waited for too long: the engine's fault, or there is too much to do. */
static void give_up(struct lg_task *r)
{
    const struct lg_pool_state *p = r->pool;
    if (*p->engine_why) {
        lg_task_fail(r, LG_UNAVAILABLE, p->engine_why);
        return;
    }
    lg_fail(&r->failed, LG_RATE,
            r->session ? "its turn did not come in time" : "no sandbox was free in time");
    lg_err_detail(&r->failed, "retryAfter", "%d", lg_task_retry_after(p));
    finish(r);
}

static void on_deadline(struct lg_timer *t)
{
    struct lg_task *r = lg_container_of(t, struct lg_task, deadline);
    if (r->state == LG_TASK_DONE)
        lg_task_bury(r); /* nobody came for the answer */
    else if (r->state == LG_TASK_WAITING)
        give_up(r);
    else if (r->session && r->box && !r->interrupted) { /* a chance for the session to live on */
        r->interrupted = true;
        r->limit = "time";
        lg_box_send(r->box, LG_BOX_STOP, NULL, 0);
        lg_timer_set(&r->pool->loop.timers, &r->deadline, lg_clock_mono() + INTERRUPT_MS);
    } else
        lg_task_stop(r, "time");
}

/* ---- beginning ---- */

static void send_words(struct lg_box *b, int type, const json_t *words, const json_t *more)
{
    lg_cleanup_buf struct lg_buf argv = {.max = LG_BOX_FRAME_MAX};
    const json_t *word;
    size_t i;
    json_array_foreach(words, i, word)
        lg_buf_add(&argv, json_string_value(word), json_string_length(word) + 1);
    json_array_foreach(more, i, word)
        lg_buf_add(&argv, json_string_value(word), json_string_length(word) + 1);
    lg_box_send(b, type, argv.data, argv.len);
}

static void send_limit(struct lg_box *b, const char *name, int64_t v)
{
    char text[48];
    int n = snprintf(text, sizeof text, "%s %" PRId64, name, v);
    if (v > 0)
        lg_box_send(b, LG_BOX_LIMIT, text, (size_t)n);
}

static void send_file(struct lg_box *b, const char *path, const char *p, size_t n)
{
    lg_box_send(b, LG_BOX_FILE, path, strlen(path));
    if (n)
        lg_box_send(b, LG_BOX_DATA, p, n);
}

static void send_input(const struct lg_task *r, struct lg_box *b, const char *p)
{
    if (r->input_size)
        lg_box_send(b, LG_BOX_INPUT, p, r->input_size);
    if (!r->interactive)
        lg_box_send(b, LG_BOX_EOF, NULL, 0);
}

/* The order of a host: file, number of arguments, arguments. */
static void send_order(struct lg_task *r, struct lg_box *b)
{
    lg_cleanup_buf struct lg_buf text = {.max = LG_BOX_FRAME_MAX};
    const json_t *word;
    size_t i;
    lg_buf_add(&text, r->lang->file, strlen(r->lang->file) + 1);
    lg_buf_fmt(&text, "%zu", json_array_size(r->args));
    lg_buf_add(&text, "", 1);
    json_array_foreach(r->args, i, word)
        lg_buf_add(&text, json_string_value(word), json_string_length(word) + 1);
    lg_box_send(b, LG_BOX_RUN, text.data, text.len);
}

static void say_state(struct lg_task *r, const char *state)
{
    char text[96];
    int n = snprintf(text, sizeof text, "{\"state\":\"%s\",\"id\":\"%s\"}", state, r->id);
    lg_task_emit(r, LG_RUN_FRAME_STATE, text, (size_t)n);
}

static void limit_memory(const struct lg_task *r, const struct lg_box *b)
{
    int64_t made = (int64_t)r->pool->runner->conf->sandbox_memory_mib << 20, asked = r->limits.memory;
    if (!lg_sandbox_memory_limit(&b->sb, asked ? asked : made) && asked)
        lg_log(LG_WARN, "a run's memory limit was not set", "run", r->id, NULL);
}

static void begin(struct lg_task *r, struct lg_box *b)
{
    const char *p = r->blob.data;
    bool hosted = b->class->host != NULL;
    r->box = b;
    r->state = LG_TASK_GOING;
    r->began_mono = lg_clock_mono();
    lg_timer_set(&r->pool->loop.timers, &r->deadline,
                 r->began_mono + (r->lang->compile ? r->limits.compile_ms : r->limits.time_ms));
    say_state(r, "running");
    if (r->limits.memory)
        limit_memory(r, b);
    send_limit(b, "cpu", r->limits.cpu_s);
    send_limit(b, "file", r->limits.file);
    if (!lg_sandbox_pids_limit(&b->sb, r->limits.processes))
        send_limit(b, "processes", r->limits.processes);
    r->pids_hits = lg_sandbox_pids_hits(&b->sb);
    send_file(b, r->lang->file, p, r->code_size);
    p += r->code_size;
    for (int i = 0; i < r->file_count; i++) {
        send_file(b, r->files[i].path, p, r->files[i].size);
        p += r->files[i].size;
    }
    if (!hosted && r->lang->compile)
        send_words(b, LG_BOX_COMPILE, r->lang->compile, NULL);
    if (!hosted)
        send_words(b, LG_BOX_ARGV, r->lang->run, r->args);
    if (hosted)
        send_order(r, b);
    else
        lg_box_send(b, LG_BOX_RUN, NULL, 0);
    send_input(r, b, p);
    if (b->state == LG_BOX_ENDING && r->state == LG_TASK_GOING)
        lg_task_box_gone(r, TAKES_NOTHING);
    else
        lg_buf_done(&r->blob);
}

/* The order goes into its session's sandbox, where the interpreter waits for it. */
static void begin_snippet(struct lg_task *r, struct lg_box *b)
{
    lg_cleanup_buf struct lg_buf order = {.max = LG_BOX_FRAME_MAX};
    b->run = r;
    r->box = b;
    r->state = LG_TASK_GOING;
    r->began_mono = lg_clock_mono();
    r->pids_hits = lg_sandbox_pids_hits(&b->sb);
    r->oom_kills = lg_sandbox_oom_kills(&b->sb);
    lg_timer_set(&r->pool->loop.timers, &r->deadline, r->began_mono + r->limits.time_ms);
    say_state(r, "running");
    /* Also where it is as the sandbox was made: the snippet before may have had another. */
    limit_memory(r, b);
    lg_repl_order(&order, r);
    lg_box_send(b, LG_BOX_RUN, order.data, order.len);
    send_input(r, b, r->blob.data + r->code_size);
    if (b->state == LG_BOX_ENDING && r->state == LG_TASK_GOING)
        lg_task_box_gone(r, TAKES_NOTHING);
    else
        lg_buf_done(&r->blob);
}

static struct lg_box *box_for(struct lg_pool_state *p, const struct lg_tenant_queue *t, struct lg_task *r)
{
    bool many = t->going + t->waiting_count > 1;
    return r->session ? r->session->box : lg_boxes_take(p, r, p->shared && many ? KEPT_FOR_OTHERS : 0);
}

static bool start_one(struct lg_pool_state *p, struct lg_tenant_queue *t)
{
    struct lg_task *r = TAILQ_FIRST(&t->waiting);
    if (!r || t->going >= going_max_of_one(p) || !lg_room_to_begin(p, t->tenant))
        return false;
    struct lg_box *b = box_for(p, t, r);
    const struct lg_err *no =
        b || !r->network ? NULL : lg_boxes_refused(p, r->lang, r->tenant, r->queued_mono);
    if (no)
        lg_task_fail(r, no->code, no->msg);
    if (!b)
        return no != NULL;
    TAILQ_REMOVE(&t->waiting, r, wait);
    t->waiting_count--;
    p->waiting--;
    t->going++;
    p->going++;
    TAILQ_REMOVE(&p->tenants, t, link);
    TAILQ_INSERT_TAIL(&p->tenants, t, link);
    if (r->session)
        begin_snippet(r, b);
    else
        begin(r, b);
    return true;
}

void lg_tasks_tend(struct lg_pool_state *p)
{
    bool again = true;
    forget_idle(p);
    while (again && p->going < going_max(p)) {
        struct lg_tenant_queue *t;
        again = false;
        TAILQ_FOREACH(t, &p->tenants, link)
        if (start_one(p, t)) {
            again = true;
            break; /* the list is in another order now, and t may be gone */
        }
    }
}

static int admit(struct lg_pool_state *p, const struct lg_task *r, const struct lg_tenant_queue *t,
                 struct lg_err *e)
{
    int rc = lg_image_check(lg_image_of(p, r->lang), r->lang, e);
    rc = rc ? rc : lg_room_for(p, r->tenant, r->blob.cap, e);
    if (rc)
        return rc;
    if (p->waiting < p->runner->conf->sandbox_queue &&
        t->waiting_count < p->runner->conf->sandbox_tenant_queue)
        return 0;
    lg_fail(e, LG_RATE, "too many runs are waiting already");
    return lg_err_detail(e, "retryAfter", "%d", lg_task_retry_after(p));
}

static void set_up(struct lg_pool_state *p, struct lg_task *r)
{
    lg_id_new(r->id);
    r->pool = p;
    r->client = (struct lg_source){.fd = -1};
    r->created_at = lg_clock_ms();
    r->queued_mono = lg_clock_mono();
    r->deadline.fire = on_deadline;
    r->out.max = OUT_MAX;
    r->mixed.max = MIXED_MAX;
    r->in.max = (size_t)1 << 20;
    r->compile.out.max = r->compile.err.max = r->step.out.max = r->step.err.max = MIXED_MAX;
    lg_buf_add(&r->code_head, lg_buf_cstr(&r->blob),
               r->code_size < LG_CODE_RUN_CODE ? r->code_size : LG_CODE_RUN_CODE);
    TAILQ_INSERT_TAIL(&p->runs, r, all);
}

/* A snippet goes before the tenant's runs: it needs none of the sandboxes they wait for. */
static void enqueue(struct lg_pool_state *p, struct lg_tenant_queue *t, struct lg_task *r)
{
    struct lg_task *before = TAILQ_FIRST(&t->waiting);
    while (before && (!r->session || before->session))
        before = TAILQ_NEXT(before, wait);
    if (before)
        TAILQ_INSERT_BEFORE(before, r, wait);
    else
        TAILQ_INSERT_TAIL(&t->waiting, r, wait);
    t->waiting_count++;
    p->waiting++;
    lg_timer_set(&p->loop.timers, &r->deadline, r->queued_mono + WAIT_MS);
    say_state(r, "queued");
}

int lg_task_submit(struct lg_pool_state *p, struct lg_task *r, struct lg_err *e)
{
    struct lg_tenant_queue *t = tenant_of(p, r->tenant, true);
    if (!t)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    int rc = admit(p, r, t, e);
    if (rc)
        return rc;
    set_up(p, r);
    enqueue(p, t, r);
    return 0;
}

/* Sessions are counted, and each has one snippet at a time: that bounds how many of them wait. */
int lg_task_enter(struct lg_pool_state *p, struct lg_task *r, struct lg_repl *s, struct lg_err *e)
{
    struct lg_tenant_queue *t = tenant_of(p, r->tenant, true);
    int rc = t ? lg_room_for(p, r->tenant, r->blob.cap, e) : lg_fail(e, LG_INTERNAL, "out of memory");
    rc = rc ? rc : lg_repl_enter(s, r, e);
    if (rc)
        return rc;
    set_up(p, r);
    enqueue(p, t, r);
    if (p->going < going_max(p) && TAILQ_FIRST(&t->waiting) == r)
        start_one(p, t);
    return 0;
}

/* ---- what the sandbox says ---- */

static void output(struct lg_task *r, int type, const char *p, size_t n)
{
    bool compiling = type == LG_BOX_COUT || type == LG_BOX_CERR,
         err = type == LG_BOX_ERR || type == LG_BOX_CERR;
    struct lg_task_step *s = compiling ? &r->compile : &r->step;
    int64_t room = r->limits.output - r->output;
    bool over = (int64_t)n > room;
    if (over)
        n = room > 0 ? (size_t)room : 0;
    r->output += (int64_t)n;
    /* A listener has it, and history keeps the head. */
    size_t head = r->mixed.len < LG_CODE_RUN_OUTPUT ? LG_CODE_RUN_OUTPUT - r->mixed.len : 0;
    lg_buf_add(&r->mixed, p, r->whole || n < head ? n : head);
    if (r->whole)
        lg_buf_add(err ? &s->err : &s->out, p, n);
    else if (n && !lg_task_emit(r, err ? LG_RUN_FRAME_ERR : LG_RUN_FRAME_OUT, p, n))
        over = true;
    if (over)
        lg_task_stop(r, "output");
}

static const struct {
    int signal;
    const char *limit;
} by_signal[] = {{24 /* SIGXCPU */, "cpu"}, {25 /* SIGXFSZ */, "fileSize"}};

static void step_ended(struct lg_task *r, const char *text)
{
    char what[16];
    int code, sig, full;
    long long wall, cpu, rss, input = 0; /* the last is not said by every lodge-box */
    if (sscanf(text, "%15s exit %d signal %d wall %lld cpu %lld rss %lld full %d input %lld", what, &code,
               &sig, &wall, &cpu, &rss, &full, &input) < 7)
        return;
    r->snippet = !strcmp(what, "snippet");
    bool compiling = !strcmp(what, "compile"), good = !code && !sig;
    struct lg_task_step *s = compiling ? &r->compile : &r->step;
    s->ended = true;
    s->code = code;
    s->signal = sig;
    s->wall_us = wall;
    s->cpu_us = cpu;
    s->rss_kib = rss;
    s->input = input;
    if (compiling && good) {
        lg_timer_set(&r->pool->loop.timers, &r->deadline, lg_clock_mono() + r->limits.time_ms);
        return;
    }
    for (size_t i = 0; i < sizeof by_signal / sizeof by_signal[0]; i++)
        if (sig == by_signal[i].signal)
            r->limit = by_signal[i].limit;
    if (!good && full)
        r->limit = "disk";
    finish(r);
}

void lg_task_frame(struct lg_task *r, int type, const char *p, size_t n)
{
    if (r->state != LG_TASK_GOING)
        return;
    if (type >= LG_BOX_OUT && type <= LG_BOX_CERR)
        output(r, type, p, n);
    else if (type == LG_BOX_ENDED)
        step_ended(r, p);
    else if (type == LG_BOX_REFUSED) {
        char why[300];
        snprintf(why, sizeof why, "the sandbox refused: %.*s", (int)(n < 200 ? n : 200), p);
        lg_task_fail(r, LG_INVALID, why);
    }
}
