/* Time. Stored and passed as milliseconds: `*_at` since the Unix epoch, `mono` since some start that never
 * jumps. */
#ifndef LG_BASE_CLOCK_H
#define LG_BASE_CLOCK_H

#include <stdint.h>

#define LG_ISO_LEN 32

int64_t lg_clock_ms(void);   /* wall clock, ms since the epoch */
int64_t lg_clock_mono(void); /* monotonic, ms */
int64_t lg_clock_mono_us(void);
void lg_clock_iso(int64_t epoch_ms, char out[LG_ISO_LEN]); /* 2024-06-04T10:00:00.000Z */

#endif
