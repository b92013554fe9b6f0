/* Identifiers: random UUIDs (version 4) in lower case, as stored and as shown. */
#ifndef LG_BASE_ID_H
#define LG_BASE_ID_H

#include <stdbool.h>

#define LG_ID_LEN 37 /* 36 characters and the NUL */

void lg_id_new(char out[LG_ID_LEN]);
bool lg_id_valid(const char *s);

#endif
