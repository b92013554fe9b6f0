#include "http/request.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "http/idempotency.h"
#include "http/route.h"

#define JSON_DEPTH 32

const char *lg_req_header(const struct lg_req *q, const char *cgi_name)
{
    return FCGX_GetParam(cgi_name, q->fcgx->envp);
}

const char *lg_req_query(const struct lg_req *q, const char *name, const char *absent)
{
    for (int i = 0; i < q->query_count; i++)
        if (!strcmp(q->query[i].name, name))
            return q->query[i].value;
    return absent;
}

int lg_req_query_int(const struct lg_req *q, const char *name, int64_t min, int64_t max, int64_t absent,
                     int64_t *out, struct lg_err *e)
{
    const char *s = lg_req_query(q, name, NULL);
    *out = absent;
    if (!s)
        return 0;
    char *end, why[96];
    errno = 0;
    *out = strtoll(s, &end, 10);
    if (!errno && end != s && !*end && *out >= min && *out <= max)
        return 0;
    snprintf(why, sizeof why, "must be a whole number from %lld to %lld", (long long)min, (long long)max);
    return lg_invalid_query(e, name, why);
}

int lg_req_query_bool(const struct lg_req *q, const char *name, bool *out, struct lg_err *e)
{
    const char *s = lg_req_query(q, name, "false");
    *out = !strcmp(s, "true") || !strcmp(s, "1") || !*s;
    if (*out || !strcmp(s, "false") || !strcmp(s, "0"))
        return 0;
    return lg_invalid_query(e, name, "must be true or false");
}

static bool parse_time(const char *s, int64_t *ms)
{
    struct tm tm = {0};
    char *end;
    long long seconds = strtoll(s, &end, 10);
    if (end != s && !*end && seconds >= 0 && seconds < 1LL << 40) {
        *ms = seconds * 1000;
        return true;
    }
    const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    double fraction = *rest == '.' ? strtod(rest, &end) : (end = (char *)(uintptr_t)rest, 0);
    *ms = (int64_t)timegm(&tm) * 1000 + (int64_t)(fraction * 1000);
    return !strcmp(end, "Z") && *ms >= 0;
}

int lg_req_query_time(const struct lg_req *q, const char *name, int64_t absent, int64_t *ms, struct lg_err *e)
{
    const char *s = lg_req_query(q, name, "");
    *ms = absent;
    return !*s || parse_time(s, ms)
               ? 0
               : lg_invalid_query(e, name, "must be a time such as 2024-06-04T10:00:00Z");
}

int lg_req_page(const struct lg_req *q, int64_t *page, int64_t *page_size, struct lg_err *e)
{
    int rc = lg_req_query_int(q, "page", 1, 1000000, 1, page, e);
    return rc ? rc : lg_req_query_int(q, "pageSize", 1, 500, 50, page_size, e);
}

static bool is_json(const char *type)
{
    static const char want[] = "application/json";
    size_t n = sizeof want - 1;
    return type && !strncasecmp(type, want, n) && (!type[n] || type[n] == ';' || type[n] == ' ');
}

int lg_req_json(struct lg_req *q, json_t **out, struct lg_err *e)
{
    if (!q->json && !q->body_len)
        q->json = json_object();
    if (!q->json) {
        if (!is_json(lg_req_header(q, "CONTENT_TYPE")))
            return lg_fail(e, LG_MEDIA_TYPE, "send the body as Content-Type: application/json");
        q->json = lg_json_parse(q->body, q->body_len, JSON_DEPTH, e);
        if (!q->json)
            return -(int)LG_INVALID;
    }
    *out = q->json;
    return json_is_object(q->json) ? 0 : lg_fail(e, LG_INVALID, "the body must be a JSON object");
}

const char *lg_req_upload(const struct lg_req *q)
{
    char dir[PATH_MAX];
    const char *file = lg_req_header(q, "LODGE_UPLOAD_FILE");
    struct stat st;
    size_t n = strlen(lg_conf_path(&q->app->conf, dir, sizeof dir, "uploads/"));
    if (!file || strncmp(file, dir, n) || strstr(file, "/../") || lstat(file, &st) || !S_ISREG(st.st_mode))
        return NULL;
    return file;
}

int lg_req_wait(const struct lg_req *q, int absent, int max)
{
    const char *prefer = lg_req_header(q, "HTTP_PREFER");
    const char *at = prefer ? strcasestr(prefer, "wait=") : NULL;
    if (!at)
        return absent;
    long v = strtol(at + 5, NULL, 10);
    return v < 0 ? 0 : v > max ? max : (int)v;
}

int lg_req_begin(struct lg_req *q, struct lg_err *e)
{
    int rc = lg_tx_write(q->db, e);
    q->in_tx = !rc;
    return rc ? rc : lg_idem_check(q, e);
}

int lg_req_commit_quietly(struct lg_req *q, struct lg_err *e)
{
    assert(q->in_tx);
    if (q->idem) {
        q->idem->deferred = true;
        return 0;
    }
    q->in_tx = false;
    return lg_tx_commit(q->db, e);
}

int lg_req_commit(struct lg_req *q, const char *subject, const char *details, struct lg_err *e)
{
    assert(q->in_tx && q->route && q->route->action);
    struct lg_audit a = {.who = q->signed_in ? &q->who : NULL,
                         .username = q->who.username,
                         .address = q->address,
                         .action = q->route->action,
                         .subject = subject,
                         .result = "ok",
                         .details = details ? details : ""};
    int rc = lg_audit_add(q->db, &a, e);
    return rc ? rc : lg_req_commit_quietly(q, e);
}

void lg_resp_header(struct lg_resp *r, const char *name, const char *value)
{
    lg_buf_str(&r->headers, name);
    lg_buf_str(&r->headers, ": ");
    for (const char *p = value; *p; p++)
        if (*p != '\r' && *p != '\n')
            lg_buf_char(&r->headers, *p);
    lg_buf_str(&r->headers, "\r\n");
}

void lg_resp_json(struct lg_resp *r, int status, struct lg_json *j)
{
    r->status = status;
    lg_json_init(j, &r->body);
    lg_json_obj(j, NULL);
}

void lg_resp_empty(struct lg_resp *r, int status)
{
    r->status = status;
    lg_buf_reset(&r->body);
}
