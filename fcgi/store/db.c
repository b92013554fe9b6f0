#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "store/beside.h"
#include "store/sql.h"

enum tx { TX_NONE, TX_READ, TX_WRITE };

/* What distinguishes the two files. */
struct file {
    const char *path, *queue; /* below the state directory */
    const char *pragmas;
    const char *const *migration_text, *const *migration_name;
    int migrations;
};

struct lg_db {
    sqlite3 *h;
    const struct file *file;
    lg_stmt *stmt[LG_QUERIES];
    lg_stmt *begin_read, *begin_write, *commit, *rollback, *data_version;
    const struct lg_conf *conf;
    int queue_fd; /* flock(2)ed around write transactions, so that waiting writers are served in turn */
    enum tx tx;
    bool new_events, new_operations;
    int64_t commits; /* of this connection */
    int64_t opened;  /* no other connection of this process has this number */
    struct lg_stamp stamp;
    bool moments, stamped; /* somebody begins moments; `stamp` is of the present one */
    pid_t owner;
    char site[LG_ID_LEN];
    char feeder_bell[PATH_MAX], runner_bell[PATH_MAX];
};

/* The process at hand, asked of the kernel once per fork: the assertions below are in every statement's way.
 */
static pid_t self;

static void forked(void)
{
    self = getpid();
}

static const struct file lodge_db = {
    .path = "db/lodge.db",
    .queue = "db/lodge.db.queue",
    .pragmas = "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
               "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-2048;"
               "PRAGMA mmap_size=268435456; PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;",
    .migration_text = lg_migration_text,
    .migration_name = lg_migration_name,
    .migrations = LG_MIGRATIONS};

/* One writer without a checkpointer beside it, so it copies its log itself. */
static const struct file samples_db = {
    .path = "db/samples.db",
    .queue = "db/samples.db.queue",
    .pragmas = "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
               "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-1024;"
               "PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=8388608; PRAGMA temp_store=MEMORY;",
    .migration_text = lg_history_text,
    .migration_name = lg_history_name,
    .migrations = LG_HISTORY_MIGRATIONS};

int lg_sql_fail(struct lg_db *db, int rc, const char *what, struct lg_err *e)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return lg_fail(e, LG_STORAGE,
                       "the disk of the database is full; free some space, it recovers by itself");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return lg_fail(e, LG_STORAGE, "the database cannot be used (%s: %s)", what, sqlite3_errmsg(db->h));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return lg_fail(e, LG_STORAGE, "the database stayed locked for too long (%s)", what);
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
            return lg_fail(e, LG_CONFLICT, "it exists already (%s)", what);
        break;
    default:
        break;
    }
    return lg_fail(e, LG_INTERNAL, "database: %s: %s", what, sqlite3_errmsg(db->h));
}

static lg_stmt *prepare(struct lg_db *db, const char *text)
{
    lg_stmt *s = NULL;
    if (sqlite3_prepare_v3(db->h, text, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL))
        return NULL;
    return s;
}

/* Which file a statement is for, by the file it stands in. */
static const struct file *file_of(enum lg_query q)
{
    return strncmp(lg_query_name[q], "history.", 8) ? &lodge_db : &samples_db;
}

static lg_stmt *get(struct lg_db *db, enum lg_query q, struct lg_err *e)
{
    assert(db->owner == self);
    assert(db->stmt[q] || db->file == file_of(q));
    if (!db->stmt[q] && !(db->stmt[q] = prepare(db, lg_query_text[q]))) {
        lg_sql_fail(db, sqlite3_extended_errcode(db->h), lg_query_name[q], e);
        return NULL;
    }
    return db->stmt[q];
}

