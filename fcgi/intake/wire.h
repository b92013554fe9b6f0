/*
 * What lodge-runner and lodge-intake say to each other. lodge-intake reads what strangers bring, so that a
 * defect in a parser is one of a process that has nothing. The runner believes nothing of what it says but
 * its length; an archive that took it over could at worst bring further names into the engine.
 *
 * kind: 0 is the file. Says on 1 what it is and ends with 0, or in a sentence what is wrong with it and 1.
 *
 * rewrite KIND REF: 0 is the file, an image archive of that kind. 1 gets it with REF as its one name; ends
 * with 0 when that is whole.
 *
 * fetch: 0 has one struct lg_intake_fetch, 3 is the file to write. Says struct lg_intake_word on 1, one write
 * each; the last has `done`.
 */
#ifndef LG_INTAKE_WIRE_H
#define LG_INTAKE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define LG_INTAKE_FILE_FD 3

/* Kinds of archive: a root file system, which goes to the engine as it is, "docker save", an OCI layout. */
#define LG_INTAKE_ROOT   "root"
#define LG_INTAKE_DOCKER "docker"
#define LG_INTAKE_OCI    "oci"

struct lg_intake_fetch {
    char url[4096];
    char allow[512]; /* the settings fetch_allow and fetch_ca_file */
    char ca_file[512];
    int64_t max_bytes; /* more than that is refused */
};

/* Progress, or (done) how it ended. */
struct lg_intake_word {
    int code; /* enum lg_code; 0 fine */
    bool done;
    int64_t got, total; /* bytes; total 0 when nobody knows */
    char text[400];
};

#endif
