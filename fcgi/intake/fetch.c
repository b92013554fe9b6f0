/*
 * Fetches a file from an address that a tenant named. Private, loopback and link-local addresses are refused
 * (setting fetch_allow names exceptions), for the first address and after each redirect, and the connection
 * goes to the very address that was looked at.
 */
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "intake/intake.h"
#include "intake/wire.h"
#include "model/address.h"

#define REDIRECTS     5
#define CONNECT_S     20L
#define SLOW_BYTES_S  1024L /* less than this for SLOW_S seconds is a dead server */
#define SLOW_S        30L
#define TELL_EVERY_MS 200

struct child {
    struct lg_intake_fetch f;
    CURL *h;
    int64_t got, told_at;
    struct sockaddr_storage to; /* the address that was looked at */
    bool moved;                 /* this answer is a redirect: its body is nothing */
    struct lg_err err;
};

static void tell(const struct lg_intake_word *w)
{
    if (write(STDOUT_FILENO, w, sizeof *w) != (ssize_t)sizeof *w)
        _exit(1); /* nobody waits for the file any more */
}

/* Splits an address; the strings are the caller's to curl_free. LG_INVALID. */
static int split(const char *url, char **scheme, char **host, char **port, struct lg_err *e)
{
    CURLU *u = curl_url();
    *scheme = *host = *port = NULL;
    bool bad = !u || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) ||
               curl_url_get(u, CURLUPART_SCHEME, scheme, 0) || curl_url_get(u, CURLUPART_HOST, host, 0) ||
               curl_url_get(u, CURLUPART_PORT, port, CURLU_DEFAULT_PORT);
    curl_url_cleanup(u);
    return bad ? lg_fail(e, LG_INVALID, "the address %.200s cannot be read", url) : 0;
}

/* Looks up the host and picks an address that may be spoken to. A name that has any other is refused: what it
 * means next time would be its owner's choice. */
static int look_up(struct child *c, const char *scheme, char *host, const char *port, struct lg_err *e)
{
    const char *allow = c->f.allow;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *all = NULL;
    size_t n = strlen(host);
    if (*host == '[' && n > 2) { /* an IPv6 literal */
        memmove(host, host + 1, n - 2);
        host[n - 2] = 0;
    }
    int rc = getaddrinfo(host, port, &hints, &all), listed = 0;
    if (rc)
        return lg_fail(e, LG_BACKEND, "the host %.100s is not known: %s", host, gai_strerror(rc));
    for (const struct addrinfo *a = all; a && !rc; a = a->ai_next) {
        bool named = lg_address_listed(allow, host, a->ai_addr);
        listed += named;
        if (!named && !lg_address_public(a->ai_addr))
            rc = lg_fail(e, LG_INVALID, "the host %.100s has an address that is not of the public Internet",
                         host);
    }
    if (!rc && strcasecmp(scheme, "https") && !(listed && !strcasecmp(scheme, "http")))
        rc = lg_fail(e, LG_INVALID, "%.20s://%.100s is no https address", scheme, host);
    if (!rc)
        memcpy(&c->to, all->ai_addr, all->ai_addrlen);
    freeaddrinfo(all);
    return rc;
}

