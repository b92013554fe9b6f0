#include "api/routes.h"

#include <stddef.h>

const struct lg_route *const lg_tables_api[] = {
    lg_routes_instances,  lg_routes_verbs,
    lg_routes_operations, lg_routes_session,
    lg_routes_images,     lg_routes_ingress,
    lg_routes_events,     lg_routes_health,
    lg_routes_cluster,    lg_routes_tokens,
    lg_routes_users,      lg_routes_tenants,
    lg_routes_audit,      NULL,
};

const struct lg_route *const lg_tables_auth[] = {lg_routes_auth, NULL};

const struct lg_route *const lg_tables_route[] = {lg_routes_app, NULL};
