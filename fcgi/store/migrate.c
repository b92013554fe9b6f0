/* Makes and upgrades the two files. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "store/connection.h"

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

static int migrate_file(const struct lg_conf *c, const struct lg_db_file *file, struct lg_err *e)
{
    struct lg_db *db = lg_db_new(c, file);
    int rc = lg_db_open_files(db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e), applied = 0;
    if (!rc)
        rc = lg_db_prepare_fixed(db, e);
    int64_t version = rc ? 0 : lg_db_user_version(db);
    if (!rc && version < 0)
        rc = lg_sql_fail(db, sqlite3_extended_errcode(db->h), file->path, e);
    if (!rc && version > file->migrations)
        rc = lg_fail(e, LG_STORAGE, "%s has schema %d, newer than this program's %d", file->path,
                     (int)version, file->migrations);
    for (int i = (int)version; !rc && i < file->migrations; i++, applied++)
        rc = apply(db, i, e);
    if (!rc && file == &lg_db_lodge)
        rc = name_site(db, e);
    lg_db_close(db);
    return rc ? rc : applied;
}

/* What was measured may be lost: a file that nobody can read, or of a later Lodge, is put aside. */
static int migrate_history(const struct lg_conf *c, struct lg_err *e)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct lg_err why = {0};
    if (migrate_file(c, &lg_db_samples, &why) >= 0)
        return 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char from[PATH_MAX], to[PATH_MAX], rel[64];
        snprintf(rel, sizeof rel, "%s%s", lg_db_samples.path, ends[i]);
        lg_conf_path(c, from, sizeof from, rel);
        snprintf(rel, sizeof rel, "%s.unusable%s", lg_db_samples.path, ends[i]);
        if (rename(from, lg_conf_path(c, to, sizeof to, rel)) && errno != ENOENT)
            return lg_fail_errno(e, LG_STORAGE, "cannot put %s aside", from);
    }
    lg_log_err(LG_WARN, "the usage history was put aside and begins anew", &why);
    int rc = migrate_file(c, &lg_db_samples, e);
    return rc < 0 ? rc : 0;
}

int lg_db_migrate(const struct lg_conf *c, struct lg_err *e)
{
    char dir[PATH_MAX];
    if (mkdir(lg_conf_path(c, dir, sizeof dir, "db"), 0750) && errno != EEXIST)
        return lg_fail_errno(e, LG_STORAGE, "cannot make %s", dir);
    int applied = migrate_file(c, &lg_db_lodge, e);
    int rc = applied < 0 ? applied : migrate_history(c, e);
    return rc ? rc : applied;
}
