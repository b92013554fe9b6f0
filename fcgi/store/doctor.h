/* What `lodge doctor` asks the database. Reads only. */
#ifndef LG_STORE_DOCTOR_H
#define LG_STORE_DOCTOR_H

#include "store/db.h"

struct lg_db_report {
    char damage[400];     /* first finding of the integrity check, "" none */
    int64_t broken_links; /* rows that name a row that is not there */
    int64_t stuck;        /* operations open for longer than `stuck_ms` */
    int64_t stuck_since;  /* epoch ms of the oldest of them */
    int64_t errors;       /* instances in state error */
};

/* Reads the whole file: about a second per GB. */
int lg_db_examine(struct lg_db *db, int64_t stuck_ms, struct lg_db_report *r, struct lg_err *e);

#endif
