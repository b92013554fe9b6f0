#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
} codes[LG_CODE_COUNT] = {[LG_OK] = {"OK", 200},
#define X(sym, wire, status) [sym] = {wire, status},
                          LG_CODES(X)
#undef X
};

static void fill(struct lg_err *e, enum lg_code code, const char *fmt, va_list ap)
{
    e->code = code;
    e->details = 0;
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
}

int lg_fail(struct lg_err *e, enum lg_code code, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, fmt, ap);
        va_end(ap);
    }
    return -(int)code;
}

int lg_fail_errno(struct lg_err *e, enum lg_code code, const char *fmt, ...)
{
    int saved = errno;
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        fill(e, code, fmt, ap);
        va_end(ap);
        size_t n = strlen(e->msg);
        snprintf(e->msg + n, sizeof e->msg - n, ": %s", strerror(saved));
    }
    errno = saved;
    return -(int)code;
}

int lg_err_detail(struct lg_err *e, const char *key, const char *fmt, ...)
{
    if (!e)
        return -(int)LG_INTERNAL;
    if (e->details < LG_ERR_DETAILS) {
        va_list ap;
        va_start(ap, fmt);
        snprintf(e->detail[e->details].key, sizeof e->detail[0].key, "%s", key);
        vsnprintf(e->detail[e->details].value, sizeof e->detail[0].value, fmt, ap);
        va_end(ap);
        e->details++;
    }
    return -(int)e->code;
}

int lg_fail_field(struct lg_err *e, enum lg_code code, const char *field, const char *fmt, ...)
{
    if (e) {
        lg_fail(e, code, "%s ", field);
        size_t n = strlen(e->msg);
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(e->msg + n, sizeof e->msg - n, fmt, ap);
        va_end(ap);
        lg_err_detail(e, "field", "%s", field);
    }
    return -(int)code;
}

int lg_invalid_query(struct lg_err *e, const char *name, const char *why)
{
    lg_fail(e, LG_INVALID, "query parameter %s %s", name, why);
    lg_err_detail(e, "field", "%s", name);
    return -(int)LG_INVALID;
}

void lg_err_clear(struct lg_err *e)
{
    memset(e, 0, sizeof *e);
}

const char *lg_code_name(enum lg_code code)
{
    return (unsigned)code < LG_CODE_COUNT ? codes[code].name : "INTERNAL";
}

int lg_code_http(enum lg_code code)
{
    return (unsigned)code < LG_CODE_COUNT ? codes[code].http : 500;
}

enum lg_code lg_code_of(const char *name)
{
    for (int i = 0; i < LG_CODE_COUNT; i++)
        if (name && !strcmp(codes[i].name, name))
            return (enum lg_code)i;
    return LG_INTERNAL;
}
