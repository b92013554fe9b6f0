#include "job/queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"

#define CRASHES_MAX  3   /* workers that one operation may take along */
#define ATTEMPTS_MAX 20  /* runs over all masters: what kills the whole runner must end, too */
#define SCAN_LIMIT   512 /* open operations looked at in one scan */
#define SETTLE_MS    15000
#define HOLD_MS      500

struct item {
    char id[LG_ID_LEN], key[LG_ID_LEN], instance[LG_ID_LEN], tenant[LG_ID_LEN];
    bool running, cancel, fetches, waits;
    int64_t attempts, deadline_ms;
};

struct scan {
    const struct lg_conf *conf;
    struct item item[SCAN_LIMIT];
    int count;
};

/* ---- notes ---- */

static struct lg_note *find_note(struct lg_queue *q, const char *op)
{
    for (int i = 0; i < LG_NOTES; i++)
        if (!strcmp(q->note[i].op, op))
            return &q->note[i];
    return NULL;
}

static struct lg_note *make_note(struct lg_queue *q, const char *op)
{
    struct lg_note *n = find_note(q, op);
    if (n)
        return n;
    n = &q->note[q->next_note++ % LG_NOTES];
    *n = (struct lg_note){0};
    snprintf(n->op, sizeof n->op, "%s", op);
    return n;
}

static void forget_note(struct lg_queue *q, const char *op)
{
    struct lg_note *n = find_note(q, op);
    if (n)
        *n = (struct lg_note){0};
}

/* ---- slots ---- */

static struct lg_slot *holder(struct lg_queue *q, const char *op)
{
    for (int i = 0; i < q->slots; i++)
        if (q->slot[i].busy && !strcmp(q->slot[i].op, op))
            return &q->slot[i];
    return NULL;
}

static struct lg_slot *idle_slot(struct lg_queue *q)
{
    for (int i = 0; i < q->slots; i++)
        if (q->slot[i].pid && !q->slot[i].busy)
            return &q->slot[i];
    return NULL;
}

static bool key_held(const struct lg_queue *q, const char *key)
{
    for (int i = 0; i < q->slots; i++)
        if (q->slot[i].busy && !strcmp(q->slot[i].key, key))
            return true;
    return false;
}

/* Would one more of its sort leave nothing for the others? */
static bool has_its_share(const struct lg_queue *q, const struct item *it)
{
    int same_tenant = 0, fetching = 0, waiting = 0;
    int half = q->slots > 1 ? q->slots / 2 : 1, most = q->slots > 1 ? q->slots - 1 : 1;
    for (int i = 0; i < q->slots; i++) {
        const struct lg_slot *s = &q->slot[i];
        same_tenant += s->busy && !strcmp(s->tenant, it->tenant);
        fetching += s->busy && s->fetches;
        waiting += s->busy && s->waits;
    }
    return same_tenant >= most || (it->fetches && fetching >= half) || (it->waits && waiting >= most);
}

void lg_queue_lost(struct lg_queue *q, struct lg_slot *s)
{
    if (s->busy) {
        struct lg_note *n = make_note(q, s->op);
        if (s->late && s->order == LG_ORDER_FAIL)
            n->late_settles++;
        else if (s->late)
            n->late = true;
        else
            n->crashes++;
        lg_log(LG_WARN, s->late ? "a worker was ended at its deadline" : "a worker died", "operation", s->op,
               NULL);
    }
    q->look = true;
}

void lg_queue_word(struct lg_queue *q, struct lg_slot *s, const struct lg_word_msg *m)
{
    if (!s->busy || strcmp(m->op, s->op))
        return;
    if (m->word == LG_WORD_COMMITTING) {
        s->deadline = INT64_MAX;
        return;
    }
    if (m->word == LG_WORD_LATER)
        q->hold_until = lg_clock_mono() + HOLD_MS;
    else
        forget_note(q, s->op);
    s->busy = false;
    q->look = true;
}

int64_t lg_queue_deadlines(struct lg_queue *q)
{
    int64_t now = lg_clock_mono(), next = INT64_MAX;
    for (int i = 0; i < q->slots; i++) {
        struct lg_slot *s = &q->slot[i];
        if (!s->busy || s->late)
            continue;
        if (s->deadline <= now) {
            s->late = true;
            kill(s->pid, SIGKILL);
        } else if (s->deadline < next) {
            next = s->deadline;
        }
    }
    return next;
}

/* ---- the scan ---- */

static void collect(void *arg, const struct lg_operation *op)
{
    struct scan *sc = arg;
    if (sc->count == SCAN_LIMIT)
        return;
    struct item *it = &sc->item[sc->count++];
    const char *key = *op->instance_id ? op->instance_id
                      : *op->image_id  ? op->image_id
                      : *op->volume_id ? op->volume_id
                                       : op->id;
    const struct lg_kind *k = lg_kind_find(op->kind);
    *it = (struct item){.running = !strcmp(op->status, "running"),
                        .cancel = op->cancel,
                        .attempts = op->attempts,
                        .deadline_ms = k ? lg_kind_deadline_ms(k, sc->conf, op->params) : SETTLE_MS};
    memcpy(it->id, op->id, sizeof it->id);
    memcpy(it->key, key, sizeof it->key);
    memcpy(it->instance, op->instance_id, sizeof it->instance);
    memcpy(it->tenant, op->tenant_id, sizeof it->tenant);
    it->fetches = k && k->fetches;
    it->waits = it->fetches || op->needs_image;
}

