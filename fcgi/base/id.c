#include "base/id.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lg_id_new(char out[LG_ID_LEN])
{
    uint8_t b[16];
    randombytes_buf(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, LG_ID_LEN, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

bool lg_id_valid(const char *s)
{
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !s[i] || !strchr("0123456789abcdef", s[i]))
            return false;
    }
    return s[36] == 0;
}

void lg_ids_done(struct lg_ids *l)
{
    free(l->at);
    *l = (struct lg_ids){0};
}

void lg_ids_add(void *ids, const char *id)
{
    struct lg_ids *l = ids;
    if (l->count == l->cap) {
        int cap = l->cap ? 2 * l->cap : 32;
        void *p = realloc(l->at, (size_t)cap * sizeof *l->at);
        if (!p)
            return;
        l->at = p;
        l->cap = cap;
    }
    snprintf(l->at[l->count++], LG_ID_LEN, "%s", id);
}

uint32_t lg_name_hash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}
