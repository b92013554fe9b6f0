/*
 * Typed fields of a JSON object: a table names each with type and bounds, and one call checks them all and
 * fills a struct. A wrong, missing or (with strict) unknown field is LG_INVALID with details.field, prefixed
 * by where it is: "config.image".
 */
#ifndef LG_HTTP_BODY_H
#define LG_HTTP_BODY_H

#include <stddef.h>

#include "base/json.h"

enum lg_type {
    LG_T_STRING, /* const char *: NULL when absent; min…max bytes; no control characters but in LG_T_TEXT */
    LG_T_TEXT,   /* as LG_T_STRING, control characters allowed except NUL */
    LG_T_INT,    /* struct lg_opt_int; min…max */
    LG_T_REAL,   /* struct lg_opt_real; integers are fine */
    LG_T_BOOL,   /* struct lg_opt_bool */
    LG_T_OBJECT, /* json_t *: NULL when absent */
    LG_T_ARRAY,  /* json_t *; min…max elements */
    LG_T_STRINGS, /* json_t *: an array of strings, none longer than 64 KiB; min…max elements */
    LG_T_ANY,     /* json_t *: not looked at */
};

struct lg_opt_int {
    bool set;
    int64_t v;
};
struct lg_opt_real {
    bool set;
    double v;
};
struct lg_opt_bool {
    bool set, v;
};

struct lg_field {
    const char *name;
    enum lg_type type;
    bool required;
    double min, max; /* max 0: LG_T_STRING 255, LG_T_TEXT 65536, arrays 256, numbers unbounded */
    size_t offset;   /* of the member in the struct that is filled */
};

/* The fields end with a NULL name. JSON null counts as absent. `where` is "" at the top, "config." below. */
int lg_body_fields(const json_t *obj, const struct lg_field *fields, bool strict, const char *where,
                   void *out, struct lg_err *e);

/* The tables a body is read by, with the `where` of each, ended by a NULL `where`: what the API description
 * is made from, so that it cannot say anything else than the parser does. */
struct lg_body {
    const char *where; /* "" the body itself, "config." the object in its member config */
    const struct lg_field *fields;
};
/* For a body without objects in it. */
#define LG_BODY_OF(table)                                                                                    \
    (const struct lg_body[])                                                                                 \
    {                                                                                                        \
        {.where = "", .fields = table},                                                                      \
        {                                                                                                    \
            .where = NULL                                                                                    \
        }                                                                                                    \
    }

#endif
