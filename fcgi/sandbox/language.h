/*
 * The table of languages: `fcgi/driver/images/languages.json`, then `$LODGE_STATE/languages.json`, which may
 * add and replace by name. Read once at the start of the pool.
 */
#ifndef LG_SANDBOX_LANGUAGE_H
#define LG_SANDBOX_LANGUAGE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/conf.h"
#include "base/err.h"

#define LG_LANGUAGES_MAX 32
#define LG_IMAGES_MAX    8

struct lg_language {
    const char *name, *title, *image;
    const char *file;                  /* the code's name in the working directory */
    const char *example;               /* "" none */
    const json_t *aliases;             /* arrays of strings, NULL when absent */
    const json_t *run;                 /* argv; the arguments of the request follow */
    const json_t *compile;             /* argv before it */
    const json_t *host;                /* an interpreter that is started ahead of time: box/wire.h */
    const json_t *session;             /* the same, for sessions */
    int64_t memory_mib, time_ms, warm; /* 0: the settings' */
    char version[32];                  /* as the image says */
};

struct lg_languages {
    json_t *builtin, *own; /* owned; the strings above point into them */
    struct lg_language lang[LG_LANGUAGES_MAX];
    int count;
    char notice[256]; /* what is wrong with the administrator's table; "" nothing */
};

/* An administrator's table that is wrong counts up to its mistake, which is the notice: the rest goes on. */
int lg_languages_load(struct lg_languages *l, const struct lg_conf *c, struct lg_err *e);
/* By name, else by alias, in any case; NULL when there is none. */
struct lg_language *lg_language_find(struct lg_languages *l, const char *name);

#endif
