#include "driver/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "model/address.h"

#define REDIRECTS     5
#define CONNECT_S     20L
#define SLOW_BYTES_S  1024L /* less than this for SLOW_S seconds is a dead server */
#define SLOW_S        30L
#define TELL_EVERY_MS 200
#define LOOK_MS       200

/* What the child tells: progress, or (code not 0, or done) how it ended. One write each, so whole. */
struct word {
    int code; /* enum lg_code */
    bool done;
    int64_t got, total;
    char text[400];
};

/* ---- in the child ---- */

struct child {
    const struct lg_fetch *f;
    int pipe;
    CURL *h;
    int64_t got, told_at;
    struct sockaddr_storage to; /* the address that was looked at */
    bool moved;                 /* this answer is a redirect: its body is nothing */
    struct lg_err err;
};

static void tell(struct child *c, const struct word *w)
{
    if (write(c->pipe, w, sizeof *w) != (ssize_t)sizeof *w)
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
    const char *allow = c->f->conf->fetch_allow;
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
    if (c->got > c->f->max_bytes) {
        lg_fail(&c->err, LG_TOO_LARGE, "the file is larger than the %lld bytes that are allowed",
                (long long)c->f->max_bytes);
        return 0;
    }
    for (size_t done = 0; done < len;) {
        ssize_t w = write(c->f->fd, p + done, len - done);
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
    tell(c, &(struct word){.got = got, .total = total});
    return 0;
}

static void set_up(struct child *c, const char *url, struct curl_slist *pin)
{
    const struct lg_conf *conf = c->f->conf;
    curl_easy_reset(c->h);
    curl_easy_setopt(c->h, CURLOPT_URL, url);
    curl_easy_setopt(c->h, CURLOPT_RESOLVE, pin);
    curl_easy_setopt(c->h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c->h, CURLOPT_OPENSOCKETDATA, c);
    curl_easy_setopt(c->h, CURLOPT_PROTOCOLS_STR, *conf->fetch_allow ? "https,http" : "https");
    curl_easy_setopt(c->h, CURLOPT_PROXY, "");
    curl_easy_setopt(c->h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c->h, CURLOPT_USERAGENT, "lodge");
    curl_easy_setopt(c->h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->h, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(c->h, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
    curl_easy_setopt(c->h, CURLOPT_LOW_SPEED_TIME, SLOW_S);
    curl_easy_setopt(c->h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)c->f->max_bytes);
    curl_easy_setopt(c->h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c->h, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->h, CURLOPT_HEADERFUNCTION, header);
    curl_easy_setopt(c->h, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(c->h, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(c->h, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(c->h, CURLOPT_NOPROGRESS, 0L);
    if (*conf->fetch_ca_file)
        curl_easy_setopt(c->h, CURLOPT_CAINFO, conf->fetch_ca_file);
}

static int failed(struct child *c, CURLcode rc, struct lg_err *e)
{
    if (c->err.code) {
        *e = c->err;
        return -(int)e->code;
    }
    if (rc == CURLE_FILESIZE_EXCEEDED)
        return lg_fail(e, LG_TOO_LARGE, "the file is larger than the %lld bytes that are allowed",
                       (long long)c->f->max_bytes);
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
    char *url = strdup(c->f->url);
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

/* Nobody's rights (not even run_user's, who may read the database), few descriptors, no larger file than
 * allowed. */
static int drop_rights(const struct lg_fetch *f, struct lg_err *e)
{
    const struct rlimit files = {64, 64}, none = {0, 0};
    const struct rlimit size = {(rlim_t)f->max_bytes + 1, (rlim_t)f->max_bytes + 1};
    const struct passwd *pw = geteuid() ? NULL : getpwnam("nobody");
    signal(SIGXFSZ, SIG_IGN);
    if (!geteuid() && (!pw || setgroups(0, NULL) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
                       setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid)))
        return lg_fail_errno(e, LG_INTERNAL, "cannot become nobody to fetch a file");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setrlimit(RLIMIT_NOFILE, &files) ||
        setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_FSIZE, &size))
        return lg_fail_errno(e, LG_INTERNAL, "cannot give up rights to fetch a file");
    return 0;
}

/* All but these two are somebody else's: the database's, the engine's. */
static void close_others(int a, int b)
{
    int low = a < b ? a : b, high = a < b ? b : a;
    if (low > 3)
        close_range(3, (unsigned)low - 1, 0);
    if (high > low + 1)
        close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    close_range((unsigned)high + 1, ~0U, 0);
}

static void run_child(const struct lg_fetch *f, int pipe_fd)
{
    struct child c = {.f = f, .pipe = pipe_fd};
    struct lg_err e = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGUSR1, SIG_DFL);
    close_others(f->fd, pipe_fd);
    int rc = drop_rights(f, &e);
    if (!rc && !(c.h = curl_easy_init()))
        rc = lg_fail(&e, LG_INTERNAL, "out of memory");
    if (!rc)
        rc = follow(&c, &e);
    struct word end = {.code = rc ? (int)e.code : 0, .done = true, .got = c.got, .total = c.got};
    snprintf(end.text, sizeof end.text, "%.390s", e.msg);
    tell(&c, &end);
    _exit(0);
}

/* ---- in the parent ---- */

static void report(const struct word *w, lg_progress_fn *fn, void *arg)
{
    char text[96];
    snprintf(text, sizeof text, "fetching: %.1f MiB", (double)w->got / (1 << 20));
    if (fn)
        fn(arg, w->total > 0 ? (double)w->got / (double)w->total : -1, text);
}

static int listen_to(int fd, const volatile sig_atomic_t *cancel, lg_progress_fn *fn, void *arg,
                     struct lg_err *e)
{
    for (;;) {
        struct word w;
        struct pollfd p = {fd, POLLIN, 0};
        int n = poll(&p, 1, LOOK_MS);
        if (cancel && *cancel)
            return lg_fail(e, LG_CANCELLED, "the fetch was cancelled");
        if (n <= 0)
            continue;
        if (read(fd, &w, sizeof w) != (ssize_t)sizeof w)
            return lg_fail(e, LG_INTERNAL, "the process that fetched the file died");
        w.text[sizeof w.text - 1] = 0;
        if (!w.done)
            report(&w, fn, arg);
        else if (w.code)
            return lg_fail(e, w.code > 0 && w.code < LG_CODE_COUNT ? (enum lg_code)w.code : LG_INTERNAL, "%s",
                           w.text);
        else
            return 0;
    }
}

int lg_fetch(const struct lg_fetch *f, const volatile sig_atomic_t *cancel, lg_progress_fn *fn, void *arg,
             struct lg_err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    pid_t pid = fork();
    if (!pid)
        run_child(f, ends[1]);
    close(ends[1]);
    int rc = pid < 0 ? lg_fail_errno(e, LG_INTERNAL, "cannot start a fetch")
                     : listen_to(ends[0], cancel, fn, arg, e);
    close(ends[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    return rc;
}
