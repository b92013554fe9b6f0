#include "up/template.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static size_t name_length(const char *s)
{
    return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

static const char *value_of(const struct lg_var *vars, const char *name, size_t n)
{
    for (; vars->name; vars++)
        if (strlen(vars->name) == n && !memcmp(vars->name, name, n))
            return vars->value;
    return NULL;
}

int lg_template(const char *text, const struct lg_var *vars, struct lg_buf *out, struct lg_err *e)
{
    for (const char *at; (at = strchr(text, '@'));) {
        size_t n = name_length(at + 1);
        if (!n || at[1 + n] != '@') {
            lg_buf_add(out, text, (size_t)(at - text) + 1);
            text = at + 1;
            continue;
        }
        const char *value = value_of(vars, at + 1, n);
        if (!value)
            return lg_fail(e, LG_INVALID, "template names @%.*s@, which has no value", (int)n, at + 1);
        lg_buf_add(out, text, (size_t)(at - text));
        lg_buf_str(out, value);
        text = at + n + 2;
    }
    lg_buf_str(out, text);
    return out->failed ? lg_fail(e, LG_INTERNAL, "the rendered template is too large") : 0;
}

int lg_read_file(const char *path, size_t max, struct lg_buf *out, struct lg_err *e)
{
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot open %s", path);
    char tmp[8192];
    ssize_t n;
    while ((n = read(fd, tmp, sizeof tmp)) > 0 && out->len + (size_t)n <= max)
        lg_buf_add(out, tmp, (size_t)n);
    if (n < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot read %s", path);
    return n || out->failed ? lg_fail(e, LG_INTERNAL, "%s is larger than %zu bytes", path, max) : 0;
}

int lg_write_file(const char *path, const char *text, size_t n, unsigned mode, int durable, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf tmp = {.max = 8192};
    lg_buf_fmt(&tmp, "%s.new", path);
    unlink(lg_buf_cstr(&tmp));
    lg_cleanup_fd int fd = open(lg_buf_cstr(&tmp), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot write %s", lg_buf_cstr(&tmp));
    if (fchmod(fd, mode) || write(fd, text, n) != (ssize_t)n || (durable && fsync(fd)) ||
        rename(lg_buf_cstr(&tmp), path)) {
        int rc = lg_fail_errno(e, LG_INTERNAL, "cannot write %s", path);
        unlink(lg_buf_cstr(&tmp));
        return rc;
    }
    return 0;
}

void lg_nginx_quote(struct lg_buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            lg_buf_char(out, '\\');
        lg_buf_char(out, *s);
    }
}
