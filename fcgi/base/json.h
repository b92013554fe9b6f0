/*
 * JSON: written with a small streaming writer over struct lg_buf, read with jansson.
 * The writer places commas by itself; invalid UTF-8 becomes U+FFFD, so its output is always valid JSON.
 */
#ifndef LG_BASE_JSON_H
#define LG_BASE_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct lg_json {
    struct lg_buf *out;
    bool comma; /* the next value needs a comma before it */
};

void lg_json_init(struct lg_json *j, struct lg_buf *out);
/* A NULL key means: an element of an array, or the top value. */
void lg_json_obj(struct lg_json *j, const char *key);
void lg_json_arr(struct lg_json *j, const char *key);
void lg_json_end_obj(struct lg_json *j);
void lg_json_end_arr(struct lg_json *j);
void lg_json_str(struct lg_json *j, const char *key, const char *value); /* NULL value writes null */
void lg_json_strings(struct lg_json *j, const char *key, const char *const *list); /* ended by NULL */
void lg_json_strn(struct lg_json *j, const char *key, const char *value, size_t n);
void lg_json_int(struct lg_json *j, const char *key, int64_t value);
void lg_json_real(struct lg_json *j, const char *key, double value); /* non-finite becomes null */
void lg_json_bool(struct lg_json *j, const char *key, bool value);
void lg_json_null(struct lg_json *j, const char *key);
void lg_json_raw(struct lg_json *j, const char *key, const char *json); /* trusted, already valid JSON */
void lg_json_time(struct lg_json *j, const char *key,
                  int64_t epoch_ms); /* ISO 8601 UTC with ms; 0 writes null */
/* {"error":{"code","message","details"}}: the one error envelope. */
void lg_json_error(struct lg_buf *out, const struct lg_err *e);

/* Appends `s` with JSON string escapes, without quotes. */
void lg_json_escape(struct lg_buf *out, const char *s, size_t n);

/*
 * Parses one whole document. Refuses duplicate keys, invalid UTF-8, NUL, trailing bytes and nesting past
 * `max_depth`. Returns a new reference (json_decref) or NULL with `e` filled (LG_INVALID).
 */
json_t *lg_json_parse(const char *text, size_t len, int max_depth, struct lg_err *e);

/* The text of a member; "" when it is absent or no text. Borrowed from `o`, which may be NULL. */
static inline const char *lg_json_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static inline void lg_json_decref(json_t **j)
{
    json_decref(*j);
}
#define lg_cleanup_json __attribute__((cleanup(lg_json_decref)))

#endif
