#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/beside.h"
#include "store/connection.h"

pid_t lg_db_self;

static void forked(void)
{
    lg_db_self = getpid();
}

const struct lg_db_file lg_db_lodge = {
    .path = "db/lodge.db",
    .queue = "db/lodge.db.queue",
    .pragmas = "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
               "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-2048;"
               "PRAGMA mmap_size=268435456; PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;",
    .migration_text = lg_migration_text,
    .migration_name = lg_migration_name,
    .migrations = LG_MIGRATIONS};

/* One writer without a checkpointer beside it, so it copies its log itself. */
const struct lg_db_file lg_db_samples = {
    .path = "db/samples.db",
    .queue = "db/samples.db.queue",
    .pragmas = "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
               "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-1024;"
               "PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=8388608; PRAGMA temp_store=MEMORY;",
    .migration_text = lg_history_text,
    .migration_name = lg_history_name,
    .migrations = LG_HISTORY_MIGRATIONS};

void lg_db_touch_events(struct lg_db *db)
{
    db->new_events = true;
}

void lg_db_touch_operations(struct lg_db *db)
{
    db->new_operations = true;
}

static int run_static(struct lg_db *db, lg_stmt *s, const char *what, struct lg_err *e)
{
    int rc = sqlite3_step(s);
    int ext = sqlite3_extended_errcode(db->h);
    sqlite3_reset(s);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : lg_sql_fail(db, ext, what, e);
}

int lg_tx_read(struct lg_db *db, struct lg_err *e)
{
    assert(db->owner == lg_db_self && db->tx == LG_TX_NONE);
    int rc = run_static(db, db->begin_read, "begin", e);
    if (!rc)
        db->tx = LG_TX_READ;
    return rc;
}

int lg_tx_write(struct lg_db *db, struct lg_err *e)
{
    assert(db->owner == lg_db_self && db->tx == LG_TX_NONE);
    while (flock(db->queue_fd, LOCK_EX) && errno == EINTR)
        ;
    int rc = run_static(db, db->begin_write, "begin", e);
    if (rc)
        flock(db->queue_fd, LOCK_UN);
    else
        db->tx = LG_TX_WRITE;
    return rc;
}

void lg_tx_rollback(struct lg_db *db)
{
    if (db->tx == LG_TX_NONE)
        return;
    if (!sqlite3_get_autocommit(db->h))
        run_static(db, db->rollback, "rollback", NULL);
    if (db->tx == LG_TX_WRITE)
        flock(db->queue_fd, LOCK_UN);
    db->tx = LG_TX_NONE;
    db->new_events = db->new_operations = false;
}

int lg_tx_commit(struct lg_db *db, struct lg_err *e)
{
    assert(db->tx != LG_TX_NONE);
    int rc = run_static(db, db->commit, "commit", e);
    if (rc) {
        lg_tx_rollback(db);
        return rc;
    }
    if (db->tx == LG_TX_WRITE) {
        flock(db->queue_fd, LOCK_UN);
        db->commits++;
        db->stamped = false;
    }
    db->tx = LG_TX_NONE;
    if (db->new_operations)
        lg_bell_ring(db->runner_bell);
    if (db->new_events)
        lg_bell_ring(db->feeder_bell);
    db->new_events = db->new_operations = false;
    return 0;
}

int64_t lg_db_data_version(struct lg_db *db)
{
    int64_t v = sqlite3_step(db->data_version) == SQLITE_ROW ? sqlite3_column_int64(db->data_version, 0) : -1;
    sqlite3_reset(db->data_version);
    return v;
}

struct lg_stamp lg_db_stamp(struct lg_db *db)
{
    if (!db->stamped)
        db->stamp =
            (struct lg_stamp){.others = lg_db_data_version(db), .own = db->commits, .opened = db->opened};
    db->stamped = db->moments;
    return db->stamp;
}

void lg_db_moment(struct lg_db *db)
{
    db->moments = true;
    db->stamped = false;
}

bool lg_stamp_same(const struct lg_stamp *a, const struct lg_stamp *b)
{
    return a->others == b->others && a->own == b->own && a->opened == b->opened;
}

void lg_db_checkpoint(struct lg_db *db, bool truncate)
{
    sqlite3_wal_checkpoint_v2(db->h, NULL, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
                              NULL, NULL);
}

int64_t lg_db_wal_bytes(const struct lg_db *db)
{
    char path[PATH_MAX], rel[64];
    struct stat st;
    snprintf(rel, sizeof rel, "%s-wal", db->file->path);
    return stat(lg_conf_path(db->conf, path, sizeof path, rel), &st) ? 0 : (int64_t)st.st_size;
}