/* Whatever libcurl makes of the name, the connection goes where we looked. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    const struct child *c = arg;
    (void)purpose;
    if (a->addrlen > sizeof c->to || memcmp(&a->addr, &c->to, a->addrlen) != 0)
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t take(char *p, size_t size, size_t n, void *arg)
{
    struct child *c = arg;
    size_t len = size * n;
    if (c->moved)
        return len;
    c->got += (int64_t)len;
    if (c->got > c->f.max_bytes) {
        lg_fail(&c->err, LG_TOO_LARGE, "the file is larger than the %lld bytes that are allowed",
                (long long)c->f.max_bytes);
        return 0;
    }
    for (size_t done = 0; done < len;) {
        ssize_t w = write(LG_INTAKE_FILE_FD, p + done, len - done);
        if (w < 0 && errno != EINTR) {
            lg_fail_errno(&c->err, LG_STORAGE, "the file cannot be stored");
            return 0;
        }
        done += w > 0 ? (size_t)w : 0;
    }
    return len;
}

static size_t header(char *p, size_t size, size_t n, void *arg)
{
    struct child *c = arg;
    long status = 0;
    (void)p;
    curl_easy_getinfo(c->h, CURLINFO_RESPONSE_CODE, &status);
    c->moved = status < 200 || status >= 300;
    return size * n;
}

static int progress(void *arg, curl_off_t total, curl_off_t got, curl_off_t up_total, curl_off_t up)
{
    struct child *c = arg;
    int64_t now = lg_clock_mono();
    (void)up_total;
    (void)up;
    if (c->moved || now - c->told_at < TELL_EVERY_MS)
        return 0;
    c->told_at = now;
    tell(&(struct lg_intake_word){.got = got, .total = total});
    return 0;
}

static void set_up(struct child *c, const char *url, struct curl_slist *pin)
{
    curl_easy_reset(c->h);
    curl_easy_setopt(c->h, CURLOPT_URL, url);
    curl_easy_setopt(c->h, CURLOPT_RESOLVE, pin);
    curl_easy_setopt(c->h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c->h, CURLOPT_OPENSOCKETDATA, c);
    curl_easy_setopt(c->h, CURLOPT_PROTOCOLS_STR, *c->f.allow ? "https,http" : "https");
    curl_easy_setopt(c->h, CURLOPT_PROXY, "");
    curl_easy_setopt(c->h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c->h, CURLOPT_USERAGENT, "lodge");
    curl_easy_setopt(c->h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->h, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(c->h, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
    curl_easy_setopt(c->h, CURLOPT_LOW_SPEED_TIME, SLOW_S);
    curl_easy_setopt(c->h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)c->f.max_bytes);
    curl_easy_setopt(c->h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c->h, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->h, CURLOPT_HEADERFUNCTION, header);
    curl_easy_setopt(c->h, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(c->h, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(c->h, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(c->h, CURLOPT_NOPROGRESS, 0L);
    if (*c->f.ca_file)
        curl_easy_setopt(c->h, CURLOPT_CAINFO, c->f.ca_file);
}

static int failed(struct child *c, CURLcode rc, struct lg_err *e)
{
    if (c->err.code) {
        *e = c->err;
        return -(int)e->code;
    }
    if (rc == CURLE_FILESIZE_EXCEEDED)
        return lg_fail(e, LG_TOO_LARGE, "the file is larger than the %lld bytes that are allowed",
                       (long long)c->f.max_bytes);
    return lg_fail(e, LG_BACKEND, "the server cannot be fetched from: %s", curl_easy_strerror(rc));
}

/* "host:port:address" */
static struct curl_slist *pin_of(const struct child *c, const char *host, const char *port)
{
    char address[INET6_ADDRSTRLEN + 2], line[512];
    if (getnameinfo((const struct sockaddr *)&c->to, sizeof c->to, address, sizeof address, NULL, 0,
                    NI_NUMERICHOST))
        return NULL;
    snprintf(line, sizeof line, "%.300s:%.8s:%s", host, port, address);
    return curl_slist_append(NULL, line);
}

/* One request. 1: it leads on to *next (owned). */
static int request(struct child *c, const char *url, char **next, struct lg_err *e)
{
    char *scheme, *host, *port, *where = NULL;
    long status = 0;
    int rc = split(url, &scheme, &host, &port, e);
    if (!rc)
        rc = look_up(c, scheme, host, port, e);
    if (!rc) {
        struct curl_slist *pin = pin_of(c, host, port);
        set_up(c, url, pin);
        CURLcode got = curl_easy_perform(c->h);
        curl_easy_getinfo(c->h, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(c->h, CURLINFO_REDIRECT_URL, &where);
        if (got)
            rc = failed(c, got, e);
        else if (status >= 300 && status < 400 && where)
            rc = (*next = strdup(where)) ? 1 : lg_fail(e, LG_INTERNAL, "out of memory");
        else if (status != 200)
            rc = lg_fail(e, LG_BACKEND, "the server answers %ld instead of the file", status);
        curl_slist_free_all(pin);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return rc;
}

static int follow(struct child *c, struct lg_err *e)
{
    char *url = strdup(c->f.url);
    int rc = url ? 1 : lg_fail(e, LG_INTERNAL, "out of memory");
    for (int hop = 0; rc == 1; hop++) {
        char *next = NULL;
        rc = hop > REDIRECTS ? lg_fail(e, LG_BACKEND, "the server redirects more than %d times", REDIRECTS)
                             : request(c, url, &next, e);
        free(url);
        url = next;
    }
    free(url);
    return rc;
}

int lg_intake_fetch(void)
{
    static struct child c;
    struct lg_err e = {0};
    int rc = read(STDIN_FILENO, &c.f, sizeof c.f) != (ssize_t)sizeof c.f
                 ? lg_fail(&e, LG_INTERNAL, "lodge-intake was asked for nothing")
                 : 0;
    signal(SIGXFSZ, SIG_IGN);
    if (!rc && !(c.h = curl_easy_init()))
        rc = lg_fail(&e, LG_INTERNAL, "out of memory");
    if (!rc)
        rc = follow(&c, &e);
    struct lg_intake_word end = {.code = rc ? (int)e.code : 0, .done = true, .got = c.got, .total = c.got};
    snprintf(end.text, sizeof end.text, "%.390s", e.msg);
    tell(&end);
    curl_easy_cleanup(c.h);
    return 0;
}