/* Runs one small write of the master's own; the operation struct carries the id only. */
static int write_op(struct lg_queue *q, const char *id, const struct lg_err *end)
{
    struct lg_err e = {0};
    static struct lg_operation op;
    int rc = lg_tx_write(q->db, &e);
    if (!rc)
        rc = lg_operation_get(q->db, id, &op, &e);
    if (!rc && end)
        rc = lg_settle_alone(q->db, &op, end, &e);
    if (!rc && end)
        rc = lg_operation_end(q->db, &op, end->code == LG_CANCELLED ? "cancelled" : "failed", end, &e);
    else if (!rc)
        rc = lg_operation_requeue(q->db, id, &e);
    if (!rc)
        rc = lg_tx_commit(q->db, &e);
    lg_tx_rollback(q->db);
    if (rc) {
        lg_log_err(LG_WARN, "the queue cannot be written; trying again", &e);
        q->hold_until = lg_clock_mono() + HOLD_MS;
    }
    return rc;
}

static void order(struct lg_slot *s, const struct item *it, const struct lg_err *fail)
{
    struct lg_order_msg o = {.what = fail ? LG_ORDER_FAIL : LG_ORDER_RUN};
    snprintf(o.op, sizeof o.op, "%s", it->id);
    if (fail) {
        o.code = fail->code;
        snprintf(o.text, sizeof o.text, "%s", fail->msg);
    }
    if (send(s->sock, &o, sizeof o, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        kill(s->pid, SIGKILL); /* it will be reaped and replaced */
        return;
    }
    s->busy = true;
    s->told = s->late = false;
    s->order = o.what;
    s->deadline = lg_clock_mono() + (fail ? SETTLE_MS : it->deadline_ms);
    memcpy(s->op, it->id, sizeof s->op);
    memcpy(s->key, it->key, sizeof s->key);
    memcpy(s->tenant, it->tenant, sizeof s->tenant);
    s->fetches = it->fetches;
    s->waits = it->waits;
}

/* Why this one must end instead of run; false when it may run. */
static bool must_fail(struct lg_queue *q, const struct item *it, struct lg_err *why)
{
    const struct lg_note *n = find_note(q, it->id);
    if (n && n->late)
        return lg_fail(why, LG_TIMEOUT, "it did not end within %lld s", (long long)it->deadline_ms / 1000);
    if (it->cancel)
        return lg_fail(why, LG_CANCELLED, "it was cancelled");
    if (n && n->crashes >= CRASHES_MAX)
        return lg_fail(why, LG_INTERNAL, "it was given up: the process at work on it died %d times",
                       n->crashes);
    if (it->attempts >= ATTEMPTS_MAX)
        return lg_fail(why, LG_INTERNAL, "it was given up after %lld attempts", (long long)it->attempts);
    return false;
}

static bool blocked(const struct lg_queue *q, const struct scan *sc, int at)
{
    for (int i = 0; i < at; i++)
        if (!strcmp(sc->item[i].key, sc->item[at].key))
            return true;
    return key_held(q, sc->item[at].key);
}

/* A worker holds it: pass a cancellation on. */
static void watch_held(struct lg_slot *s, const struct item *it)
{
    if (!it->cancel || s->told || s->order != LG_ORDER_RUN)
        return;
    s->told = true;
    kill(s->pid, SIGUSR1);
}

/* Returns false when the scan should end (no worker is free, or the database refuses). */
static bool consider(struct lg_queue *q, struct scan *sc, int at)
{
    struct item *it = &sc->item[at];
    struct lg_slot *s = holder(q, it->id);
    if (s) {
        watch_held(s, it);
        return true;
    }
    struct lg_err why = {0};
    bool fails = must_fail(q, it, &why), is_blocked = blocked(q, sc, at);
    const struct lg_note *n = find_note(q, it->id);
    /* A cancelled one behind another needs no engine: its state is the other's. So ends, too, what could not
     * be settled in time; the reconciler will find the truth. */
    if ((is_blocked && fails && why.code == LG_CANCELLED) ||
        (n && (n->late_settles || n->crashes > 2 * CRASHES_MAX))) {
        int rc = write_op(q, it->id, &why);
        if (!rc)
            forget_note(q, it->id);
        lg_hint(q->runner, LG_ALL_DRIVERS, it->instance);
        return !rc;
    }
    if (it->running && !fails &&
        write_op(q, it->id, NULL)) /* its worker died: back to the queue, where all see it */
        return false;
    if (is_blocked || (!fails && has_its_share(q, it)))
        return true;
    if ((s = idle_slot(q)))
        order(s, it, fails ? &why : NULL);
    return true;
}

static bool open_db(struct lg_queue *q)
{
    struct lg_err e = {0};
    if (q->db || !lg_db_open(&q->db, q->runner->conf, &e))
        return true;
    lg_log_err(LG_WARN, "the database does not open; trying again", &e);
    q->hold_until = lg_clock_mono() + HOLD_MS;
    return false;
}

void lg_queue_scan(struct lg_queue *q)
{
    static struct scan sc;
    if (lg_clock_mono() < q->hold_until || !open_db(q))
        return;
    int64_t version = lg_db_data_version(q->db);
    if (!q->look && version == q->version)
        return;
    struct lg_err e = {0};
    sc.conf = q->runner->conf;
    sc.count = 0;
    if (lg_operation_open_each(q->db, SCAN_LIMIT, collect, &sc, &e) < 0) {
        lg_log_err(LG_WARN, "the queue cannot be read; trying again", &e);
        q->hold_until = lg_clock_mono() + HOLD_MS;
        return;
    }
    q->look = false;
    q->version = version;
    for (int i = 0; i < sc.count; i++)
        if (!consider(q, &sc, i))
            q->look = true, i = sc.count;
}
