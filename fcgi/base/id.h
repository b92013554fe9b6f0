/* Identifiers: random UUIDs (version 4) in lower case, as stored and as shown. */
#ifndef LG_BASE_ID_H
#define LG_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define LG_ID_LEN 37 /* 36 characters and the NUL */

void lg_id_new(char out[LG_ID_LEN]);
bool lg_id_valid(const char *s); /* in that very form */

/* A list of ids, owned. */
struct lg_ids {
    char (*at)[LG_ID_LEN];
    int count, cap;
};
#define lg_cleanup_ids __attribute__((cleanup(lg_ids_done)))
void lg_ids_done(struct lg_ids *l);
/* Takes a struct lg_ids, to be a callback. Without memory the id is left out: for whoever comes again. */
void lg_ids_add(void *ids, const char *id);

/* FNV-1a: tells names apart, nothing secret. */
uint32_t lg_name_hash(const char *s);

#endif
