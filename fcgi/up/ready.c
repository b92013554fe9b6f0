#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "up/nginx.h"
#include "up/up.h"

static size_t collect(char *p, size_t size, size_t n, void *out)
{
    lg_buf_add(out, p, size * n);
    return size * n;
}

/* GET /health through nginx with our own certificate checked: the way a browser comes. */
static long health(const struct lg_conf *c, char *why, size_t cap)
{
    char url[256], to[256], cert[PATH_MAX];
    const char *address = !strcmp(c->listen_address, "0.0.0.0") ? "127.0.0.1" : c->listen_address;
    snprintf(url, sizeof url, "https://%s%s/health", c->domain, lg_port_suffix(c));
    snprintf(to, sizeof to, strchr(address, ':') ? "::[%s]:" : "::%s:", address);
    lg_conf_path(c, cert, sizeof cert, "tls/cert.pem");
    struct curl_slist *where = curl_slist_append(NULL, to);
    lg_cleanup_buf struct lg_buf body = {.max = 4096};
    CURL *h = curl_easy_init();
    long status = 0;
    if (h && where) {
        curl_easy_setopt(h, CURLOPT_URL, url);
        curl_easy_setopt(h, CURLOPT_CONNECT_TO, where);
        curl_easy_setopt(h, CURLOPT_CAINFO, cert);
        curl_easy_setopt(h, CURLOPT_PROXY, "");
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 2000L);
        curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, collect);
        curl_easy_setopt(h, CURLOPT_WRITEDATA, &body);
        CURLcode rc = curl_easy_perform(h);
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
        if (rc)
            snprintf(why, cap, "%s: %s", url, curl_easy_strerror(rc));
        else
            snprintf(why, cap, "%s answers %ld %.300s", url, status, lg_buf_cstr(&body));
    }
    curl_easy_cleanup(h);
    curl_slist_free_all(where);
    return status;
}

enum lg_site_state lg_up_answers(const struct lg_conf *c, char *why, size_t cap)
{
    static const char *const sockets[] = {"run/api.sock", "run/auth.sock", "run/route.sock",
                                          "run/stream.sock"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++) {
        struct lg_err e;
        lg_cleanup_fd int fd =
            lg_unix_connect(lg_conf_path(c, path, sizeof path, sockets[i]), SOCK_STREAM, &e);
        if (fd < 0) {
            snprintf(why, cap, "%s", e.msg);
            return LG_SITE_DOWN;
        }
    }
    long status = health(c, why, cap);
    return status == 200 ? LG_SITE_UP : status == 503 ? LG_SITE_DEGRADED : LG_SITE_DOWN;
}