static bool bind(lg_stmt *s, const char *fmt, va_list ap)
{
    int rc = 0;
    for (int i = 1; *fmt && !rc; fmt++, i++) {
        if (*fmt == 't') {
            rc = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else if (*fmt == 'i') {
            rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
        } else if (*fmt == 'r') {
            rc = sqlite3_bind_double(s, i, va_arg(ap, double));
        } else if (*fmt == 'b') {
            const void *p = va_arg(ap, const void *);
            rc = sqlite3_bind_blob64(s, i, p, va_arg(ap, size_t), SQLITE_STATIC);
        } else {
            assert(*fmt == 'n');
            rc = sqlite3_bind_null(s, i);
        }
    }
    return !rc;
}

lg_stmt *lg_sql(struct lg_db *db, enum lg_query q, struct lg_err *e, const char *fmt, ...)
{
    lg_stmt *s = get(db, q, e);
    if (!s)
        return NULL;
    assert((int)strlen(fmt) == sqlite3_bind_parameter_count(s));
    assert(db->tx == TX_WRITE || sqlite3_stmt_readonly(s));
    va_list ap;
    va_start(ap, fmt);
    bool ok = bind(s, fmt, ap);
    va_end(ap);
    if (ok)
        return s;
    lg_sql_fail(db, sqlite3_extended_errcode(db->h), lg_query_name[q], e);
    lg_sql_done(s);
    return NULL;
}

int lg_sql_step(struct lg_db *db, lg_stmt *s, struct lg_err *e)
{
    if (!s)
        return -(int)LG_INTERNAL;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    rc = rc == SQLITE_DONE ? 0 : lg_sql_fail(db, sqlite3_extended_errcode(db->h), "reading", e);
    lg_sql_done(s);
    return rc;
}

void lg_sql_done(lg_stmt *s)
{
    if (!s)
        return;
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

int lg_sql_found(struct lg_db *db, lg_stmt *s, struct lg_err *e)
{
    int rc = lg_sql_step(db, s, e);
    lg_sql_done(s);
    return rc;
}

int lg_sql_two_ints(struct lg_db *db, lg_stmt *s, int64_t *first, int64_t *second, struct lg_err *e)
{
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    *first = rc ? lg_col_int(s, 0) : 0;
    if (second)
        *second = rc ? lg_col_int(s, 1) : 0;
    lg_sql_done(s);
    return 0;
}

int lg_sql_int(struct lg_db *db, lg_stmt *s, int64_t *out, struct lg_err *e)
{
    return lg_sql_two_ints(db, s, out, NULL, e);
}

int lg_sql_int_list(struct lg_db *db, lg_stmt *s, int *out, int cap, struct lg_err *e)
{
    int rc = 0, n = 0;
    while (n < cap && (rc = lg_sql_step(db, s, e)) > 0)
        out[n++] = (int)lg_col_int(s, 0);
    lg_sql_done(s);
    return rc < 0 ? rc : n;
}

int lg_sql_each_text(struct lg_db *db, lg_stmt *s, void (*fn)(void *arg, const char *text), void *arg,
                     struct lg_err *e)
{
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0)
        fn(arg, lg_col_text(s, 0));
    return rc;
}

int lg_sql_run(struct lg_db *db, enum lg_query q, struct lg_err *e, const char *fmt, ...)
{
    lg_stmt *s = get(db, q, e);
    if (!s)
        return -(int)LG_INTERNAL;
    assert((int)strlen(fmt) == sqlite3_bind_parameter_count(s));
    assert(db->tx == TX_WRITE);
    va_list ap;
    va_start(ap, fmt);
    int rc = bind(s, fmt, ap) ? sqlite3_step(s) : SQLITE_NOMEM;
    va_end(ap);
    int ext = sqlite3_extended_errcode(db->h);
    if (rc == SQLITE_DONE || rc == SQLITE_ROW)
        rc = sqlite3_changes(db->h);
    else
        rc = lg_sql_fail(db, ext, lg_query_name[q], e);
    lg_sql_done(s);
    return rc;
}

const char *lg_col_text(lg_stmt *s, int col)
{
    const unsigned char *t = sqlite3_column_text(s, col);
    return t ? (const char *)t : "";
}

void lg_col_copy(lg_stmt *s, int col, char *out, size_t cap)
{
    snprintf(out, cap, "%s", lg_col_text(s, col));
}

int64_t lg_col_int(lg_stmt *s, int col)
{
    return sqlite3_column_int64(s, col);
}

double lg_col_real(lg_stmt *s, int col)
{
    return sqlite3_column_double(s, col);
}

bool lg_col_null(lg_stmt *s, int col)
{
    return sqlite3_column_type(s, col) == SQLITE_NULL;
}

const void *lg_col_blob(lg_stmt *s, int col, size_t *n)
{
    const void *p = sqlite3_column_blob(s, col);
    *n = (size_t)sqlite3_column_bytes(s, col);
    return p;
}

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
    assert(db->owner == self && db->tx == TX_NONE);
    int rc = run_static(db, db->begin_read, "begin", e);
    if (!rc)
        db->tx = TX_READ;
    return rc;
}

