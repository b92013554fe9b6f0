/*
 * A driver's reconciler: compares what should be with what is, at start, on hints (engine events, the
 * master), and every reconcile_ms. What is of our site and unknown is noted and left alone; what was deleted
 * and turns up late is removed.
 */
#include "job/reconcile.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/tenant.h"

#define NETWORKS_EVERY_MS 30000 /* isolation that somebody flushed comes back within this */
#define RELEASES_MAX      16    /* networks of deleted tenants removed in one round */
#define HINTS_MAX         64    /* more than these at once: sweep instead */

struct seen {
    struct lg_inst_status st;
    bool known; /* the database has this id, with this backend */
};

struct sweep {
    struct lg_rec *rec;
    struct seen *seen;
    int count, cap;
    char (*suspect)[LG_ID_LEN]; /* owned; what to look at closely */
    int suspects, suspect_cap;
    bool failed; /* out of memory: nothing may be concluded */
};

static bool grow(void **p, int count, int *cap, size_t size)
{
    if (count < *cap)
        return true;
    int want = *cap ? *cap * 2 : 64;
    void *q = realloc(*p, (size_t)want * size);
    if (!q)
        return false;
    *p = q;
    *cap = want;
    return true;
}

/* ---- what is ---- */

static int take_status(void *arg, const struct lg_inst_status *st)
{
    struct sweep *s = arg;
    void *p = s->seen;
    if (!grow(&p, s->count, &s->cap, sizeof *s->seen)) {
        s->failed = true;
        return 1;
    }
    s->seen = p;
    s->seen[s->count++] = (struct seen){.st = *st};
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->st.id, ((const struct seen *)b)->st.id);
}

static struct seen *find_seen(struct sweep *s, const char *id)
{
    struct seen key;
    memcpy(key.st.id, id, sizeof key.st.id);
    return s->count ? bsearch(&key, s->seen, (size_t)s->count, sizeof *s->seen, by_id) : NULL;
}

/* ---- what should be ---- */

static void suspect(struct sweep *s, const char *id)
{
    void *p = s->suspect;
    if (!grow(&p, s->suspects, &s->suspect_cap, sizeof *s->suspect))
        return;
    s->suspect = p;
    memcpy(s->suspect[s->suspects++], id, LG_ID_LEN);
}

/* A cheap look with what both lists say; whatever is odd is looked at closely afterwards, outside this query.
 */
static void compare(void *arg, struct lg_instance *in)
{
    struct sweep *s = arg;
    struct seen *at = find_seen(s, in->id);
    enum lg_run run = at ? at->st.run : LG_RUN_ABSENT;
    if (at)
        at->known = true;
    if (run == LG_RUN_RUNNING)
        lg_ids_add(&s->rec->running, in->id);
    bool wants_up = !strcmp(in->desired, "running");
    bool fine =
        (in->state == LG_ST_RUNNING && run == LG_RUN_RUNNING) ||
        (in->state == LG_ST_PAUSED && run == LG_RUN_PAUSED) ||
        (in->state == LG_ST_ASLEEP && run == LG_RUN_ASLEEP) ||
        (in->state == LG_ST_STOPPED && (run == LG_RUN_CREATED || run == LG_RUN_EXITED) && !wants_up) ||
        (in->state == LG_ST_STOPPED && run == LG_RUN_ABSENT && !in->engine_ref[0]) ||
        (in->state == LG_ST_ERROR && (run == LG_RUN_ABSENT || run == LG_RUN_EXITED));
    bool replaced = at && at->st.ref[0] && strcmp(at->st.ref, in->engine_ref);
    if (!fine || replaced)
        suspect(s, in->id);
}

/* ---- strangers ---- */

struct quarantined {
    struct sweep *s;
    struct lg_rec *rec;
    const char *backend;
    char (*ref)[LG_REF_LEN]; /* owned */
    int count, cap;
};

static void take_quarantined(void *arg, const char *backend, const char *ref, const char *id,
                             int64_t found_at)
{
    struct quarantined *q = arg;
    (void)id;
    (void)found_at;
    void *p = q->ref;
    if (strcmp(backend, q->backend) || !grow(&p, q->count, &q->cap, sizeof *q->ref))
        return;
    q->ref = p;
    snprintf(q->ref[q->count++], LG_REF_LEN, "%s", ref);
}

static bool listed(const struct quarantined *q, const char *ref)
{
    for (int i = 0; i < q->count; i++)
        if (!strcmp(q->ref[i], ref))
            return true;
    return false;
}

