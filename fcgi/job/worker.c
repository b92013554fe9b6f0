/*
 * A job worker: takes one operation at a time from the master, does its engine calls and commits its end
 * together with the facts it led to. It may be killed at any point; whoever takes the operation next begins
 * it again.
 */
#include "job/image_use.h"
#include "job/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define PROGRESS_EVERY_MS 250
#define REFUSALS          3 /* asked again after an interruption */

static volatile sig_atomic_t cancelled;

static void on_cancel(int sig)
{
    (void)sig;
    cancelled = 1;
}

/* ---- what handlers use ---- */

void lg_job_log(struct lg_job *j, const char *fmt, ...)
{
    char line[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (j->log.len)
        lg_buf_char(&j->log, '\n');
    lg_buf_str(&j->log, line);
}

void lg_job_progress(void *arg, double fraction, const char *text)
{
    struct lg_job *j = arg;
    int64_t now = lg_clock_mono();
    if (now - j->told_at < PROGRESS_EVERY_MS)
        return;
    j->told_at = now;
    snprintf(j->op.step, sizeof j->op.step, "%s", text);
    j->op.progress = fraction;
    if (lg_tx_write(j->db, NULL))
        return;
    if (lg_operation_progress(j->db, &j->op, j->op.step, fraction, NULL, NULL))
        lg_tx_rollback(j->db);
    else
        lg_tx_commit(j->db, NULL);
}

bool lg_job_flag(const struct lg_job *j, const char *name, bool otherwise)
{
    const json_t *v = json_object_get(j->params, name);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

static bool registry_ref(const char *ref)
{
    return strncmp(ref, "localhost/", 10) && strncmp(ref, "sha256:", 7);
}

int lg_job_image(struct lg_job *j, const char *ref, struct lg_err *e)
{
    struct lg_err miss = {0};
    int rc = j->d->image_find(j->g, ref, &j->info, &miss);
    if (rc == -LG_NOT_FOUND && registry_ref(ref) && j->d->image_pull) {
        lg_job_log(j, "image %s is not here; pulling it", ref);
        lg_err_clear(&miss);
        rc =
            lg_image_use_pull(&(struct lg_image_pull){j->db, j->runner->conf, j->d, j->g, lg_job_progress, j},
                              ref, &j->info, &miss);
    }
    if (rc == -LG_NOT_FOUND || rc == -LG_BACKEND) {
        lg_fail(e, miss.code, "image %s cannot be had: %s", ref, miss.msg);
        return lg_err_detail(e, "reason", "image_missing");
    }
    if (rc && e)
        *e = miss;
    return rc;
}

/* ---- taking it ---- */

static void job_reset(struct lg_job *j)
{
    lg_instance_done(&j->in);
    lg_truth_done(&j->truth);
    json_decref(j->params);
    lg_buf_reset(&j->log);
    j->params = NULL;
    j->kind = NULL;
    j->d = NULL;
    j->g = NULL;
    j->told_at = j->disk_bytes = 0;
    memset(&j->info, 0, sizeof j->info);
    memset(&j->im, 0, sizeof j->im);
    memset(&j->vol, 0, sizeof j->vol);
}

/*
 * Loads the subject and shows in its state that the verb is at work. The database is written by processes
 * with fewer rights than ours, and ids become names of files and engine objects: none but real ones.
 */
static int load_subject(struct lg_job *j, bool run, struct lg_err *e)
{
    const char *const id[] = {[LG_ON_INSTANCE] = j->op.instance_id,
                              [LG_ON_IMAGE] = j->op.image_id,
                              [LG_ON_VOLUME] = j->op.volume_id};
    if (!lg_id_valid(id[j->kind->subject]))
        return lg_fail(e, LG_NOT_FOUND, "its subject is not an id");
    if (j->kind->subject == LG_ON_IMAGE)
        return lg_image_get(j->db, j->op.image_id, &j->im, e);
    if (j->kind->subject == LG_ON_VOLUME)
        return lg_volume_get(j->db, j->op.volume_id, &j->vol, e);
    int rc = lg_instance_get(j->db, "", j->op.instance_id, &j->in, e);
    if (!rc)
        rc = lg_instance_load_parts(j->db, &j->in, &j->runner->env_key, e);
    enum lg_state during = lg_verb_during(j->kind->verb);
    if (rc || !run || during == LG_ST_COUNT || j->in.state == during)
        return rc;
    struct lg_instance_change ch = {.state = (int)during, .started_at = -1, .operation_id = j->op.id};
    return lg_instance_change(j->db, &j->in, &ch, e);
}

/* An operation whose subject is gone or whose kind nobody knows ends here, without an engine. */
static int end_without_subject(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    bool deleted = j->kind && !strcmp(strrchr(j->kind->name, '.'), ".delete") &&
                   (why->code == LG_NO_INSTANCE || why->code == LG_NOT_FOUND);
    int rc = lg_operation_end(j->db, &j->op, deleted ? "done" : "failed", deleted ? NULL : why, e);
    return rc ? rc : lg_tx_commit(j->db, e);
}

static int take_in_tx(struct lg_job *j, const struct lg_order_msg *o, struct lg_err *e)
{
    int rc = lg_operation_get(j->db, o->op, &j->op, e);
    if (rc == -LG_NOT_FOUND || (!rc && lg_operation_ended(&j->op)))
        return 0;
    bool run = o->what == LG_ORDER_RUN;
    if (!rc && run)
        rc = lg_operation_claim(j->db, o->op, e);
    if (rc)
        return rc;
    snprintf(j->op.status, sizeof j->op.status, "running");
    j->params = lg_json_parse(j->op.params, strlen(j->op.params), 16, NULL);
    j->kind = lg_kind_find(j->op.kind);
    struct lg_err why = {0};
    if (!j->kind)
        lg_fail(&why, LG_INTERNAL, "this program does not know operations of kind %s", j->op.kind);
    else if ((rc = load_subject(j, run, &why)) && rc != -LG_NO_INSTANCE && rc != -LG_NOT_FOUND)
        return lg_fail(e, why.code, "%s", why.msg);
    if (why.code)
        return end_without_subject(j, &why, e);
    rc = lg_tx_commit(j->db, e);
    return rc ? rc : 1;
}

/* 1: ours to run. 0: nothing left to do. Negative: the database refused. */
static int take(struct lg_job *j, const struct lg_order_msg *o, struct lg_err *e)
{
    job_reset(j);
    int rc = lg_tx_write(j->db, e);
    if (!rc)
        rc = take_in_tx(j, o, e);
    lg_tx_rollback(j->db);
    return rc;
}

/* ---- running it ---- */

static bool has_reason(const struct lg_err *why, const char *reason)
{
    for (int i = 0; i < why->details; i++)
        if (!strcmp(why->detail[i].key, "reason") && !strcmp(why->detail[i].value, reason))
            return true;
    return false;
}

/*
 * The engine may still be at what a dead worker asked of it, or have died half way: what it says then is not
 * its last word. A create's wreck, which it may refuse to start for good, is cleared: nothing of the user's
 * is in it yet.
 */
static bool worth_another(struct lg_job *j, int rc, bool interrupted, const struct lg_err *e)
{
    if ((rc != -LG_BACKEND && rc != -LG_CONFLICT) || !interrupted || *j->cancel ||
        j->kind->subject != LG_ON_INSTANCE || has_reason(e, "exited") || has_reason(e, "image_missing"))
        return false;
    lg_job_log(j, "after an interruption: %s; trying again", e->msg);
    if (j->kind->verb == LG_V_CREATE)
        j->d->remove(j->g, j->in.id, true, NULL);
    return true;
}

static int attempt(struct lg_job *j, struct lg_err *e)
{
    bool interrupted = j->op.attempts > 0; /* an earlier worker had begun */
    for (int unanswered = 0, refused = 0;;) {
        int rc = *j->cancel ? lg_fail(e, LG_CANCELLED, "it was cancelled") : j->kind->run(j, e), pause_ms;
        if (rc == -LG_UNAVAILABLE && unanswered < j->kind->retries && !*j->cancel) {
            lg_job_log(j, "the engine does not answer (%s); trying again", e->msg);
            interrupted = true;
            pause_ms = 250 << unanswered++;
        } else if (refused < REFUSALS && worth_another(j, rc, interrupted, e)) {
            pause_ms = 250 << refused++;
        } else {
            return rc;
        }
        lg_pause_ms(pause_ms);
        lg_err_clear(e);
    }
}

static int find_engine(struct lg_job *j, struct lg_err *e)
{
    if (j->kind->subject == LG_ON_VOLUME) /* the host's own matter */
        return 0;
    const char *backend = j->kind->subject == LG_ON_INSTANCE ? j->in.backend
                          : !strcmp(j->im.kind, "vm")        ? "kvm"
                                                             : "docker";
    return lg_engines_get(j->engines, backend, &j->d, &j->g, e);
}

/* After a failure: nothing half-made stays, and the state will be what the engine says. */
static void look_after_failure(struct lg_job *j, const struct lg_err *why)
{
    if (j->kind->subject != LG_ON_INSTANCE || !j->d)
        return;
    *j->cancel = 0; /* what follows must not be given up half way */
    if (j->kind->verb == LG_V_CREATE && !has_reason(why, "exited"))
        j->d->remove(j->g, j->in.id, true, NULL);
    lg_truth_ask(&j->truth, j->d, j->g, j->in.id, true, NULL);
    if (j->kind->run == lg_run_update)
        lg_undo_update(j);
}

static int finish_in_tx(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    int rc = j->kind->settle(j, why, e);
    if (!rc && j->log.len && !j->log.failed)
        rc = lg_operation_progress(j->db, &j->op, j->op.step, j->op.progress, lg_buf_cstr(&j->log), e);
    const char *status = !why ? "done" : why->code == LG_CANCELLED ? "cancelled" : "failed";
    if (!rc)
        rc = lg_operation_end(j->db, &j->op, status, why, e);
    return rc ? rc : lg_tx_commit(j->db, e);
}

static void say(int sock, enum lg_word word, const char *op)
{
    struct lg_word_msg m = {.word = word};
    snprintf(m.op, sizeof m.op, "%s", op);
    if (send(sock, &m, sizeof m, MSG_NOSIGNAL) < 0)
        _exit(0); /* the master is gone, so shall I be */
}

/*
 * What the engine did must not be forgotten: a database that refuses (disk full) is asked until it takes the
 * end. Anything else that fails here is a defect; dying hands the operation to the master's counting of
 * attempts.
 */
static void finish(struct lg_job *j, int sock, const struct lg_err *why)
{
    for (int tries = 0, ms = 50;; tries++, ms = ms < 2000 ? ms * 2 : 2000) {
        struct lg_err e = {0};
        int rc = lg_tx_write(j->db, &e);
        if (!rc)
            rc = finish_in_tx(j, why, &e);
        lg_tx_rollback(j->db);
        if (!rc)
            return;
        if (!tries)
            say(sock, LG_WORD_COMMITTING, j->op.id);
        lg_log(LG_WARN, "the end of an operation cannot be written; trying again", "operation", j->op.id,
               "error", e.msg, NULL);
        if (rc != -LG_STORAGE && tries >= 5)
            abort();
        lg_pause_ms(ms);
    }
}

static void work(struct lg_job *j, int sock, const struct lg_order_msg *o)
{
    struct lg_err why = {0};
    int rc = find_engine(j, &why);
    if (o->what == LG_ORDER_FAIL)
        rc = lg_fail(&why, o->code, "%s", o->text);
    else if (!rc && j->op.cancel)
        rc = lg_fail(&why, LG_CANCELLED, "it was cancelled");
    else if (!rc)
        rc = attempt(j, &why);
    if (rc && *j->cancel && o->what == LG_ORDER_RUN)
        rc = lg_fail(&why, LG_CANCELLED, "it was cancelled");
    if (rc)
        look_after_failure(j, &why);
    finish(j, sock, rc ? &why : NULL);
    lg_log(rc ? LG_WARN : LG_INFO, "operation ended", "kind", j->op.kind, "operation", j->op.id, "instance",
           j->op.instance_id, "result", rc ? lg_code_name(why.code) : "done", "error", rc ? why.msg : "",
           NULL);
}

static void serve(struct lg_job *j, int sock, const struct lg_order_msg *o)
{
    struct lg_err e = {0};
    *j->cancel = 0; /* set only by a signal that names this order: it was sent after this point */
    int rc = take(j, o, &e);
    lg_log_request(j->op.request_id[0] ? j->op.request_id : NULL);
    if (rc < 0)
        lg_log(LG_WARN, "an operation cannot be taken yet", "operation", o->op, "error", e.msg, NULL);
    if (rc > 0)
        work(j, sock, o);
    lg_log_request(NULL);
    say(sock, rc < 0 ? LG_WORD_LATER : LG_WORD_ENDED, o->op);
}

void lg_worker_main(const struct lg_runner *r, int sock)
{
    static struct lg_job job;
    static struct lg_engines engines;
    struct sigaction sa = {.sa_handler = on_cancel}; /* without SA_RESTART: it also ends a blocking call */
    sigaction(SIGUSR1, &sa, NULL);
    lg_engines_init(&engines, r, &cancelled);
    job = (struct lg_job){.runner = r, .engines = &engines, .cancel = &cancelled, .log = {.max = 16000}};
    job.db = lg_child_db(r);
    for (;;) {
        struct lg_order_msg o;
        ssize_t n = recv(sock, &o, sizeof o, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof o)
            _exit(0);
        serve(&job, sock, &o);
    }
}