int lg_tx_write(struct lg_db *db, struct lg_err *e)
{
    assert(db->owner == self && db->tx == TX_NONE);
    while (flock(db->queue_fd, LOCK_EX) && errno == EINTR)
        ;
    int rc = run_static(db, db->begin_write, "begin", e);
    if (rc)
        flock(db->queue_fd, LOCK_UN);
    else
        db->tx = TX_WRITE;
    return rc;
}

void lg_tx_rollback(struct lg_db *db)
{
    if (db->tx == TX_NONE)
        return;
    if (!sqlite3_get_autocommit(db->h))
        run_static(db, db->rollback, "rollback", NULL);
    if (db->tx == TX_WRITE)
        flock(db->queue_fd, LOCK_UN);
    db->tx = TX_NONE;
    db->new_events = db->new_operations = false;
}

int lg_tx_commit(struct lg_db *db, struct lg_err *e)
{
    assert(db->tx != TX_NONE);
    int rc = run_static(db, db->commit, "commit", e);
    if (rc) {
        lg_tx_rollback(db);
        return rc;
    }
    if (db->tx == TX_WRITE) {
        flock(db->queue_fd, LOCK_UN);
        db->commits++;
        db->stamped = false;
    }
    db->tx = TX_NONE;
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
static int open_files(struct lg_db *db, int flags, struct lg_err *e)
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

static struct lg_db *new_handle(const struct lg_conf *c, const struct file *file)
{
    struct lg_db *db = calloc(1, sizeof *db);
    if (!db)
        abort();
    if (!self) {
        forked();
        pthread_atfork(NULL, NULL, forked);
    }
    static int64_t opened;
    db->opened = ++opened;
    db->conf = c;
    db->file = file;
    db->owner = self;
    db->queue_fd = -1;
    lg_conf_path(c, db->feeder_bell, sizeof db->feeder_bell, "run/feeder.bell");
    lg_conf_path(c, db->runner_bell, sizeof db->runner_bell, "run/runner.bell");
    return db;
}

static int prepare_fixed(struct lg_db *db, struct lg_err *e)
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
        if (!(*fixed[i].at = prepare(db, fixed[i].text)))
            return lg_fail(e, LG_STORAGE, "the database cannot be used: %s", sqlite3_errmsg(db->h));
    return 0;
}

