#include "up/nginx.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "up/template.h"
#include "up/up.h"

#define TEMPLATE_MAX ((size_t)256 << 10)
#define TOKEN_MAX    3900 /* nginx reads a parameter of at most 4096 bytes */

/* The pages applications' visitors see when there is nothing to show; files in nginx/pages. */
static const struct page {
    const char *name, *status, *title;
    int retry_s, refresh_s; /* 0: none */
} pages[] = {
    {"unknown", "404", "Not found", 0, 0},
    {"stopped", "503", "Not running", 30, 0},
    {"starting", "503", "Starting", 2, 2},
    {"refused", "502", "No answer", 0, 0},
    {"late", "504", "Too slow", 0, 0},
    {"forbidden", "401", "Members only", 0, 0},
    {"unavailable", "503", "Not available", 2, 2},
};

const char *lg_port_suffix(const struct lg_conf *c)
{
    static char suffix[8];
    if (c->https_port == 443)
        return "";
    snprintf(suffix, sizeof suffix, ":%ld", c->https_port);
    return suffix;
}

/* Host names and paths go into the configuration as they are, so nothing that means something there may be in
 * them. */
static int check_text(const char *what, const char *s, const char *also, struct lg_err *e)
{
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(also, *s))
            return lg_fail(e, LG_INVALID, "%s: \"%c\" is not possible in it", what, *s);
    return 0;
}

static int check_settings(const struct lg_conf *c, struct lg_err *e)
{
    static const char path[] = "/._-+=,:@~";
    int rc = check_text("setting domain", c->domain, ".-", e);
    rc = rc ? rc : check_text("setting apps_domain", c->apps_domain, ".-", e);
    rc = rc ? rc : check_text("setting listen_address", c->listen_address, ".:", e);
    rc = rc ? rc : check_text("setting run_user", c->run_user, "_-", e);
    rc = rc ? rc : check_text("LODGE_STATE", c->state_dir, path, e);
    return rc ? rc : check_text("LODGE_SHARE", c->share_dir, path, e);
}

/* Whether this host has an IPv6 loopback: browsers try it first for "localhost". */
static bool has_loopback6(void)
{
    lg_cleanup_fd int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a);
}

static void listen_line(struct lg_buf *b, const char *address, long port, const char *rest)
{
    bool six = strchr(address, ':') != NULL;
    lg_buf_fmt(b, "listen %s%s%s:%ld%s;\n        ", six ? "[" : "", address, six ? "]" : "", port, rest);
}

/* TLS on the configured address, and on loopback over IPv6 when that address is IPv4's loopback. */
static void listen_tls(struct lg_buf *b, const struct lg_conf *c, const char *rest)
{
    listen_line(b, c->listen_address, c->https_port, rest);
    if (!strncmp(c->listen_address, "127.", 4) && has_loopback6())
        listen_line(b, "::1", c->https_port, rest);
}

static void listen_http(struct lg_buf *b, const struct lg_conf *c, const char *rest)
{
    listen_line(b, "127.0.0.1", c->http_port, rest);
    if (has_loopback6())
        listen_line(b, "::1", c->http_port, rest);
}

/* The other APIs that have listeners of their own, and their services in the order of the setting's ports. */
#define SERVICES_MAX 4
static const struct gateway {
    const char *listener, *setting, *service[SERVICES_MAX];
    size_t ports_at; /* offsetof(struct lg_conf, …) */
} gateways[] = {
    {"tenant",
     "compat_ports",
     {"compute-service", "storage-service", "network-service", "monitoring-service"},
     offsetof(struct lg_conf, compat_ports)},
    {"repl",
     "repl_ports",
     {"container-api", "repl-api", "service-registry"},
     offsetof(struct lg_conf, repl_ports)},
};