static void write_quarantine(struct quarantined *q, const struct lg_inst_status *st, const char *gone)
{
    struct lg_err e = {0};
    int rc = lg_tx_write(q->rec->db, &e);
    if (!rc)
        rc = st ? lg_quarantine_put(q->rec->db, q->backend, st->ref, st->id, &e)
                : lg_quarantine_clear(q->rec->db, q->backend, gone, &e);
    if (!rc)
        rc = lg_tx_commit(q->rec->db, &e);
    lg_tx_rollback(q->rec->db);
    if (rc)
        lg_log_err(LG_WARN, "the quarantine cannot be written; the next sweep tries again", &e);
    else if (st)
        lg_log(LG_WARN, "something of this site that nobody knows was found in the engine; it is left alone",
               "ref", st->ref, "instance", st->id, NULL);
}

/* Not in the database as this sweep read it: deleted for good, made meanwhile, or a stranger. */
static void look_at_unknown(struct quarantined *q, const struct lg_driver *d, struct lg_engine *g,
                            const struct lg_inst_status *st)
{
    struct lg_err e = {0};
    lg_cleanup_instance struct lg_instance in = {0};
    if (lg_id_valid(st->id)) {
        int rc = lg_instance_get(q->rec->db, "", st->id, &in, &e);
        if (rc != -LG_NO_INSTANCE)
            return;
        if (lg_tombstone_exists(q->rec->db, st->id)) {
            lg_log(LG_INFO, "a deleted instance turned up again and is removed", "instance", st->id, NULL);
            if (d->remove(g, st->id, true, &e))
                lg_log_err(LG_WARN, "it could not be removed; the next sweep tries again", &e);
            return;
        }
    }
    if (!listed(q, st->ref))
        write_quarantine(q, st, NULL);
}

static bool still_there(const struct sweep *s, const char *ref)
{
    for (int i = 0; i < s->count; i++)
        if (!s->seen[i].known && !strcmp(s->seen[i].st.ref, ref))
            return true;
    return false;
}

static void strangers(struct sweep *s, const struct lg_driver *d, struct lg_engine *g)
{
    struct quarantined q = {.s = s, .rec = s->rec, .backend = d->backend};
    if (lg_quarantine_each(s->rec->db, take_quarantined, &q, NULL) >= 0) {
        for (int i = 0; i < q.count; i++)
            if (!still_there(s, q.ref[i]))
                write_quarantine(&q, NULL, q.ref[i]);
        for (int i = 0; i < s->count; i++)
            if (!s->seen[i].known)
                look_at_unknown(&q, d, g, &s->seen[i].st);
    }
    free(q.ref);
}

/* ---- sweeps ---- */

int lg_rec_engine(struct lg_rec *rec, const char *backend, const struct lg_driver **d, struct lg_engine **g,
                  struct lg_err *e)
{
    if (strcmp(backend, rec->r->driver[rec->driver]->backend))
        return lg_fail(e, LG_UNAVAILABLE, "another reconciler looks after it");
    return lg_engines_get(&rec->engines, backend, d, g, e);
}

static void sweep(struct lg_rec *rec)
{
    struct sweep s = {.rec = rec};
    const struct lg_driver *d = rec->r->driver[rec->driver];
    struct lg_engine *g = NULL;
    struct lg_err e = {0};
    rec->running.count = 0;
    int rc = lg_engines_get(&rec->engines, d->backend, &d, &g, &e);
    if (!rc)
        rc = d->list(g, take_status, &s, &e);
    if (!rc && !s.failed) {
        if (s.count)
            qsort(s.seen, (size_t)s.count, sizeof *s.seen, by_id);
        if (lg_instance_each_of_backend(rec->db, d->backend, compare, &s, &e) >= 0) {
            for (int i = 0; i < s.suspects; i++)
                lg_correct(rec, s.suspect[i]);
            strangers(&s, d, g);
        }
    }
    free(s.seen);
    free(s.suspect);
}

/* Isolation rules and bridges of networks in use; one instance stands for its tenant. */
static void ensure_networks(struct lg_rec *rec)
{
    bool done[1 << 16] = {false};
    for (int i = 0; i < rec->running.count; i++) {
        struct lg_err e = {0};
        lg_cleanup_instance struct lg_instance in = {0};
        struct lg_net net;
        const struct lg_driver *d;
        struct lg_engine *g;
        if (lg_instance_get(rec->db, "", rec->running.at[i], &in, &e) || in.net_index < 0 ||
            in.net_index >= 1 << 16 || done[in.net_index] || lg_rec_engine(rec, in.backend, &d, &g, &e))
            continue;
        done[in.net_index] = true;
        int rc = lg_net_of(rec->r->conf->subnet_pool, rec->r->site, in.net_index, &net, &e);
        struct lg_net_spec spec = lg_net_spec_of(&net);
        if (!rc)
            rc = LG_VERB(d, network_ensure, &e, g, &spec);
        if (rc && rc != -LG_UNAVAILABLE)
            lg_log_err(LG_WARN, "a network's isolation could not be ensured", &e);
    }
}

