/*
 * What a backup is: a tar file (0600) that begins with MANIFEST, which names every other file in it with size
 * and BLAKE2b-256 (`b2sum -l 256`) and closes with a sum of itself. Written and read here; backup.c and
 * restore.c say from where and to where. Called by root alone.
 */
#ifndef LG_UP_BUNDLE_H
#define LG_UP_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LG_SUM_BYTES 32

/* Everything that a backup may hold; nothing else is taken out of one. */
struct lg_part {
    const char *path; /* within the state directory */
    mode_t mode;
    bool optional;
    int64_t max; /* bytes */
};
#define LG_PARTS 11
extern const struct lg_part lg_parts[LG_PARTS];

struct lg_bundle {
    char made[32], version[32], site[40];
    int64_t schema;
    struct {
        bool present;
        int64_t size;
        uint8_t sum[LG_SUM_BYTES];
    } part[LG_PARTS];
};

/* Writes `file`, which must not exist, from the parts below `dir`; fills b->part. what belongs into
 * db/ is taken from `copies`. Durable when it returns 0; otherwise there is no such file. */
int lg_bundle_write(struct lg_bundle *b, const char *dir, const char *copies, const char *file,
                    struct lg_err *e);

/* Takes the parts out into the folder `dir` (with keys, tls, db, engine in it) and proves each of them.
 * LG_INVALID says what is wrong with the file; what was written by then stays. */
int lg_bundle_read(struct lg_bundle *b, const char *file, const char *dir, struct lg_err *e);

#endif
