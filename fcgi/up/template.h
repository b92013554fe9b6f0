/*
 * Templates: text with @NAME@ in it. Names are capital letters, digits and underscores; any other "@" is
 * literal (nginx's own @stream stays as it is). A name without a value is an error, so a typing mistake never
 * reaches nginx.
 */
#ifndef LG_UP_TEMPLATE_H
#define LG_UP_TEMPLATE_H

#include "base/buf.h"
#include "base/err.h"

struct lg_var {
    const char *name, *value; /* a list ends with a NULL name */
};

/* Appends `text` with its names replaced. Values are not looked at again. LG_INVALID names what is unknown.
 */
int lg_template(const char *text, const struct lg_var *vars, struct lg_buf *out, struct lg_err *e);

/* Reads a whole file (at most `max` bytes) into out. */
int lg_read_file(const char *path, size_t max, struct lg_buf *out, struct lg_err *e);

/* Writes a file whole or not at all (temporary file, fsync when `durable`, rename). */
int lg_write_file(const char *path, const char *text, size_t n, unsigned mode, int durable, struct lg_err *e);

/* Appends `s` as the inside of an nginx parameter in single quotes. "$" stays: variables are meant to work.
 */
void lg_nginx_quote(struct lg_buf *out, const char *s);

#endif
