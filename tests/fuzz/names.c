// sources: fcgi/model/*.c fcgi/base/err.c fcgi/base/buf.c fcgi/base/json.c fcgi/base/clock.c
// sources: fcgi/base/id.c fcgi/base/fd.c fcgi/base/crypto.c
// libs: -ljansson -lsodium -lm
/*.c fcgi/base/err.c fcgi/base/buf.c fcgi/base/json.c fcgi/base/clock.c fcgi/base/id.c
// fcgi/base/fd.c fcgi/base/crypto.c libs: -ljansson -lsodium -lm
/*
 * What tenants name: names, labels, environment, ports, image references, keys. What is let through is made
 * of what its rule says and nothing else, whatever else is behind it; and a text written as JSON reads back
 * the same.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/image_ref.h"
#include "model/net.h"
#include "model/ssh_key.h"
#include "model/validate.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool only(const char *s, int (*more)(int), const char *signs)
{
    for (; *s; s++)
        if (!more((unsigned char)*s) && !strchr(signs, *s))
            return false;
    return true;
}

static void names(const char *s)
{
    struct lg_err e = {0};
    size_t n = strlen(s);
    if (!lg_check_name("f", s, &e)) {
        check(n >= 1 && n <= 63 && only(s, isalnum, "-") && *s != '-' && s[n - 1] != '-');
        for (const char *p = s; *p; p++)
            check(!isupper((unsigned char)*p));
    }
    if (!lg_check_username("f", s, &e))
        check(n >= 1 && n <= 64 && only(s, isalnum, "._-@+"));
    if (!lg_check_title("f", s, &e))
        for (const char *p = s; *p; p++)
            check(!iscntrl((unsigned char)*p));
    if (!lg_check_image_ref("f", s, &e))
        check(n <= 255 && only(s, isalnum, "._-/:@") && !strstr(s, "..") && isalnum((unsigned char)*s));
    if (!lg_check_env("f", s, &e)) {
        const char *eq = strchr(s, '=');
        check(eq && eq > s && !isdigit((unsigned char)*s));
        for (const char *p = s; p < eq; p++)
            check(isalnum((unsigned char)*p) || *p == '_');
    }
    struct lg_port port;
    if (!lg_parse_port("f", s, &port, &e))
        check(port.host_port >= 1 && port.host_port <= 65535 && port.instance_port >= 1 &&
              port.instance_port <= 65535 &&
              (!strcmp(port.protocol, "tcp") || !strcmp(port.protocol, "udp")));
    check(e.code == LG_INVALID || e.code == 0);
}

static void labels(char *s)
{
    struct lg_err e = {0};
    char *value = strchr(s, '=');
    if (!value)
        return;
    *value++ = 0;
    if (!lg_check_label("f", s, value, &e))
        check(*s && strlen(s) <= 63 && only(s, isalnum, "._-/") && strncmp(s, "lodge.", 6) &&
              strlen(value) <= 256);
    value[-1] = '=';
}

static void as_json(const char *s, size_t n)
{
    struct lg_buf b = {.max = 1 << 20};
    struct lg_json j;
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_strn(&j, "text", s, n);
    lg_json_end_obj(&j);
    json_t *o = json_loadb(lg_buf_cstr(&b), b.len, JSON_ALLOW_NUL, NULL);
    check(o && json_is_string(json_object_get(o, "text")));
    json_decref(o);
    lg_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lg_err e = {0};
    char *s = malloc(n + 1);
    memcpy(s, p, n);
    s[n] = 0;
    names(s);
    labels(s);
    as_json(s, n);
    json_t *o = lg_json_parse(s, n, 16, &e);
    json_decref(o);
    struct lg_net net;
    if (!lg_net_of(s, "0123456789abcdef", p && n ? p[0] : 0, &net, &e))
        check(strlen(net.bridge) < 16);
    free(s);
    return 0;
}