static int64_t user_version(struct lg_db *db)
{
    lg_stmt *s = prepare(db, "PRAGMA user_version");
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

static int open_file(struct lg_db **out, const struct lg_conf *c, const struct file *file, struct lg_err *e)
{
    struct lg_db *db = new_handle(c, file);
    int rc = open_files(db, SQLITE_OPEN_READWRITE, e);
    if (!rc && user_version(db) != file->migrations)
        rc = lg_fail(e, LG_STORAGE, "%s has schema %d, this program needs %d: run `lodge migrate`",
                     file == &lodge_db ? "the database" : "the usage history", (int)user_version(db),
                     file->migrations);
    if (!rc)
        rc = prepare_fixed(db, e);
    if (!rc && file == &lodge_db)
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
    return open_file(out, c, &lodge_db, e);
}

int lg_history_open(struct lg_db **out, const struct lg_conf *c, struct lg_err *e)
{
    return open_file(out, c, &samples_db, e);
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

static int apply(struct lg_db *db, int i, struct lg_err *e)
{
    char set[64];
    snprintf(set, sizeof set, "PRAGMA user_version = %d", i + 1);
    int rc = lg_tx_write(db, e);
    if (rc)
        return rc;
    if (sqlite3_exec(db->h, db->file->migration_text[i], NULL, NULL, NULL) ||
        sqlite3_exec(db->h, set, NULL, NULL, NULL)) {
        rc = lg_sql_fail(db, sqlite3_extended_errcode(db->h), db->file->migration_name[i], e);
        lg_tx_rollback(db);
        return rc;
    }
    return lg_tx_commit(db, e);
}

static int name_site(struct lg_db *db, struct lg_err *e)
{
    char id[LG_ID_LEN];
    lg_id_new(id);
    int rc = lg_tx_write(db, e);
    if (!rc)
        rc = lg_sql_run(db, Q_META_PUT, e, "tt", "site", id);
    if (rc >= 0)
        return lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc;
}

static int migrate_file(const struct lg_conf *c, const struct file *file, struct lg_err *e)
{
    struct lg_db *db = new_handle(c, file);
    int rc = open_files(db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e), applied = 0;
    if (!rc)
        rc = prepare_fixed(db, e);
    int64_t version = rc ? 0 : user_version(db);
    if (!rc && version < 0)
        rc = lg_sql_fail(db, sqlite3_extended_errcode(db->h), file->path, e);
    if (!rc && version > file->migrations)
        rc = lg_fail(e, LG_STORAGE, "%s has schema %d, newer than this program's %d", file->path,
                     (int)version, file->migrations);
    for (int i = (int)version; !rc && i < file->migrations; i++, applied++)
        rc = apply(db, i, e);
    if (!rc && file == &lodge_db)
        rc = name_site(db, e);
    lg_db_close(db);
    return rc ? rc : applied;
}

/* What was measured may be lost: a file that nobody can read, or of a later Lodge, is put aside. */
static int migrate_history(const struct lg_conf *c, struct lg_err *e)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct lg_err why = {0};
    if (migrate_file(c, &samples_db, &why) >= 0)
        return 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char from[PATH_MAX], to[PATH_MAX], rel[64];
        snprintf(rel, sizeof rel, "%s%s", samples_db.path, ends[i]);
        lg_conf_path(c, from, sizeof from, rel);
        snprintf(rel, sizeof rel, "%s.unusable%s", samples_db.path, ends[i]);
        if (rename(from, lg_conf_path(c, to, sizeof to, rel)) && errno != ENOENT)
            return lg_fail_errno(e, LG_STORAGE, "cannot put %s aside", from);
    }
    lg_log_err(LG_WARN, "the usage history was put aside and begins anew", &why);
    int rc = migrate_file(c, &samples_db, e);
    return rc < 0 ? rc : 0;
}

int lg_db_migrate(const struct lg_conf *c, struct lg_err *e)
{
    char dir[PATH_MAX];
    if (mkdir(lg_conf_path(c, dir, sizeof dir, "db"), 0750) && errno != EEXIST)
        return lg_fail_errno(e, LG_STORAGE, "cannot make %s", dir);
    int applied = migrate_file(c, &lodge_db, e);
    int rc = applied < 0 ? applied : migrate_history(c, e);
    return rc ? rc : applied;
}

int lg_db_prepare_all(struct lg_db *db, struct lg_err *e)
{
    for (int q = 0; q < LG_QUERIES; q++)
        if (file_of((enum lg_query)q) == db->file && !get(db, (enum lg_query)q, e))
            return -(int)LG_INTERNAL;
    return 0;
}