/* The ports of the setting; 0 where none is named. */
static int gateway_ports(const struct lg_conf *c, const struct gateway *g, long port[SERVICES_MAX],
                         struct lg_err *e)
{
    const char *p;
    memcpy(&p, (const char *)c + g->ports_at, sizeof p);
    memset(port, 0, SERVICES_MAX * sizeof *port);
    for (size_t i = 0; *p; i++) {
        char *end;
        long n = strtol(p, &end, 10);
        if (i == SERVICES_MAX || !g->service[i] || end == p || (*end && *end != ',') || n < 1 || n > 65535 ||
            n == c->https_port || n == c->http_port)
            return lg_fail(e, LG_INVALID, "setting %s: needs other ports with commas between, one a service",
                           g->setting);
        port[i] = n;
        p = end + (*end == ',');
    }
    return 0;
}

/* One server a port. Whoever already has the port keeps it: Lodge itself does not depend on these. */
static int add_gateway(const struct lg_conf *c, const struct gateway *g, const char *names,
                       struct lg_buf *servers, struct lg_buf *fallback, struct lg_err *e)
{
    long port[SERVICES_MAX];
    int rc = gateway_ports(c, g, port, e);
    for (size_t i = 0; !rc && i < SERVICES_MAX; i++) {
        if (port[i] && !lg_up_port_free("127.0.0.1", port[i])) {
            fprintf(stderr, "lodge: port %ld is in use by another program, so the %s is not on it\n", port[i],
                    g->service[i]);
            continue;
        }
        if (!port[i])
            continue;
        listen_line(fallback, "127.0.0.1", port[i], " default_server");
        lg_buf_str(servers, "server {\n        ");
        listen_line(servers, "127.0.0.1", port[i], "");
        lg_buf_fmt(servers,
                   "server_name %s;\n        set $lodge_service %s;\n        set $lodge_listener %s;\n"
                   "        include snippets/gateway.conf;\n    }\n    ",
                   names, g->service[i], g->listener);
    }
    return rc;
}

/* A scheme, a host and perhaps a port, as a browser writes them. */
static bool is_origin(const char *s, size_t n)
{
    size_t scheme = !strncmp(s, "https://", 8) ? 8 : !strncmp(s, "http://", 7) ? 7 : 0;
    size_t at = scheme;
    while (at < n && (islower((unsigned char)s[at]) || isdigit((unsigned char)s[at]) || strchr(".-", s[at])))
        at++;
    if (!scheme || at == scheme || (at < n && s[at] != ':') || at + 1 == n)
        return false;
    for (at++; at < n; at++)
        if (!isdigit((unsigned char)s[at]))
            return false;
    return true;
}

/* The entries of the map of allowed origins. */
static int add_origins(const struct lg_conf *c, struct lg_buf *out, struct lg_err *e)
{
    for (const char *p = c->cors_origins; *p;) {
        size_t n = strcspn(p, ",");
        while (n && *p == ' ')
            p++, n--;
        if (!is_origin(p, n))
            return lg_fail(e, LG_INVALID,
                           "setting cors_origins: \"%.*s\" is no origin such as https://app.example", (int)n,
                           p);
        lg_buf_fmt(out, "\"https %.*s\" %.*s;\n    \"http %.*s\" %.*s;\n    ", (int)n, p, (int)n, p, (int)n,
                   p, (int)n, p);
        p += n + (p[n] == ',');
    }
    return 0;
}

static void regex_escape(struct lg_buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '.')
            lg_buf_char(b, '\\');
        lg_buf_char(b, (char)tolower((unsigned char)*s));
    }
}

static bool is_localhost(const char *domain)
{
    size_t n = strlen(domain), k = sizeof "localhost" - 1;
    return n >= k && !strcmp(domain + n - k, "localhost");
}

