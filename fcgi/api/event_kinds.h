/* Which kinds of events a client wants: comma-separated first parts, "instance,operation"; "" all. */
#ifndef LG_API_EVENT_KINDS_H
#define LG_API_EVENT_KINDS_H

#include <stdbool.h>
#include <string.h>

static inline bool lg_kind_wanted(const char *kinds, const char *kind)
{
    for (const char *p = kinds; *p;) {
        size_t n = strcspn(p, ",");
        if (n && !strncmp(kind, p, n) && (!kind[n] || kind[n] == '.'))
            return true;
        p += n + (p[n] == ',');
    }
    return !*kinds;
}

#endif
