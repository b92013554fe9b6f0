/*
 * Housekeeping in a process of its own, so that neither a job nor a look at an engine waits for it: copies
 * the WAL into the database, forgets old events, operations, audit lines, answers and uploads, and says
 * whether the engines answer.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "job/job.h"
#include "store/audit.h"
#include "store/oneshot.h"
#include "store/event.h"
#include "store/idempotency.h"
#include "store/session.h"

#define TICK_MS            250
#define CHECKPOINT_MS      1000 /* the first commit after one syncs twice, so not after each */
#define WAL_FULL_BYTES     ((int64_t)8 << 20)
#define PROBE_MS           2000
#define ANSWER_MS          2000  /* what an engine is given to answer: all else waits for it */
#define TELL_MS            10000 /* an unchanged engine state is written again after this */
#define PRUNE_MS           5000
#define PRUNE_STEP         1000 /* events forgotten in one transaction */
#define EXPIRY_MS          5000
#define OPERATIONS_MS      3600000
#define OPERATIONS_KEEP_MS ((int64_t)30 * 24 * 3600000)
#define LEFTOVERS_MS       3600000
#define RECORDS_MS         60000
#define LEFTOVERS_KEEP_MS  ((int64_t)24 * 3600000) /* longer than any upload or import takes */
#define WAL_MAX_BYTES      ((int64_t)64 << 20)
#define TRUNCATE_MS        10000

struct keeper {
    const struct lg_runner *r;
    struct lg_db *db;
    struct lg_conf impatient; /* what the engines' handles are opened with */
    struct lg_engines engines;
    struct lg_engine_state told[LG_DRIVERS_MAX];
    int64_t version, checked_at, truncated_at;
};

/* The WAL's size says nothing once it has been copied and begun anew: a commit by others does. */
static void checkpoint(struct keeper *k)
{
    int64_t version = lg_db_data_version(k->db), now = lg_clock_mono(), bytes = lg_db_wal_bytes(k->db);
    if (bytes > WAL_MAX_BYTES && now - k->truncated_at > TRUNCATE_MS) {
        k->truncated_at = now;
        lg_db_checkpoint(k->db, true);
    } else if (version == k->version ||
               now - k->checked_at < (bytes > WAL_FULL_BYTES ? TICK_MS : CHECKPOINT_MS)) {
        return;
    } else {
        lg_db_checkpoint(k->db, false);
    }
    k->version = version;
    k->checked_at = now;
}

static bool same_state(const struct lg_engine_state *a, const struct lg_engine_state *b)
{
    return a->healthy == b->healthy && !strcmp(a->type, b->type) && !strcmp(a->version, b->version) &&
           !strcmp(a->api_version, b->api_version) && !strcmp(a->reason, b->reason);
}

/* True when the engine answered. */
static bool probe(struct keeper *k, int i)
{
    struct lg_err e = {0};
    struct lg_engine_info info = {0};
    const struct lg_driver *d = k->r->driver[i];
    struct lg_engine *g;
    int rc = lg_engines_get(&k->engines, d->backend, &d, &g, &e);
    if (!rc)
        rc = d->probe(g, &info, &e);
    struct lg_engine_state s = {.healthy = !rc, .checked_at = lg_clock_ms()}, *told = &k->told[i];
    snprintf(s.backend, sizeof s.backend, "%s", d->backend);
    snprintf(s.type, sizeof s.type, "%s", rc ? told->type : info.type);
    snprintf(s.version, sizeof s.version, "%s", rc ? told->version : info.version);
    snprintf(s.api_version, sizeof s.api_version, "%s", rc ? told->api_version : info.api_version);
    snprintf(s.reason, sizeof s.reason, "%.255s", rc ? e.msg : info.notice);
    if (same_state(&s, told) && s.checked_at - told->checked_at < TELL_MS)
        return s.healthy;
    if (told->checked_at && s.healthy != told->healthy)
        lg_log(s.healthy ? LG_INFO : LG_ERROR,
               s.healthy ? "the engine answers again" : "the engine does not answer", "backend", d->backend,
               "error", s.reason, NULL);
    if (lg_tx_write(k->db, NULL))
        return s.healthy;
    if (!lg_engine_state_put(k->db, &s, NULL) && !lg_tx_commit(k->db, NULL))
        *told = s;
    lg_tx_rollback(k->db);
    return s.healthy;
}

