/* What a registered service says of itself, and which words are allowed for it. Pure. */
#ifndef LG_MODEL_SERVICE_H
#define LG_MODEL_SERVICE_H

#include <stdbool.h>

#include "base/err.h"

enum lg_service_status {
    LG_SERVICE_STARTING,
    LG_SERVICE_HEALTHY,
    LG_SERVICE_UNHEALTHY,
    LG_SERVICE_STOPPING,
    LG_SERVICE_STATUSES
};

const char *lg_service_status_name(enum lg_service_status s); /* "Healthy" */
int lg_service_status_of(const char *name);                   /* -1: no such word */

/* Names and ids: 1–128 letters, digits or . _ - :, the first a letter or digit. LG_INVALID. */
int lg_check_service_name(const char *field, const char *s, struct lg_err *e);
/* A host name, an IP address, or either with a scheme before it; 1–255 bytes. LG_INVALID. */
int lg_check_service_address(const char *field, const char *s, struct lg_err *e);

/* Names under which only Lodge itself registers. */
bool lg_service_name_reserved(const char *name);

#endif
