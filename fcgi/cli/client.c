/* Requests to the REST API, their answers, and what their errors mean as exit codes. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/client.h"

#define ANSWER_MAX ((size_t)64 << 20)

void lg_answer_done(struct lg_answer *a)
{
    json_decref(a->json);
    *a = (struct lg_answer){.status = 0};
}

struct exchange {
    struct lg_buf body;
    struct lg_answer *answer;
};

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    lg_buf_add(&x->body, p, size * n);
    return x->body.failed ? 0 : size * n;
}

static size_t take_header(char *p, size_t size, size_t n, void *arg)
{
    static const char want[] = "operation-location:";
    struct exchange *x = arg;
    if (size * n > sizeof want && !strncasecmp(p, want, sizeof want - 1)) {
        const char *slash = memrchr(p, '/', size * n);
        if (slash)
            snprintf(x->answer->operation, sizeof x->answer->operation, "%.*s",
                     (int)strcspn(slash + 1, "\r\n ;"), slash + 1);
    }
    return size * n;
}

char *lg_path(char out[LG_PATH_LEN], const char *fmt, ...)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    va_list ap;
    va_start(ap, fmt);
    for (; *fmt && n < LG_PATH_LEN - 4; fmt++) {
        if (fmt[0] != '%' || fmt[1] != 's') {
            out[n++] = *fmt;
            continue;
        }
        fmt++;
        for (const char *s = va_arg(ap, const char *); *s && n < LG_PATH_LEN - 4; s++) {
            unsigned char v = (unsigned char)*s;
            bool dot = v == '.' && n && out[n - 1] == '/'; /* ".." must not climb */
            if (!dot && (strchr("-._~", v) || isalnum(v))) {
                out[n++] = (char)v;
            } else {
                out[n++] = '%';
                out[n++] = hex[v >> 4];
                out[n++] = hex[v & 15];
            }
        }
    }
    va_end(ap);
    out[n] = 0;
    return out;
}

