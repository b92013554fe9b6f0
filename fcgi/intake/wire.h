/*
 * What lodge-runner and lodge-intake say to each other. lodge-intake reads what strangers bring, so that a
 * defect in a parser is one of a process that has nothing: the runner believes nothing of what it says but
 * its length, and hands on only what that stranger could have brought anyway.
 *
 *   lodge-intake kind           0: the file. Says "image" or "root" on 1 and ends with 0, or says in a
 * sentence what is wrong with the file and ends with 1. lodge-intake rewrite REF    0: the file, an image
 * archive. 1: the archive with REF as its one name. Ends with 0 when it is whole. lodge-intake fetch 0: one
 * struct lg_intake_fetch. 3: the file to write. 1: struct lg_intake_word, one write each; the last has
 * `done`.
 */
#ifndef LG_INTAKE_WIRE_H
#define LG_INTAKE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define LG_INTAKE_FILE_FD 3

#define LG_INTAKE_IMAGE "image"
#define LG_INTAKE_ROOT  "root"

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
