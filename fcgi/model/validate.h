/* Rules for everything a caller names. Each returns 0 or LG_INVALID with `details.field` set to `field`.
 * Pure. */
#ifndef LG_MODEL_VALIDATE_H
#define LG_MODEL_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LG_NAME_MAX      63
#define LG_ENV_MAX       200
#define LG_ENV_VALUE_MAX 32768
#define LG_LABELS_MAX    64
#define LG_PORTS_MAX     32
#define LG_COMMAND_MAX   256

int lg_check_name(const char *field, const char *s,
                  struct lg_err *e); /* DNS label: instances, hosts, tenants */
int lg_check_username(const char *field, const char *s,
                      struct lg_err *e); /* 1–64 of letters, digits . _ - @ + */
int lg_check_password(const char *field, const char *s, struct lg_err *e); /* 10–256 bytes */
int lg_check_title(const char *field, const char *s, struct lg_err *e);    /* 1–100 printable characters */
int lg_check_image_ref(const char *field, const char *s,
                       struct lg_err *e); /* registry/path:tag or @sha256:… */
int lg_check_env(const char *field, const char *kv,
                 struct lg_err *e); /* NAME=value, NAME [A-Za-z_][A-Za-z0-9_]* */
int lg_check_label(const char *field, const char *key, const char *value, struct lg_err *e);

struct lg_port {
    int host_port, instance_port; /* 1–65535 */
    char protocol[4];             /* "tcp" or "udp" */
};
int lg_parse_port(const char *field, const char *s, struct lg_port *out,
                  struct lg_err *e);         /* "8080:80", "53:53/udp" */
bool lg_restart_policy_valid(const char *s); /* no always on-failure unless-stopped */

#endif
