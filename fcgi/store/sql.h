/*
 * Private to fcgi/store: named statements, prepared once per connection, bound by a format string.
 *
 *     lg_stmt *s = lg_sql(db, Q_INSTANCE_GET, e, "t", id);      t text  i int64  r double  n null  b bytes
 * (ptr, size_t) int rc = lg_sql_step(db, s, e);                           1 a row, 0 no more, <0 failed …read
 * columns…                                            before lg_sql_done lg_sql_done(s); always, at once
 * after the last row
 *
 * A NULL text binds NULL. The pointers must stay valid until lg_sql_done.
 */
#ifndef LG_STORE_SQL_H
#define LG_STORE_SQL_H

#include <sqlite3.h>

#include "queries.h"
#include "store/db.h"

typedef sqlite3_stmt lg_stmt;

lg_stmt *lg_sql(struct lg_db *db, enum lg_query q, struct lg_err *e, const char *fmt, ...); /* NULL: failed */
int lg_sql_step(struct lg_db *db, lg_stmt *s, struct lg_err *e);
void lg_sql_done(lg_stmt *s);

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