/* Takes one network of a deleted tenant from every engine; false while one still holds it. */
static bool remove_network(struct lg_rec *rec, int net_index)
{
    struct lg_net net;
    struct lg_err e = {0};
    if (lg_net_of(rec->r->conf->subnet_pool, rec->r->site, net_index, &net, &e))
        return true; /* the pool was made smaller since */
    struct lg_net_spec spec = lg_net_spec_of(&net);
    for (int i = 0; i < rec->r->drivers; i++) {
        const struct lg_driver *d;
        struct lg_engine *g;
        int rc = lg_engines_get(&rec->engines, rec->r->driver[i]->backend, &d, &g, &e);
        if (!rc && d->network_remove)
            rc = d->network_remove(g, &spec, &e);
        if (rc && rc != -LG_UNAVAILABLE)
            lg_log_err(LG_WARN, "a deleted tenant's network cannot be removed yet", &e);
        if (rc)
            return false;
    }
    return true;
}

/* Their numbers are nobody's until this has cleared them, so no new tenant's network can be meant. */
static void remove_networks(struct lg_rec *rec)
{
    int released[RELEASES_MAX];
    int n = lg_network_release_list(rec->db, released, RELEASES_MAX, NULL);
    for (int i = 0; i < n; i++) {
        if (!remove_network(rec, released[i]) || lg_tx_write(rec->db, NULL))
            continue;
        if (!lg_network_release_clear(rec->db, released[i], NULL))
            lg_tx_commit(rec->db, NULL);
        lg_tx_rollback(rec->db);
    }
}

/* Looks at each hinted instance once. True when a whole sweep is the better answer. */
static bool read_hints(struct lg_rec *rec)
{
    char id[HINTS_MAX][LG_ID_LEN];
    int n = 0;
    bool all = false;
    for (;;) {
        char msg[LG_ID_LEN] = "";
        ssize_t got = recv(rec->r->hints[rec->driver][0], msg, sizeof msg - 1, MSG_DONTWAIT);
        if (got <= 0)
            break;
        bool again = false;
        for (int i = 0; i < n; i++)
            again |= !strcmp(id[i], msg);
        if (!lg_id_valid(msg) || (!again && n == HINTS_MAX))
            all = true;
        else if (!again)
            memcpy(id[n++], msg, sizeof msg);
    }
    for (int i = 0; !all && i < n; i++) {
        lg_correct(rec, id[i]);
        lg_volumes_keep_one(rec, id[i]);
        lg_networks_keep_one(rec, id[i]);
    }
    return all;
}

static int until(int64_t a, int64_t b)
{
    int64_t left = (a < b ? a : b) - lg_clock_mono();
    return left < 0 ? 0 : (int)left;
}

/* Which one looks after what is no single driver's: the containers', whose engine has its part in tenants'
 * networks. libvirt has none, so nothing of it waits for libvirt. */
static int host_driver(const struct lg_runner *r)
{
    for (int i = 0; i < r->drivers; i++)
        if (!strcmp(r->driver[i]->backend, "docker"))
            return i;
    return 0;
}

/* Everything looked at; with `all` also what is made again where somebody took it away. */
static void look_after(struct lg_rec *rec, bool all)
{
    sweep(rec);
    if (rec->host) {
        remove_networks(rec);
        lg_networks_remove(rec);
    }
    lg_terminals_keep(rec);
    if (all) {
        ensure_networks(rec);
        lg_volumes_keep(rec);
        lg_networks_keep(rec);
    }
}

void lg_reconcile_main(const struct lg_runner *r, int driver_index)
{
    static struct lg_rec rec;
    rec.r = r;
    rec.driver = driver_index;
    rec.host = driver_index == host_driver(r);
    rec.db = lg_child_db(r);
    lg_engines_init(&rec.engines, r, NULL);
    int64_t sweep_at = 0, sample_at = lg_clock_mono() + r->conf->sample_ms, networks_at = 0;
    for (;;) {
        struct pollfd f = {r->hints[driver_index][0], POLLIN, 0};
        if (poll(&f, 1, until(sweep_at, sample_at)) > 0 && read_hints(&rec))
            sweep_at = 0;
        int64_t now = lg_clock_mono();
        if (now >= sweep_at) {
            bool all = now >= networks_at;
            look_after(&rec, all);
            networks_at = all ? now + NETWORKS_EVERY_MS : networks_at;
            sweep_at = lg_clock_mono() + r->conf->reconcile_ms;
        }
        if (now >= sample_at) {
            lg_sample_sweep(&rec);
            sample_at = lg_clock_mono() + r->conf->sample_ms;
        }
    }
}
