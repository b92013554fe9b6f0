/*
 * Copies of the whole database: taken by SQLite's own backup, also while Lodge runs, and put to use after a
 * restore. Called by `lodge backup` and `lodge restore`, with files that no unprivileged user can reach.
 */
#ifndef LG_STORE_BACKUP_H
#define LG_STORE_BACKUP_H

#include "store/db.h"

struct lg_db_facts {
    int64_t schema;
    char site[LG_ID_LEN];
};

/* One consistent copy of the database at any schema into the new file `to`, checked to be whole. */
int lg_db_snapshot(const struct lg_conf *c, const char *to, struct lg_db_facts *f, struct lg_err *e);

/* The same of the usage history, which may be missing or unusable: a backup is complete without it. */
int lg_history_snapshot(const struct lg_conf *c, const char *to, struct lg_err *e);

/* LG_CONFLICT while any process has the database open. A missing or damaged file is in nobody's use. */
int lg_db_unused(const struct lg_conf *c, struct lg_err *e);

/*
 * Makes a copy fit for use: its integrity and links checked, migrated to the newest schema, and its history
 * of events ended, so that clients who saw a later one are told to start anew and never miss one silently.
 */
int lg_db_adopt(const struct lg_conf *c, struct lg_db_facts *f, struct lg_err *e);

#endif
