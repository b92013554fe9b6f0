/* Where the server is and who asks it; the client that sends requests there. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/client.h"

static void take_line(struct lg_client *k, char *line)
{
    struct {
        const char *key;
        char *to;
        size_t cap;
    } known[] = {{"url", k->url, sizeof k->url},
                 {"token", k->token, sizeof k->token},
                 {"tenant", k->tenant, sizeof k->tenant},
                 {"cacert", k->cacert, sizeof k->cacert}};
    line[strcspn(line, "\r\n")] = 0;
    char *eq = strchr(line, '=');
    if (!eq)
        return;
    *eq = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i].key, line) && !*known[i].to)
            snprintf(known[i].to, known[i].cap, "%s", eq + 1);
}

/* Fills what is still empty. False when the file cannot be read. */
static bool read_credentials(struct lg_client *k, const char *path)
{
    char line[1024];
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (fgets(line, sizeof line, f))
        take_line(k, line);
    fclose(f);
    explicit_bzero(line, sizeof line);
    return true;
}

static void keep(char *to, size_t cap, const char *value)
{
    if (value && *value)
        snprintf(to, cap, "%s", value);
}

/* The host's own Lodge: where its state is, if anywhere. */
static void state_dir(char out[PATH_MAX])
{
    const char *state = getenv("LODGE_STATE");
    snprintf(out, PATH_MAX, "%s", state && *state ? state : "var");
    if (access(out, F_OK) && !(state && *state))
        snprintf(out, PATH_MAX, "/var/lib/lodge");
}

/* True when both name the same server; a slash at the end does not matter. */
static bool same_url(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    n -= n && a[n - 1] == '/';
    m -= m && b[m - 1] == '/';
    return n && n == m && !strncasecmp(a, b, n);
}

/* The certificate that this host made itself is good for the URL that this host gave out, and for no other.
 */
static void trust_local(struct lg_client *k, const char *state)
{
    char path[PATH_MAX + 32];
    struct lg_client local = {.url = ""};
    snprintf(path, sizeof path, "%s/credentials", state);
    bool ours = read_credentials(&local, path) && same_url(local.url, k->url);
    snprintf(path, sizeof path, "%s/tls/cert.pem", state);
    if (ours && !*k->cacert && !access(path, R_OK))
        snprintf(k->cacert, sizeof k->cacert, "%s", path);
    explicit_bzero(&local, sizeof local);
}

/*
 * From the first source that has a token: environment, ~/.config/lodge/credentials, the state directory. A
 * file's token is only sent to that file's URL: with another one on the command line there must be a
 * LODGE_TOKEN too.
 */
static void find_credentials(const struct lg_cli *c, struct lg_client *k, const char *state)
{
    char path[PATH_MAX + 64];
    const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME"), *flag = lg_flag_value(c, "url");
    keep(k->url, sizeof k->url, flag && *flag ? flag : getenv("LODGE_URL"));
    keep(k->token, sizeof k->token, getenv("LODGE_TOKEN"));
    keep(k->cacert, sizeof k->cacert, getenv("LODGE_CACERT"));
    k->source = "the environment";
    struct lg_client file = {.url = ""};
    if (config && *config)
        snprintf(path, sizeof path, "%s/lodge/credentials", config);
    else
        snprintf(path, sizeof path, "%s/.config/lodge/credentials", home ? home : "");
    snprintf(k->file, sizeof k->file, "%s", path);
    if (!read_credentials(&file, path)) {
        snprintf(k->file, sizeof k->file, "%s/credentials", state);
        read_credentials(&file, k->file);
    }
    if (!*k->url)
        keep(k->url, sizeof k->url, file.url);
    if (!*k->token && same_url(k->url, file.url)) {
        keep(k->token, sizeof k->token, file.token);
        k->source = k->file;
    }
    if (same_url(k->url, file.url)) {
        keep(k->tenant, sizeof k->tenant, file.tenant);
        if (!*k->cacert)
            keep(k->cacert, sizeof k->cacert, file.cacert);
    }
    explicit_bzero(&file, sizeof file);
}

static void close_client(struct lg_client *k)
{
    curl_easy_cleanup(k->h);
    curl_slist_free_all(k->headers);
    explicit_bzero(k, sizeof *k);
}

/* Headers of every request. */
static void make_headers(struct lg_client *k)
{
    char line[256];
    snprintf(line, sizeof line, "Authorization: Bearer %s", k->token);
    k->headers = curl_slist_append(NULL, line);
    explicit_bzero(line, sizeof line);
    if (*k->tenant) {
        snprintf(line, sizeof line, "Lodge-Tenant: %s", k->tenant);
        k->headers = curl_slist_append(k->headers, line);
    }
    k->headers = curl_slist_append(k->headers, "Expect:");
}

/* A token is never sent in clear but to this very host. */
static int check_url(const struct lg_client *k)
{
    static const char *const local[] = {"http://localhost", "http://127.0.0.1", "http://[::1]"};
    if (!strncasecmp(k->url, "https://", 8))
        return 0;
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        size_t n = strlen(local[i]);
        if (!strncasecmp(k->url, local[i], n) && (!k->url[n] || k->url[n] == ':' || k->url[n] == '/'))
            return 0;
    }
    return lg_say(LG_EXIT_USAGE, "the URL must begin with https:// (http:// only for localhost)");
}

static int check_found(const struct lg_client *k)
{
    if (!*k->url)
        return lg_say(LG_EXIT_DENIED,
                      "no server is known: set LODGE_URL and LODGE_TOKEN, or write url= and token= into %s",
                      k->file);
    if (!*k->token)
        return lg_say(LG_EXIT_DENIED,
                      "there is no token for %s: set LODGE_TOKEN, or write url= and token= into %s", k->url,
                      k->file);
    return check_url(k);
}

static struct lg_client one; /* a process runs one command */

static void close_one(void)
{
    close_client(&one);
    curl_global_cleanup();
}

int lg_client_open(struct lg_cli *c)
{
    char state[PATH_MAX];
    if (c->client)
        return 0;
    state_dir(state);
    find_credentials(c, &one, state);
    keep(one.tenant, sizeof one.tenant, lg_flag_value(c, "tenant"));
    one.insecure = lg_flag_set(c, "insecure");
    trust_local(&one, state);
    int rc = check_found(&one);
    if (rc)
        return rc;
    size_t n = strlen(one.url);
    if (one.url[n - 1] == '/')
        one.url[n - 1] = 0;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(one.h = curl_easy_init()))
        return lg_say(LG_EXIT_FAILED, "libcurl does not start");
    atexit(close_one);
    make_headers(&one);
    c->client = &one;
    return 0;
}
