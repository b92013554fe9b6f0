/*
 * Histograms of how long things took, in a file that several processes add to without a lock and that others
 * read. One writer makes it before it forks; what a killed process had counted stays.
 */
#ifndef LG_BASE_HISTOGRAM_H
#define LG_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LG_HISTOGRAM_LABEL 56 /* longest label, NUL included; what is longer is cut */
#define LG_HISTOGRAM_STEPS 13

/* Upper bounds of the buckets; the last is without one. */
extern const struct lg_histogram_step {
    int64_t up_to_us;
    const char *le; /* seconds, as Prometheus writes them */
} lg_histogram_steps[LG_HISTOGRAM_STEPS];

struct lg_histogram; /* the writers' view */

/* Makes `path` anew, mode 0640 of group `gid` (-1: as it comes). The map is inherited by children and never
 * freed; readers of an earlier file keep that. */
int lg_histogram_make(struct lg_histogram **out, const char *path, int gid, struct lg_err *e);

/* Counts one. `h` NULL: nothing. The file holds 128 pairs of labels; later ones are not counted. */
void lg_histogram_add(struct lg_histogram *h, const char *a, const char *b, int64_t took_us, bool failed);

struct lg_histogram_row {
    const char *a, *b;
    uint64_t bucket[LG_HISTOGRAM_STEPS]; /* each without the ones before it */
    uint64_t count, sum_us, failed;
};
/* Calls fn for each pair of labels in the file; a missing file has none. LG_INTERNAL: it is no such file. */
int lg_histogram_read(const char *path, void (*fn)(void *arg, const struct lg_histogram_row *r), void *arg,
                      struct lg_err *e);

#endif
