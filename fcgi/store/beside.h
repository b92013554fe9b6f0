/* The files that SQLite keeps beside a database in WAL mode. */
#ifndef LG_STORE_BESIDE_H
#define LG_STORE_BESIDE_H

/*
 * For a root process, before it opens the database: makes the log and the shared memory, where they are
 * missing, as files of the database's owner. SQLite makes them root's first and gives them away then; a
 * process of the owner that comes in between can only read, and keeps such a connection for good. Nothing for
 * other users.
 */
void lg_db_make_beside(const char *path);

#endif
