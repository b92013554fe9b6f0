/*
 * YAML 1.1 by libyaml, as far as JSON can say it: what people paste as cloud-init's meta-data. In lodge-api
 * alone, which has no rights to lose.
 */
#ifndef LG_API_YAML_H
#define LG_API_YAML_H

#include <jansson.h>

#include "base/err.h"

/*
 * One document that is a map, and may be JSON; the caller's to json_decref. No aliases, as a few lines of
 * them stand for gigabytes. NULL with LG_INVALID, which says the line and `field`.
 */
json_t *lg_yaml_map(const char *text, const char *field, struct lg_err *e);

#endif
