#include "model/service.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_LEN    128
#define ADDRESS_MAX_LEN 255

static const char *const statuses[LG_SERVICE_STATUSES] = {[LG_SERVICE_STARTING] = "Starting",
                                                          [LG_SERVICE_HEALTHY] = "Healthy",
                                                          [LG_SERVICE_UNHEALTHY] = "Unhealthy",
                                                          [LG_SERVICE_STOPPING] = "Stopping"};

const char *lg_service_status_name(enum lg_service_status s)
{
    return (unsigned)s < LG_SERVICE_STATUSES ? statuses[s] : "Unhealthy";
}

int lg_service_status_of(const char *name)
{
    for (int i = 0; i < LG_SERVICE_STATUSES; i++)
        if (!strcmp(name, statuses[i]))
            return i;
    return -1;
}

/* 1…max bytes, letters, digits and what is in `also`, the first one a letter, a digit or in `first`. */
static bool plain(const char *s, size_t max, const char *also, const char *first)
{
    size_t n = strlen(s);
    if (!n || n > max || !(isalnum((unsigned char)*s) || strchr(first, *s)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr(also, s[i]))
            return false;
    return true;
}

int lg_check_service_name(const char *field, const char *s, struct lg_err *e)
{
    if (plain(s, NAME_MAX_LEN, "._-:", ""))
        return 0;
    lg_fail(e, LG_INVALID, "%s must be 1 to %d letters, digits or . _ - :, the first a letter or digit",
            field, NAME_MAX_LEN);
    return lg_err_detail(e, "field", "%s", field);
}

int lg_check_service_address(const char *field, const char *s, struct lg_err *e)
{
    if (plain(s, ADDRESS_MAX_LEN, "._-:[]%/", "[:"))
        return 0;
    lg_fail(e, LG_INVALID, "%s must be a host name or an IP address", field);
    return lg_err_detail(e, "field", "%s", field);
}

bool lg_service_name_reserved(const char *name)
{
    static const char *const own[] = {"container-api", "repl-api", "service-registry"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (!strcmp(name, own[i]))
            return true;
    return !strncmp(name, "lodge-", 6) || !strcmp(name, "lodge");
}
