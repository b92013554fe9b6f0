/* Private to db.c, sql.c and migrate.c: what a connection is made of. */
#ifndef LG_STORE_CONNECTION_H
#define LG_STORE_CONNECTION_H

#include <limits.h>
#include <sys/types.h>

#include "store/sql.h"

enum lg_tx { LG_TX_NONE, LG_TX_READ, LG_TX_WRITE };

/* What distinguishes the two files. */
struct lg_db_file {
    const char *path, *queue; /* below the state directory */
    const char *pragmas;
    const char *const *migration_text, *const *migration_name;
    int migrations;
};

struct lg_db {
    sqlite3 *h;
    const struct lg_db_file *file;
    lg_stmt *stmt[LG_QUERIES];
    lg_stmt *begin_read, *begin_write, *commit, *rollback, *data_version;
    const struct lg_conf *conf;
    int queue_fd; /* flock(2)ed around write transactions, so that waiting writers are served in turn */
    enum lg_tx tx;
    bool new_events, new_operations;
    int64_t commits; /* of this connection */
    int64_t opened;  /* no other connection of this process has this number */
    struct lg_stamp stamp;
    bool moments, stamped; /* somebody begins moments; `stamp` is of the present one */
    pid_t owner;
    char site[LG_ID_LEN];
    char feeder_bell[PATH_MAX], runner_bell[PATH_MAX];
};

extern const struct lg_db_file lg_db_lodge, lg_db_samples;

/* The process at hand, asked of the kernel once per fork: the assertions are in every statement's way. */
extern pid_t lg_db_self;

/* A connection is made in these steps; lg_db_close ends it after any of them. */
struct lg_db *lg_db_new(const struct lg_conf *c, const struct lg_db_file *file);
int lg_db_open_files(struct lg_db *db, int flags, struct lg_err *e); /* flags of sqlite3_open_v2 */
int lg_db_prepare_fixed(struct lg_db *db, struct lg_err *e);

/* A statement that stays prepared, the caller's to finalize; NULL: sqlite3_errmsg says why. */
lg_stmt *lg_db_prepare(struct lg_db *db, const char *text);
int64_t lg_db_user_version(struct lg_db *db); /* the schema's number; -1 it cannot be read */

#endif
