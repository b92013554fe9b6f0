/*
 * Private to fcgi/store: named statements, prepared once per connection, bound by a format string.
 *
 *     lg_stmt *s = lg_sql(db, Q_X_LIST, e, "ti", id, n);    several rows
 *     while ((rc = lg_sql_step(db, s, e)) > 0)
 *         …read columns…
 *     return rc;
 *
 *     rc = lg_sql_step(db, s, e);                            one row
 *     if (rc > 0)
 *         …read columns…
 *     lg_sql_done(s);
 *     return rc;
 *
 * Formats: t text (NULL binds NULL), i int64_t, r double, n null, b bytes (pointer, size_t). The pointers
 * must stay valid until the statement is done.
 */
#ifndef LG_STORE_SQL_H
#define LG_STORE_SQL_H

#include <sqlite3.h>

#include "queries.h"
#include "store/db.h"

typedef sqlite3_stmt lg_stmt;

/* NULL when it failed; whatever takes a statement takes NULL and fails then. */
lg_stmt *lg_sql(struct lg_db *db, enum lg_query q, struct lg_err *e, const char *fmt, ...);
/* 1 a row, 0 no more, <0 failed; the statement is done unless there was a row. */
int lg_sql_step(struct lg_db *db, lg_stmt *s, struct lg_err *e);
/* For whoever leaves before the last row. Harmless when it is done. */
void lg_sql_done(lg_stmt *s);

/* Whole reads, the statement is done afterwards. */
int lg_sql_found(struct lg_db *db, lg_stmt *s, struct lg_err *e);             /* 1 a row, 0 none */
int lg_sql_int(struct lg_db *db, lg_stmt *s, int64_t *out, struct lg_err *e); /* 0 where there is no row */
int lg_sql_two_ints(struct lg_db *db, lg_stmt *s, int64_t *first, int64_t *second, struct lg_err *e);
/* The first column of up to `cap` rows; returns how many. */
int lg_sql_int_list(struct lg_db *db, lg_stmt *s, int *out, int cap, struct lg_err *e);
/* fn for the first column of every row, which it must not keep. */
int lg_sql_each_text(struct lg_db *db, lg_stmt *s, void (*fn)(void *arg, const char *text), void *arg,
                     struct lg_err *e);

/* Binds, steps to the end and resets: for INSERT, UPDATE, DELETE. Returns rows changed, or a negative code;
 * a broken UNIQUE constraint is LG_CONFLICT. */
int lg_sql_run(struct lg_db *db, enum lg_query q, struct lg_err *e, const char *fmt, ...);

/* Columns of the current row. text: "" for NULL, valid until the next step; copy: bounded copy of it. */
const char *lg_col_text(lg_stmt *s, int col);
void lg_col_copy(lg_stmt *s, int col, char *out, size_t cap);
int64_t lg_col_int(lg_stmt *s, int col);
double lg_col_real(lg_stmt *s, int col);
bool lg_col_null(lg_stmt *s, int col);
const void *lg_col_blob(lg_stmt *s, int col, size_t *n);

/* The transaction at hand added an event or an operation: ring after commit. */
void lg_db_touch_events(struct lg_db *db);
void lg_db_touch_operations(struct lg_db *db);

/* Fills `e` from the connection's last error. */
int lg_sql_fail(struct lg_db *db, int sqlite_rc, const char *what, struct lg_err *e);

#endif
