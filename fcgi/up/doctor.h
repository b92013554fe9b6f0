/* Private to doctor*.c: what `lodge doctor` looks at and how it says what it found. */
#ifndef LG_UP_DOCTOR_H
#define LG_UP_DOCTOR_H

#include "base/json.h"
#include "store/db.h"
#include "up/up.h"

enum lg_verdict { LG_FINE, LG_ODD, LG_BAD };

struct lg_doctor {
    struct lg_conf conf;
    struct lg_db *db; /* NULL: it cannot be opened */
    struct lg_buf json_text;
    struct lg_json json;
    bool as_json, running; /* running: some part of Lodge answers */
    bool hopeless;         /* there is nothing to look at */
    int bad, warned;
    const char *check;
};

/* One finding. `cure` NULL when all is fine. */
void lg_doctor_say(struct lg_doctor *d, enum lg_verdict v, const char *text, const char *cure);
void lg_doctor_sayf(struct lg_doctor *d, enum lg_verdict v, const char *cure, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Below the state directory; good until the next call. */
const char *lg_doctor_path(const struct lg_doctor *d, const char *rel);

typedef void lg_check(struct lg_doctor *d);
/* doctor_host.c */
lg_check lg_check_programs, lg_check_state, lg_check_keys, lg_check_certificate, lg_check_disk,
    lg_check_processes, lg_check_nginx, lg_check_ports;
/* doctor_data.c; lg_check_database opens the database for those after it */
lg_check lg_check_database, lg_check_engine, lg_check_vm_engine, lg_check_networks, lg_check_quarantine,
    lg_check_volumes;

#endif
