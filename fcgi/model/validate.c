#include "model/validate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* True when s has min…max bytes, all of them out of `set`. */
static bool made_of(const char *s, size_t min, size_t max, const char *set)
{
    size_t n = strlen(s);
    return n >= min && n <= max && strspn(s, set) == n;
}

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

int lg_check_name(const char *field, const char *s, struct lg_err *e)
{
    size_t n = strlen(s);
    if (!made_of(s, 1, LG_NAME_MAX, LOWER DIGITS "-") || s[0] == '-' || s[n - 1] == '-')
        return lg_invalid(e, field, "must be 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends");
    return 0;
}

int lg_check_username(const char *field, const char *s, struct lg_err *e)
{
    if (!made_of(s, 1, 64, LOWER UPPER DIGITS "._-@+"))
        return lg_invalid(e, field, "must be 1 to 64 letters, digits or . _ - @ +");
    return 0;
}

int lg_check_password(const char *field, const char *s, struct lg_err *e)
{
    size_t n = strlen(s);
    return n < 10 || n > 256 ? lg_invalid(e, field, "must have 10 to 256 characters") : 0;
}

int lg_check_title(const char *field, const char *s, struct lg_err *e)
{
    size_t n = strlen(s);
    bool plain = n >= 1 && n <= 100;
    for (size_t i = 0; plain && i < n; i++)
        plain = (unsigned char)s[i] >= 0x20 && s[i] != 0x7f;
    return plain ? 0 : lg_invalid(e, field, "must have 1 to 100 printable characters");
}

int lg_check_image_ref(const char *field, const char *s, struct lg_err *e)
{
    if (!made_of(s, 1, 255, LOWER UPPER DIGITS "._-/:@") || !isalnum((unsigned char)s[0]) ||
        strstr(s, "..") || strstr(s, "//"))
        return lg_invalid(e, field,
                          "must be an image reference such as nginx:alpine or registry.example/app@sha256:…");
    return 0;
}

int lg_check_env(const char *field, const char *kv, struct lg_err *e)
{
    const char *eq = strchr(kv, '=');
    size_t n = eq ? (size_t)(eq - kv) : 0;
    if (!n || n > 128 || strspn(kv, LOWER UPPER DIGITS "_") != n || isdigit((unsigned char)kv[0]))
        return lg_invalid(e, field, "must be NAME=value, NAME of letters, digits and _");
    if (strlen(eq + 1) > LG_ENV_VALUE_MAX)
        return lg_invalid(e, field, "has a value longer than 32768 bytes");
    return 0;
}

int lg_check_label(const char *field, const char *key, const char *value, struct lg_err *e)
{
    if (!made_of(key, 1, 63, LOWER UPPER DIGITS "._-/") || !strncmp(key, "lodge.", 6))
        return lg_invalid(e, field,
                          "has a key that is not 1 to 63 letters, digits or . _ - / (lodge. is reserved)");
    if (strlen(value) > 256)
        return lg_invalid(e, field, "has a value longer than 256 bytes");
    return 0;
}

static bool port_number(const char *s, char **end, int *out)
{
    if (!isdigit((unsigned char)*s))
        return false;
    long v = strtol(s, end, 10);
    *out = (int)v;
    return v >= 1 && v <= 65535 && *end - s <= 5;
}

int lg_parse_port(const char *field, const char *s, struct lg_port *out, struct lg_err *e)
{
    char *end;
    bool ok = port_number(s, &end, &out->host_port) && *end == ':' &&
              port_number(end + 1, &end, &out->instance_port) &&
              (!*end || !strcmp(end, "/tcp") || !strcmp(end, "/udp"));
    if (!ok)
        return lg_invalid(e, field, "must be hostPort:instancePort, with /udp if wanted, each 1 to 65535");
    memcpy(out->protocol, *end ? end + 1 : "tcp", 4);
    return 0;
}

bool lg_restart_policy_valid(const char *s)
{
    static const char *const all[] = {"no", "always", "on-failure", "unless-stopped"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!strcmp(s, all[i]))
            return true;
    return false;
}
