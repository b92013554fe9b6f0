/* Named statements: preparing, binding, stepping, reading. */
#include "store/sql.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "store/connection.h"

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

lg_stmt *lg_db_prepare(struct lg_db *db, const char *text)
{
    lg_stmt *s = NULL;
    if (sqlite3_prepare_v3(db->h, text, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL))
        return NULL;
    return s;
}

/* Which file a statement is for, by the file it stands in. */
static const struct lg_db_file *file_of(enum lg_query q)
{
    return strncmp(lg_query_name[q], "history.", 8) ? &lg_db_lodge : &lg_db_samples;
}

static lg_stmt *get(struct lg_db *db, enum lg_query q, struct lg_err *e)
{
    assert(db->owner == lg_db_self);
    assert(db->stmt[q] || db->file == file_of(q));
    if (!db->stmt[q] && !(db->stmt[q] = lg_db_prepare(db, lg_query_text[q]))) {
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
    assert(db->tx == LG_TX_WRITE || sqlite3_stmt_readonly(s));
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
    assert(db->tx == LG_TX_WRITE);
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

int lg_db_prepare_all(struct lg_db *db, struct lg_err *e)
{
    for (int q = 0; q < LG_QUERIES; q++)
        if (file_of((enum lg_query)q) == db->file && !get(db, (enum lg_query)q, e))
            return -(int)LG_INTERNAL;
    return 0;
}