const char *lg_db_site(const struct lg_db *db)
{
    return db->site;
}

const struct lg_conf *lg_db_conf(const struct lg_db *db)
{
    return db->conf;
}

/* The folder is the run user's and lodge-runner is root: a link there must not lead root elsewhere. (SQLite
 * itself follows none to the WAL and the shared memory.) */
int lg_db_open_files(struct lg_db *db, int flags, struct lg_err *e)
{
    char path[PATH_MAX];
    lg_conf_path(db->conf, path, sizeof path, db->file->queue);
    db->queue_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (db->queue_fd < 0)
        return lg_fail_errno(e, LG_STORAGE, "cannot open %s", path);
    lg_conf_path(db->conf, path, sizeof path, db->file->path);
    lg_db_make_beside(path);
    int rc = sqlite3_open_v2(path, &db->h, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (!rc)
        rc = sqlite3_exec(db->h, db->file->pragmas, NULL, NULL, NULL);
    return rc ? lg_fail(e, LG_STORAGE, "cannot open %s: %s", path, sqlite3_errmsg(db->h)) : 0;
}

struct lg_db *lg_db_new(const struct lg_conf *c, const struct lg_db_file *file)
{
    struct lg_db *db = calloc(1, sizeof *db);
    if (!db)
        abort();
    if (!lg_db_self) {
        forked();
        pthread_atfork(NULL, NULL, forked);
    }
    static int64_t opened;
    db->opened = ++opened;
    db->conf = c;
    db->file = file;
    db->owner = lg_db_self;
    db->queue_fd = -1;
    lg_conf_path(c, db->feeder_bell, sizeof db->feeder_bell, "run/feeder.bell");
    lg_conf_path(c, db->runner_bell, sizeof db->runner_bell, "run/runner.bell");
    return db;
}

int lg_db_prepare_fixed(struct lg_db *db, struct lg_err *e)
{
    const struct {
        lg_stmt **at;
        const char *text;
    } fixed[] = {{&db->begin_read, "BEGIN"},
                 {&db->begin_write, "BEGIN IMMEDIATE"},
                 {&db->commit, "COMMIT"},
                 {&db->rollback, "ROLLBACK"},
                 {&db->data_version, "PRAGMA data_version"}};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (!(*fixed[i].at = lg_db_prepare(db, fixed[i].text)))
            return lg_fail(e, LG_STORAGE, "the database cannot be used: %s", sqlite3_errmsg(db->h));
    return 0;
}

int64_t lg_db_user_version(struct lg_db *db)
{
    lg_stmt *s = lg_db_prepare(db, "PRAGMA user_version");
    int64_t v = s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    sqlite3_finalize(s);
    return v;
}

static int read_site(struct lg_db *db, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_META_GET, e, "t", "site");
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        lg_col_copy(s, 0, db->site, sizeof db->site);
    lg_sql_done(s);
    return rc > 0 ? 0 : rc < 0 ? rc : lg_fail(e, LG_STORAGE, "the database names no site; was it migrated?");
}

static int open_file(struct lg_db **out, const struct lg_conf *c, const struct lg_db_file *file,
                     struct lg_err *e)
{
    struct lg_db *db = lg_db_new(c, file);
    int rc = lg_db_open_files(db, SQLITE_OPEN_READWRITE, e);
    if (!rc && lg_db_user_version(db) != file->migrations)
        rc = lg_fail(e, LG_STORAGE, "%s has schema %d, this program needs %d: run `lodge migrate`",
                     file == &lg_db_lodge ? "the database" : "the usage history", (int)lg_db_user_version(db),
                     file->migrations);
    if (!rc)
        rc = lg_db_prepare_fixed(db, e);
    if (!rc && file == &lg_db_lodge)
        rc = read_site(db, e);
    if (rc) {
        lg_db_close(db);
        return rc;
    }
    *out = db;
    return 0;
}

int lg_db_open(struct lg_db **out, const struct lg_conf *c, struct lg_err *e)
{
    return open_file(out, c, &lg_db_lodge, e);
}

int lg_history_open(struct lg_db **out, const struct lg_conf *c, struct lg_err *e)
{
    return open_file(out, c, &lg_db_samples, e);
}

void lg_db_close(struct lg_db *db)
{
    if (!db)
        return;
    lg_tx_rollback(db);
    for (int i = 0; i < LG_QUERIES; i++)
        sqlite3_finalize(db->stmt[i]);
    lg_stmt *fixed[] = {db->begin_read, db->begin_write, db->commit, db->rollback, db->data_version};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        sqlite3_finalize(fixed[i]);
    sqlite3_close(db->h);
    lg_fd_close(&db->queue_fd);
    free(db);
}
