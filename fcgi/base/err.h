/*
 * The error contract of the whole project.
 *
 * A function that can fail returns 0 or a negative `enum lg_code` and fills the caller's `struct lg_err`
 * exactly once on failure. The caller handles it or passes it on unchanged. Libraries return errors, only
 * top-level code logs them. One table below gives each code its stable wire name and HTTP status.
 */
#ifndef LG_BASE_ERR_H
#define LG_BASE_ERR_H

#include <stddef.h>

/*   symbol                wire name                  HTTP  */
#define LG_CODES(X)                                                                                          \
    X(LG_INVALID, "INVALID_REQUEST", 400)                                                                    \
    X(LG_INVALID_BACKEND, "INVALID_BACKEND", 400)                                                            \
    X(LG_UNSUPPORTED, "OPERATION_NOT_SUPPORTED", 400)                                                        \
    X(LG_UNAUTHENTICATED, "UNAUTHENTICATED", 401)                                                            \
    X(LG_FORBIDDEN, "FORBIDDEN", 403)                                                                        \
    X(LG_LIMIT, "RESOURCE_LIMIT_EXCEEDED", 403)                                                              \
    X(LG_NOT_FOUND, "NOT_FOUND", 404)                                                                        \
    X(LG_NO_INSTANCE, "INSTANCE_NOT_FOUND", 404)                                                             \
    X(LG_METHOD, "METHOD_NOT_ALLOWED", 405)                                                                  \
    X(LG_CONFLICT, "CONFLICT", 409)                                                                          \
    X(LG_STATE, "INVALID_STATE", 409)                                                                        \
    X(LG_CANCELLED, "CANCELLED", 409)                                                                        \
    X(LG_IN_FLIGHT, "REQUEST_IN_FLIGHT", 409)                                                                \
    X(LG_GONE, "GONE", 410)                                                                                  \
    X(LG_PRECONDITION, "PRECONDITION_FAILED", 412)                                                           \
    X(LG_TOO_LARGE, "BODY_TOO_LARGE", 413)                                                                   \
    X(LG_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", 415)                                                          \
    X(LG_KEY_REUSED, "IDEMPOTENCY_KEY_REUSED", 422)                                                          \
    X(LG_NO_PRECONDITION, "PRECONDITION_REQUIRED", 428)                                                      \
    X(LG_RATE, "RATE_LIMITED", 429)                                                                          \
    X(LG_INTERNAL, "INTERNAL", 500)                                                                          \
    X(LG_BACKEND, "BACKEND_ERROR", 502)                                                                      \
    X(LG_UNAVAILABLE, "BACKEND_UNAVAILABLE", 503)                                                            \
    X(LG_STORAGE, "STORAGE_UNAVAILABLE", 503)                                                                \
    X(LG_TIMEOUT, "TIMEOUT", 504)

enum lg_code {
    LG_OK = 0,
#define X(sym, name, http) sym,
    LG_CODES(X)
#undef X
        LG_CODE_COUNT
};

#define LG_ERR_DETAILS 8

/* One failure: a code, one sentence for a person, and up to eight machine-readable details. Plain data: no
 * ownership. */
struct lg_err {
    enum lg_code code;
    char msg[480];
    struct {
        char key[24];
        char value[160];
    } detail[LG_ERR_DETAILS];
    int details;
};

/* Fills `e` (which may be NULL) and returns -code, so that `return lg_fail(e, LG_INVALID, "…")` reads well.
 */
int lg_fail(struct lg_err *e, enum lg_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As lg_fail with `: strerror(errno)` appended. errno is left as it was. */
int lg_fail_errno(struct lg_err *e, enum lg_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds one detail; silently ignored past LG_ERR_DETAILS. Returns -e->code for chaining in `return`. */
int lg_err_detail(struct lg_err *e, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What is wrong with one field of a request: "<field> <the sentence's rest>", details.field. */
int lg_fail_field(struct lg_err *e, enum lg_code code, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define lg_invalid(e, field, ...) lg_fail_field(e, LG_INVALID, field, __VA_ARGS__)
/* The same of a query parameter: "query parameter <name> <why>". */
int lg_invalid_query(struct lg_err *e, const char *name, const char *why);

void lg_err_clear(struct lg_err *e);

const char *lg_code_name(enum lg_code code);
int lg_code_http(enum lg_code code);
/* The code with this wire name, LG_INTERNAL when there is none. */
enum lg_code lg_code_of(const char *name);

#endif