static void setup(struct lg_client *k)
{
    curl_easy_setopt(k->h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(k->h, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(k->h, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    curl_easy_setopt(k->h, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(k->h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(k->h, CURLOPT_ERRORBUFFER, k->error);
    if (*k->cacert)
        curl_easy_setopt(k->h, CURLOPT_CAINFO, k->cacert);
    if (k->insecure) {
        curl_easy_setopt(k->h, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(k->h, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

void lg_client_begin(struct lg_client *k, const char *path)
{
    char url[sizeof k->url + LG_PATH_LEN + 16];
    curl_easy_reset(k->h);
    setup(k);
    bool whole = !strncmp(path, "/api/", 5);
    snprintf(url, sizeof url, "%s%s%s", k->url, whole ? "" : "/api/v1", path);
    curl_easy_setopt(k->h, CURLOPT_URL, url);
    curl_easy_setopt(k->h, CURLOPT_HTTPHEADER, k->headers);
    curl_easy_setopt(k->h, CURLOPT_USERAGENT, "lodge");
    *k->error = 0;
}

/* The envelope of an answer that refuses, as an error. */
void lg_client_refused(long status, const json_t *json, struct lg_err *e)
{
    const char *code = lg_text_at(json, "error.code"), *text = lg_text_at(json, "error.message");
    enum lg_code known = *code ? lg_code_of(code) : LG_INTERNAL;
    if (!*text) {
        lg_fail(e,
                status == 401   ? LG_UNAUTHENTICATED
                : status == 403 ? LG_FORBIDDEN
                : status == 404 ? LG_NOT_FOUND
                                : LG_INTERNAL,
                "the server answered %ld", status);
        return;
    }
    lg_fail(e, known, "%s", text);
}

int lg_exit_of(enum lg_code code)
{
    static const struct {
        enum lg_code code;
        int exit;
    } map[] = {{LG_UNAUTHENTICATED, LG_EXIT_DENIED}, {LG_FORBIDDEN, LG_EXIT_DENIED},
               {LG_NOT_FOUND, LG_EXIT_NOT_FOUND},    {LG_NO_INSTANCE, LG_EXIT_NOT_FOUND},
               {LG_GONE, LG_EXIT_NOT_FOUND},         {LG_CONFLICT, LG_EXIT_CONFLICT},
               {LG_STATE, LG_EXIT_CONFLICT},         {LG_CANCELLED, LG_EXIT_CONFLICT},
               {LG_PRECONDITION, LG_EXIT_CONFLICT}};
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (map[i].code == code)
            return map[i].exit;
    return LG_EXIT_FAILED;
}

int lg_client_unreachable(const struct lg_client *k, CURLcode rc, struct lg_err *e)
{
    lg_fail(e, LG_UNAVAILABLE, "%s cannot be reached: %s", k->url,
            *k->error ? k->error : curl_easy_strerror(rc));
    return LG_EXIT_UNREACHABLE;
}

static int perform(struct lg_client *k, struct exchange *x, struct lg_err *e)
{
    struct lg_answer *a = x->answer;
    curl_easy_setopt(k->h, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(k->h, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(k->h, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(k->h, CURLOPT_HEADERDATA, x);
    CURLcode rc = curl_easy_perform(k->h);
    if (rc)
        return lg_client_unreachable(k, rc, e);
    curl_easy_getinfo(k->h, CURLINFO_RESPONSE_CODE, &a->status);
    if (x->body.len)
        a->json = json_loadb(x->body.data, x->body.len, 0, NULL);
    if (a->status < 300)
        return 0;
    lg_client_refused(a->status, a->json, e);
    return lg_exit_of(e->code);
}

int lg_try(struct lg_cli *c, const char *method, const char *path, const json_t *body, struct lg_answer *a,
           struct lg_err *e)
{
    struct lg_err mine = {0};
    struct exchange x = {.body.max = ANSWER_MAX, .answer = a};
    *a = (struct lg_answer){.status = 0};
    int rc = lg_client_open(c);
    if (rc)
        return rc;
    struct lg_client *k = c->client;
    lg_client_begin(k, path);
    curl_easy_setopt(k->h, CURLOPT_CUSTOMREQUEST, method);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct curl_slist json_type = {.data = (char[]){"Content-Type: application/json"}, .next = k->headers};
    char tag[64];
    snprintf(tag, sizeof tag, "If-Match: %s", c->if_match ? c->if_match : "");
    struct curl_slist match = {.data = tag, .next = text ? &json_type : k->headers};
    struct curl_slist prefer = {.data = (char[]){"Prefer: wait=0"},
                                .next = c->if_match ? &match : match.next};
    bool write =
        strcmp(method, "GET") != 0; /* waiting is lg_finish's, which survives a restart of the server */
    curl_easy_setopt(k->h, CURLOPT_HTTPHEADER, write ? &prefer : k->headers);
    if (text) {
        curl_easy_setopt(k->h, CURLOPT_POSTFIELDS, text);
        curl_easy_setopt(k->h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
    }
    rc = perform(k, &x, e ? e : &mine);
    if (text)
        explicit_bzero(text, strlen(text)); /* it may hold a password */
    free(text);
    lg_buf_done(&x.body);
    return rc;
}

int lg_client_complain(const struct lg_cli *c, int code, const char *text)
{
    return lg_say(code, "%s%s%s", c->about ? c->about : "", c->about ? ": " : "", text);
}

/* nginx answers in place of workers that are just being started again. */
static bool restarting(const struct lg_answer *a)
{
    return a->status == 502 || a->status == 504;
}

int lg_call(struct lg_cli *c, const char *method, const char *path, const json_t *body, struct lg_answer *a)
{
    struct lg_err e = {0};
    int rc = lg_try(c, method, path, body, a, &e);
    for (int tries = 0; rc && restarting(a) && !strcmp(method, "GET") && tries < 10; tries++) {
        lg_answer_done(a);
        nanosleep(&(struct timespec){0, 300000000}, NULL);
        rc = lg_try(c, method, path, body, a, &e);
    }
    return rc && *e.msg ? lg_client_complain(c, rc, e.msg) : rc;
}

static size_t give_file(char *p, size_t size, size_t n, void *arg)
{
    return fread(p, size, n, arg);
}

int lg_send_file(struct lg_cli *c, const char *path, const char *file, struct lg_answer *a)
{
    struct lg_err e = {0};
    struct stat st;
    struct exchange x = {.body.max = ANSWER_MAX, .answer = a};
    *a = (struct lg_answer){.status = 0};
    FILE *f = fopen(file, "re");
    if (!f || fstat(fileno(f), &st) || !S_ISREG(st.st_mode)) {
        int rc = lg_say(LG_EXIT_FAILED, "cannot read %s: %s", file, f ? "not a file" : strerror(errno));
        if (f)
            fclose(f);
        return rc;
    }
    int rc = lg_client_open(c);
    if (!rc) {
        struct lg_client *k = c->client;
        lg_client_begin(k, path);
        struct curl_slist type = {.data = (char[]){"Content-Type: application/octet-stream"},
                                  .next = k->headers};
        curl_easy_setopt(k->h, CURLOPT_HTTPHEADER, &type);
        curl_easy_setopt(k->h, CURLOPT_POST, 1L);
        curl_easy_setopt(k->h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)st.st_size);
        curl_easy_setopt(k->h, CURLOPT_READFUNCTION, give_file);
        curl_easy_setopt(k->h, CURLOPT_READDATA, f);
        rc = perform(k, &x, &e);
    }
    fclose(f);
    lg_buf_done(&x.body);
    return rc && *e.msg ? lg_say(rc, "%s", e.msg) : rc;
}

/* ── lists ── */

static int add_page(struct lg_answer *a, const char *key, json_t *all)
{
    const json_t *items = lg_at(a->json, key);
    if (!json_is_array(items))
        return lg_say(LG_EXIT_FAILED, "the server's answer is not understood (no %s in it)", key);
    size_t i;
    json_t *v;
    json_array_foreach(items, i, v) json_array_append(all, v);
    return 0;
}

/* By cursor where the list has one, else by page. True when another request is needed. */
static bool next_page(const struct lg_answer *a, const char *path, const char *key, const json_t *all,
                      int *page, char out[LG_PATH_LEN])
{
    const char *next = lg_text_at(a->json, "next"), *join = strchr(path, '?') ? "&" : "?";
    char query[512];
    if (*next) {
        snprintf(out, LG_PATH_LEN, "%s%s%s", path, join,
                 lg_path((char[LG_PATH_LEN]){0}, "pageSize=500&cursor=%s", next));
        return true;
    }
    bool more = json_array_size(lg_at(a->json, key)) &&
                json_integer_value(lg_at(a->json, "total")) > (json_int_t)json_array_size(all);
    snprintf(query, sizeof query, "pageSize=500&page=%d", ++*page);
    snprintf(out, LG_PATH_LEN, "%s%s%s", path, join, query);
    return more;
}

int lg_list(struct lg_cli *c, const char *path, const char *key, json_t **out)
{
    char now[LG_PATH_LEN];
    int page = 1, rc;
    bool more = true;
    json_t *all = json_array();
    snprintf(now, sizeof now, "%s%spageSize=500", path, strchr(path, '?') ? "&" : "?");
    do {
        lg_cleanup_answer struct lg_answer a;
        rc = lg_call(c, "GET", now, NULL, &a);
        if (!rc)
            rc = add_page(&a, key, all);
        more = !rc && next_page(&a, path, key, all, &page, now);
    } while (more);
    if (rc)
        json_decref(all);
    else
        *out = all;
    return rc;
}
