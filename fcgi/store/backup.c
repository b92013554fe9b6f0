#include "store/backup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/doctor.h"
#include "store/sql.h"

#define TRIES    200
#define PAUSE_MS 50

static int refuse(sqlite3 *h, const char *what, struct lg_err *e)
{
    return lg_fail(e, LG_STORAGE, "%s: %s", what, sqlite3_errmsg(h));
}

/* The first value of a pragma as text; false when it fails or has none. */
static bool pragma(sqlite3 *h, const char *text, char *out, size_t cap)
{
    sqlite3_stmt *s = NULL;
    bool ok = !sqlite3_prepare_v2(h, text, -1, &s, NULL) && sqlite3_step(s) == SQLITE_ROW;
    const unsigned char *t = ok ? sqlite3_column_text(s, 0) : NULL;
    snprintf(out, cap, "%s", t ? (const char *)t : "");
    return !sqlite3_finalize(s) && ok;
}

static int facts(sqlite3 *h, struct lg_db_facts *f, struct lg_err *e)
{
    char said[400];
    if (!pragma(h, "PRAGMA user_version", said, sizeof said))
        return refuse(h, "the database cannot be read", e);
    f->schema = strtoll(said, NULL, 10);
    if (f->schema < 1)
        return lg_fail(e, LG_STORAGE, "the database was never made");
    sqlite3_stmt *s = NULL;
    bool ok = !sqlite3_prepare_v2(h, lg_query_text[Q_META_GET], -1, &s, NULL) &&
              !sqlite3_bind_text(s, 1, "site", -1, SQLITE_STATIC) && sqlite3_step(s) == SQLITE_ROW;
    snprintf(f->site, sizeof f->site, "%s", ok ? (const char *)sqlite3_column_text(s, 0) : "");
    sqlite3_finalize(s);
    return ok ? 0 : lg_fail(e, LG_STORAGE, "the database names no site");
}

static int copy(sqlite3 *from, sqlite3 *to, struct lg_err *e)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b)
        return refuse(to, "the copy cannot be begun", e);
    int rc = SQLITE_BUSY;
    for (int i = 0; i < TRIES && (rc == SQLITE_BUSY || rc == SQLITE_LOCKED); i++) {
        rc = sqlite3_backup_step(b, -1);
        if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
            sqlite3_sleep(PAUSE_MS);
    }
    int done = sqlite3_backup_finish(b);
    if (rc == SQLITE_DONE && !done)
        return 0;
    return lg_fail(e, LG_STORAGE, "the database cannot be copied: %s", sqlite3_errstr(done ? done : rc));
}

/* One file without a log beside it, proved to be whole. */
static int settle(sqlite3 *h, struct lg_db_facts *f, struct lg_err *e)
{
    char said[400];
    if (!pragma(h, "PRAGMA journal_mode=DELETE", said, sizeof said) || strcmp(said, "delete") != 0)
        return refuse(h, "the copy cannot be closed", e);
    if (!pragma(h, "PRAGMA integrity_check(1)", said, sizeof said))
        return refuse(h, "the copy cannot be checked", e);
    if (strcmp(said, "ok") != 0)
        return lg_fail(e, LG_STORAGE, "the database is damaged: %.300s", said);
    return f ? facts(h, f, e) : 0;
}

static int snapshot(const struct lg_conf *c, const char *rel, const char *to, struct lg_db_facts *f,
                    struct lg_err *e)
{
    char path[PATH_MAX];
    sqlite3 *from = NULL, *out = NULL;
    lg_conf_path(c, path, sizeof path, rel);
    int rc = sqlite3_open_v2(path, &from, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc)
        rc = refuse(from, path, e);
    else if (sqlite3_open_v2(to, &out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW,
                             NULL))
        rc = refuse(out, to, e);
    if (!rc)
        sqlite3_busy_timeout(from, 5000);
    rc = rc ? rc : copy(from, out, e);
    rc = rc ? rc : settle(out, f, e);
    sqlite3_close(out);
    sqlite3_close(from);
    return rc;
}

int lg_db_snapshot(const struct lg_conf *c, const char *to, struct lg_db_facts *f, struct lg_err *e)
{
    return snapshot(c, "db/lodge.db", to, f, e);
}

int lg_history_snapshot(const struct lg_conf *c, const char *to, struct lg_err *e)
{
    return snapshot(c, "db/samples.db", to, NULL, e);
}

/* Leaving the WAL needs the file for oneself alone: SQLite knows best whether somebody else has it. */
int lg_db_unused(const struct lg_conf *c, struct lg_err *e)
{
    char path[PATH_MAX], said[64];
    sqlite3 *h = NULL;
    int rc = 0;
    if (access(lg_conf_path(c, path, sizeof path, "db/lodge.db"), F_OK))
        return 0;
    if (!sqlite3_open_v2(path, &h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL)) {
        sqlite3_busy_timeout(h, 1000);
        pragma(h, "PRAGMA journal_mode=DELETE", said, sizeof said);
        int code = sqlite3_errcode(h);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED || !strcmp(said, "wal"))
            rc = lg_fail(e, LG_CONFLICT, "a process of Lodge still uses %s: stop Lodge first", path);
    }
    sqlite3_close(h);
    return rc;
}

static int end_history(struct lg_db *db, struct lg_err *e)
{
    int rc = lg_tx_write(db, e);
    if (rc)
        return rc;
    rc = lg_sql_run(db, Q_EVENT_FORGET, e, "");
    if (rc >= 0)
        rc = lg_sql_run(db, Q_EVENT_LEAP, e, "");
    if (rc >= 0)
        return lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc;
}

int lg_db_adopt(const struct lg_conf *c, struct lg_db_facts *f, struct lg_err *e)
{
    struct lg_db *db = NULL;
    struct lg_db_report r = {0};
    int rc = lg_db_migrate(c, e);
    rc = rc < 0 ? rc : lg_db_open(&db, c, e);
    rc = rc ? rc : lg_db_examine(db, INT64_MAX / 2, &r, e);
    if (!rc && (*r.damage || r.broken_links))
        rc = lg_fail(e, LG_STORAGE, "the database in the backup is damaged: %.300s",
                     *r.damage ? r.damage : "rows that name rows which are not there");
    rc = rc ? rc : end_history(db, e);
    if (!rc) {
        *f = (struct lg_db_facts){.schema = LG_MIGRATIONS};
        snprintf(f->site, sizeof f->site, "%s", lg_db_site(db));
        lg_db_checkpoint(db, true);
    }
    lg_db_close(db);
    return rc;
}
