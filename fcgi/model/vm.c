#include "model/vm.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Members that only one type has; all others belong to both. */
static const struct {
    const char *member, *type, *why;
} members[] = {
    {"command", "container", "a virtual machine boots what is on its disk"},
    {"env", "container", "a virtual machine is told things by cloudInit"},
    {"secretEnv", "container", "a virtual machine is told things by cloudInit"},
    {"ports", "container", "a virtual machine is reached at its own address, or by ingress"},
    {"networkMode", "container", "a virtual machine has networkType and networkSource"},
    {"restartPolicy", "container", "a virtual machine that stops stays stopped"},
    {"diskFormat", "vm", "a container has no disk of its own"},
    {"networkType", "vm", "a container has networkMode"},
    {"networkSource", "vm", "a container is on its tenant's network"},
    {"cloudInit", "vm", "a container is told things by env"},
    {"sshKeys", "vm", "SSH into a container is its gateway's business"},
    {"firmware", "vm", "a container has none"},
    {"tpm", "vm", "a container has none"},
};

int lg_check_config_member(const char *member, const char *type, struct lg_err *e)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i].member, member) || !strcmp(members[i].type, type))
            continue;
        lg_fail(e, LG_INVALID, "config.%s is for a %s: %s", member, members[i].type, members[i].why);
        return lg_err_detail(e, "field", "config.%s", member);
    }
    return 0;
}

int lg_check_disk_format(const char *field, const char *s, struct lg_err *e)
{
    return !strcmp(s, "qcow2") || !strcmp(s, "raw") ? 0 : lg_invalid(e, field, "must be qcow2 or raw");
}

int lg_check_firmware(const char *field, const char *s, struct lg_err *e)
{
    return !strcmp(s, "bios") || !strcmp(s, "uefi") ? 0 : lg_invalid(e, field, "must be bios or uefi");
}

int lg_check_network_type(const char *field, const char *s, struct lg_err *e)
{
    return !strcmp(s, "bridge")
               ? 0
               : lg_invalid(e, field, "must be bridge: every tenant has a network of its own");
}

const char *lg_user_data_type(const char *s)
{
    static const struct {
        const char *start, *type;
    } types[] = {{"#cloud-config-archive", "text/cloud-config-archive"},
                 {"#cloud-config", "text/cloud-config"},
                 {"#!", "text/x-shellscript"},
                 {"#include-once", "text/x-include-once-url"},
                 {"#include", "text/x-include-url"},
                 {"#cloud-boothook", "text/cloud-boothook"},
                 {"## template: jinja", "text/jinja2"},
                 {"#part-handler", "text/part-handler"}};
    if (!strncasecmp(s, "Content-Type: multipart", 23) || !strncasecmp(s, "MIME-Version:", 13))
        return "multipart";
    s += strspn(s, " \t\r\n");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (!strncasecmp(s, types[i].start, strlen(types[i].start)))
            return types[i].type;
    return NULL;
}

int lg_check_user_data(const char *field, const char *s, struct lg_err *e)
{
    return lg_user_data_type(s)
               ? 0
               : lg_invalid(
                     e, field,
                     "must begin as cloud-init knows it: #cloud-config, #!, #include or a MIME multipart");
}

int lg_check_default_user(const char *field, const char *s, struct lg_err *e)
{
    size_t n = strlen(s);
    bool fine = n >= 1 && n <= LG_DEFAULT_USER_MAX && (islower((unsigned char)*s) || *s == '_');
    for (size_t i = 0; fine && i < n; i++)
        fine = islower((unsigned char)s[i]) || isdigit((unsigned char)s[i]) || s[i] == '_' || s[i] == '-';
    return fine ? 0
                : lg_invalid(e, field, "must be a login name: 1 to 32 of a-z, 0-9, _ and -, a letter first");
}

int lg_check_sha256(const char *field, const char *s, struct lg_err *e)
{
    size_t n = strspn(s, "0123456789abcdefABCDEF");
    return n == 64 && !s[n] ? 0 : lg_invalid(e, field, "must be 64 hexadecimal digits");
}

/* The host and the port: what stands between the scheme and the path. */
static bool authority_is_plain(const char *s, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
    for (size_t i = 0; i < n; i++)
        if (!strchr(allowed, s[i]))
            return false; /* '@' among them: no credentials */
    return n > 0;
}

int lg_check_url(const char *field, const char *s, bool plain, struct lg_err *e)
{
    const char *host = !strncasecmp(s, "https://", 8)           ? s + 8
                       : plain && !strncasecmp(s, "http://", 7) ? s + 7
                                                                : NULL;
    if (!host)
        return lg_invalid(e, field, "must be an https:// address");
    if (!authority_is_plain(host, strcspn(host, "/?#")))
        return lg_invalid(e, field, "must name a host, without user name and password");
    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (*p <= 0x20 || *p >= 0x7f || strchr("\"<>\\^`{|}#", *p))
            return lg_invalid(e, field, "must be an address without spaces, fragment and special characters");
    return 0;
}