/* One internal location per page, its HTML inside the configuration so that $app works in it. */
static int add_page(const struct lg_conf *c, const struct page *p, struct lg_buf *out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf layout = {.max = TEMPLATE_MAX}, body = {.max = TEMPLATE_MAX},
                                 html = {.max = TEMPLATE_MAX}, quoted = {.max = TEMPLATE_MAX};
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/nginx/pages/layout.html", c->share_dir);
    int rc = lg_read_file(path, TEMPLATE_MAX, &layout, e);
    snprintf(path, sizeof path, "%s/nginx/pages/%s.html", c->share_dir, p->name);
    rc = rc ? rc : lg_read_file(path, TEMPLATE_MAX, &body, e);
    const struct lg_var vars[] = {
        {"TITLE", p->title}, {"BODY", lg_buf_cstr(&body)}, {"STATUS", p->status}, {NULL, NULL}};
    rc = rc ? rc : lg_template(lg_buf_cstr(&layout), vars, &html, e);
    if (rc)
        return rc;
    lg_nginx_quote(&quoted, lg_buf_cstr(&html));
    if (quoted.len > TOKEN_MAX)
        return lg_fail(e, LG_INVALID, "nginx/pages/%s.html is longer than %d bytes with its layout", p->name,
                       TOKEN_MAX);
    lg_buf_fmt(out, "location = /.lodge/page/%s {\n    internal;\n    default_type text/html;\n", p->name);
    lg_buf_str(out, "    include snippets/page-headers.conf;\n");
    if (p->retry_s)
        lg_buf_fmt(out, "    add_header Retry-After %d always;\n", p->retry_s);
    if (p->refresh_s)
        lg_buf_fmt(out, "    add_header Refresh %d always;\n", p->refresh_s);
    lg_buf_fmt(out, "    return %s '%s';\n}\n", p->status, lg_buf_cstr(&quoted));
    return out->failed ? lg_fail(e, LG_INTERNAL, "pages are too large") : 0;
}

static int render_file(const struct lg_conf *c, const char *rel, const struct lg_var *vars, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf in = {.max = TEMPLATE_MAX}, out = {.max = TEMPLATE_MAX};
    char from[PATH_MAX * 2], to[PATH_MAX * 2];
    snprintf(from, sizeof from, "%s/nginx/%s", c->share_dir, rel);
    snprintf(to, sizeof to, "%s/nginx/%s", c->state_dir, rel);
    int rc = lg_read_file(from, TEMPLATE_MAX, &in, e);
    char *dot = strrchr(to, '.');
    bool template = dot && !strcmp(dot, ".in");
    if (template)
        *dot = 0;
    rc = rc ? rc
            : lg_template(lg_buf_cstr(&in), template ? vars : (const struct lg_var[]){{NULL, NULL}}, &out, e);
    return rc ? rc : lg_write_file(to, out.data ? out.data : "", out.len, 0644, 0, e);
}

static int render_all(const struct lg_conf *c, const struct lg_var *vars, struct lg_err *e)
{
    char dir[PATH_MAX + 64], rel[300];
    snprintf(dir, sizeof dir, "%s/nginx/snippets", c->share_dir);
    int rc = render_file(c, "nginx.conf.in", vars, e);
    DIR *d = opendir(dir);
    if (!d)
        return lg_fail_errno(e, LG_INTERNAL, "cannot read %s (LODGE_SHARE)", dir);
    for (struct dirent *f; !rc && (f = readdir(d));) {
        if (f->d_name[0] == '.' || !strstr(f->d_name, ".conf"))
            continue;
        snprintf(rel, sizeof rel, "snippets/%s", f->d_name);
        rc = render_file(c, rel, vars, e);
    }
    closedir(d);
    return rc;
}

/* The numbers and lists that settings only imply; each text lives until the rendering ends. */
struct derived {
    struct lg_buf pages, tls, fallback, http, apps_re, gateway, origins;
    char https_port[16], upload[16], nofile[16], connections[16], workers[24], keep[24], user[80], names[192];
};

