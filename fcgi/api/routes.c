#include "api/routes.h"

#include <stddef.h>

const struct lg_route *const lg_tables_api[] = {
    lg_routes_session, lg_routes_tokens, lg_routes_users, lg_routes_tenants, lg_routes_audit, NULL,
};

const struct lg_route *const lg_tables_auth[] = {lg_routes_auth, NULL};

const struct lg_route *const lg_tables_route[] = {NULL};