/* In small steps with pauses, so that a long backlog stalls nobody. True while there is more to do. */
static bool prune_events(struct keeper *k)
{
    int64_t last = 0, oldest = 0;
    if (lg_event_bounds(k->db, &last, &oldest, NULL) || !oldest)
        return false;
    int64_t kept = last - oldest + 1, keep = k->r->conf->event_keep;
    if (kept <= keep)
        return false;
    bool more = kept - keep > PRUNE_STEP;
    if (more)
        keep = kept - PRUNE_STEP;
    if (lg_tx_write(k->db, NULL))
        return false;
    bool ok = !lg_event_prune(k->db, keep, NULL) && !lg_tx_commit(k->db, NULL);
    lg_tx_rollback(k->db);
    return ok && more;
}

static void prune_operations(struct keeper *k)
{
    if (lg_tx_write(k->db, NULL))
        return;
    if (!lg_operation_prune(k->db, lg_clock_ms() - OPERATIONS_KEEP_MS, NULL))
        lg_tx_commit(k->db, NULL);
    lg_tx_rollback(k->db);
}

/* What has grown too old in small steps, as above. True while there is more to do. */
static bool prune_records(struct keeper *k)
{
    int64_t now = lg_clock_ms();
    if (lg_tx_write(k->db, NULL))
        return false;
    int lines =
        lg_audit_prune(k->db, now - k->r->conf->audit_keep_days * (int64_t)86400000, PRUNE_STEP, NULL);
    int keys = lg_idempotency_prune(k->db, now - LG_IDEMPOTENCY_KEEP_MS, PRUNE_STEP, NULL);
    bool ok = lines >= 0 && keys >= 0 && !lg_tx_commit(k->db, NULL);
    lg_tx_rollback(k->db);
    return ok && (lines == PRUNE_STEP || keys == PRUNE_STEP);
}

/*
 * Files of uploads that nobody will ask for again: nginx was killed while it stored one, a worker between
 * keeping the file and noting it, or the engine never answered the import.
 */
static void remove_leftovers(const struct lg_conf *c, const char *folder)
{
    char path[PATH_MAX];
    DIR *d = opendir(lg_conf_path(c, path, sizeof path, folder));
    int64_t before = lg_clock_ms() - LEFTOVERS_KEEP_MS;
    struct stat st;
    for (const struct dirent *f; d && (f = readdir(d));)
        if (!fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
            (int64_t)st.st_mtime * 1000 < before && !unlinkat(dirfd(d), f->d_name, 0))
            lg_log(LG_INFO, "a forgotten upload was removed", "folder", folder, "file", f->d_name, NULL);
    if (d)
        closedir(d);
}

void lg_keeper_main(const struct lg_runner *r, int arg)
{
    (void)arg;
    static struct keeper k;
    k.r = r;
    k.db = lg_child_db(r);
    lg_engines_init(&k.engines, r, NULL);
    k.impatient = *r->conf;
    if (k.impatient.engine_timeout_ms > ANSWER_MS)
        k.impatient.engine_timeout_ms = ANSWER_MS;
    k.engines.ctx.conf = &k.impatient;
    int64_t probe_at = 0, prune_at = 0, expiry_at = 0, operations_at = lg_clock_mono() + 60000,
            leftovers_at = 0, records_at = 0;
    for (;;) {
        int64_t now = lg_clock_mono();
        if (now >= probe_at) {
            bool healthy = true;
            for (int i = 0; i < r->drivers; i++)
                healthy = probe(&k, i) && healthy;
            probe_at = healthy ? lg_clock_mono() + PROBE_MS : 0; /* at the next tick: a start waits for it */
        }
        if (now >= prune_at)
            prune_at = prune_events(&k) ? 0 : now + PRUNE_MS;
        if (now >= expiry_at) {
            lg_session_sweep(k.db, NULL);
            lg_oneshot_sweep(k.db, NULL);
            expiry_at = now + EXPIRY_MS;
        }
        if (now >= operations_at) {
            prune_operations(&k);
            operations_at = now + OPERATIONS_MS;
        }
        if (now >= records_at)
            records_at = prune_records(&k) ? 0 : now + RECORDS_MS;
        if (now >= leftovers_at) {
            remove_leftovers(r->conf, "uploads");
            remove_leftovers(r->conf, "import");
            leftovers_at = now + LEFTOVERS_MS;
        }
        checkpoint(&k);
        lg_pause_ms(prune_at && records_at ? TICK_MS : 20);
    }
}
