/* nginx's configuration, rendered from share_dir/nginx into $LODGE_STATE/nginx. */
#ifndef LG_UP_NGINX_H
#define LG_UP_NGINX_H

#include <stdbool.h>

#include "base/conf.h"
#include "base/err.h"

/*
 * Renders all templates. `as_root`: nginx's workers become conf->run_user. LG_INVALID when a setting cannot
 * stand in a configuration file. Idempotent.
 */
int lg_nginx_render(const struct lg_conf *c, bool as_root, struct lg_err *e);

/* ":8443", or "" for the port that https has by itself. */
const char *lg_port_suffix(const struct lg_conf *c);

#endif