static void derive_numbers(const struct lg_conf *c, bool as_root, struct derived *d)
{
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    unsigned long most = files.rlim_max > 65536 ? 65536 : (unsigned long)files.rlim_max;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(d->nofile, sizeof d->nofile, "%lu", most);
    snprintf(d->connections, sizeof d->connections, "%lu", most > 20480 ? 20480 : most - most / 16);
    long workers = cores < 1 ? 1 : cores > 8 ? 8 : cores, keep = c->api_workers;
    snprintf(d->workers, sizeof d->workers, "%ld", workers);
    snprintf(d->keep, sizeof d->keep, "%ld", keep < 1 ? 1 : keep); /* of each nginx worker */
    snprintf(d->https_port, sizeof d->https_port, "%ld", c->https_port);
    snprintf(d->upload, sizeof d->upload, "%ld", c->upload_max_mib);
    snprintf(d->names, sizeof d->names, "%s%slocalhost 127.0.0.1 [::1]",
             strcmp(c->domain, "localhost") ? c->domain : "", strcmp(c->domain, "localhost") ? " " : "");
    if (as_root && *c->run_user)
        snprintf(d->user, sizeof d->user, "user %s %s;", c->run_user, c->run_user);
}

static void derived_done(struct derived *d)
{
    lg_buf_done(&d->pages);
    lg_buf_done(&d->tls);
    lg_buf_done(&d->fallback);
    lg_buf_done(&d->http);
    lg_buf_done(&d->apps_re);
    lg_buf_done(&d->gateway);
    lg_buf_done(&d->origins);
}

int lg_nginx_render(const struct lg_conf *c, bool as_root, struct lg_err *e)
{
    int rc = check_settings(c, e);
    if (rc)
        return rc;
    __attribute__((cleanup(derived_done))) struct derived d = {.pages.max = TEMPLATE_MAX};
    derive_numbers(c, as_root, &d);
    for (size_t i = 0; !rc && i < sizeof pages / sizeof pages[0]; i++)
        rc = add_page(c, &pages[i], &d.pages, e);
    rc = rc ? rc : add_origins(c, &d.origins, e);
    for (size_t i = 0; !rc && c->compat_listeners && i < sizeof gateways / sizeof gateways[0]; i++)
        rc = add_gateway(c, &gateways[i], "localhost 127.0.0.1", &d.gateway, &d.fallback, e);
    if (rc)
        return rc;
    listen_tls(&d.tls, c, " ssl http2");
    listen_tls(&d.fallback, c, " ssl http2 default_server backlog=4096");
    listen_http(&d.fallback, c, " default_server backlog=4096");
    listen_http(&d.http, c, "");
    regex_escape(&d.apps_re, c->apps_domain);
    const struct lg_var vars[] = {
        {"USER_LINE", d.user},
        {"WORKERS", d.workers},
        {"NOFILE", d.nofile},
        {"CONNECTIONS", d.connections},
        {"STATE", c->state_dir},
        {"SHARE", c->share_dir},
        {"DOMAIN", c->domain},
        {"SERVER_NAMES", d.names},
        {"APPS_DOMAIN_RE", lg_buf_cstr(&d.apps_re)},
        {"PORT_SUFFIX", lg_port_suffix(c)},
        {"HTTPS_PORT", d.https_port},
        {"UPLOAD_MAX_MIB", d.upload},
        {"API_KEEP", d.keep},
        {"LISTEN_TLS", lg_buf_cstr(&d.tls)},
        {"LISTEN_HTTP", lg_buf_cstr(&d.http)},
        {"LISTEN_DEFAULT", lg_buf_cstr(&d.fallback)},
        {"GATEWAY", lg_buf_cstr(&d.gateway)},
        {"CORS_ORIGINS", lg_buf_cstr(&d.origins)},
        {"CORS_VARY", *c->cors_origins ? "Origin" : ""},
        {"HSTS", is_localhost(c->domain) ? "" : "max-age=31536000"},
        {"APP_PAGES", lg_buf_cstr(&d.pages)},
        {NULL, NULL},
    };
    return render_all(c, vars, e);
}
