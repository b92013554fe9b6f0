/*
 * The database: one SQLite file in WAL mode, shared by lodge-api's workers and lodge-runner's processes, each
 * with a connection it opened itself after fork (asserted). A write transaction says so when it starts,
 * queues fairly on a file lock, is short, and never spans a call to an engine, a child process or the
 * network.
 *
 * Errors: LG_STORAGE the disk is full or failing, or the file stayed locked for 5 s; everything else
 * LG_INTERNAL.
 */
#ifndef LG_STORE_DB_H
#define LG_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/id.h"

struct lg_db;

/* Opens $LODGE_STATE/db/lodge.db; it must exist and have the newest schema (LG_STORAGE says to migrate
 * otherwise). */
int lg_db_open(struct lg_db **out, const struct lg_conf *c, struct lg_err *e);
void lg_db_close(struct lg_db *db);

/* The same for $LODGE_STATE/db/samples.db, the usage history: a connection of its own, for store/history.h
 * alone. */
int lg_history_open(struct lg_db **out, const struct lg_conf *c, struct lg_err *e);

/* Makes or upgrades both files, each migration in one transaction. Returns the number of migrations applied
 * to the database; a usage history that cannot be used is put aside (samples.db.unusable) and begun anew. */
int lg_db_migrate(const struct lg_conf *c, struct lg_err *e);

/* UUID of this installation, made by the first migration run. */
const char *lg_db_site(const struct lg_db *db);
const struct lg_conf *lg_db_conf(const struct lg_db *db);

/*
 * Transactions do not nest (asserted). After a commit that added events or operations the doorbells of the
 * feeder and the runner ring. Rollback is safe at any time, also when none is open. A write outside a write
 * transaction is refused.
 */
int lg_tx_read(struct lg_db *db, struct lg_err *e);
int lg_tx_write(struct lg_db *db, struct lg_err *e);
int lg_tx_commit(struct lg_db *db, struct lg_err *e);
void lg_tx_rollback(struct lg_db *db);

/* Number that changes when another connection committed; a few µs. */
int64_t lg_db_data_version(struct lg_db *db);
/*
 * Equal stamps mean that nothing was committed in between, by this connection or another, and that it is the
 * same connection. Asking SQLite takes a few µs and locks; between one lg_db_moment and the next it is asked
 * once, so whoever begins something new says so first (lodge-api: each request). Without any moment it is
 * asked each time.
 */
struct lg_stamp {
    int64_t others, own, opened;
};
void lg_db_moment(struct lg_db *db);
bool lg_stamp_same(const struct lg_stamp *a, const struct lg_stamp *b);
struct lg_stamp lg_db_stamp(struct lg_db *db);
/* Copies the WAL into the file; `truncate` also empties it. Called by the runner's checkpointer alone. */
void lg_db_checkpoint(struct lg_db *db, bool truncate);
int64_t lg_db_wal_bytes(const struct lg_db *db);

/* Prepares every statement of the connection's file; for the test that proves them all against a fresh
 * schema. */
int lg_db_prepare_all(struct lg_db *db, struct lg_err *e);

#endif
