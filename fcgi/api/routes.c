#include "api/routes.h"

#include <stddef.h>

/* One a line: each resource adds its own. */
/* clang-format off */
#define NATIVE \
    lg_routes_instances, \
    lg_routes_verbs, \
    lg_routes_console, \
    lg_routes_usage, \
    lg_routes_operations, \
    lg_routes_session, \
    lg_routes_images, \
    lg_routes_ingress, \
    lg_routes_events, \
    lg_routes_health, \
    lg_routes_cluster, \
    lg_routes_tokens, \
    lg_routes_users, \
    lg_routes_tenants, \
    lg_routes_quota, \
    lg_routes_flavors, \
    lg_routes_audit, \
    lg_routes_networks, \
    lg_routes_tenant_network, \
    lg_routes_volumes, \
    lg_routes_tenant_storage, \
    lg_routes_tenant_own, \
    lg_routes_metrics, \
    lg_routes_openapi, \
    lg_routes_cloud, \
    lg_routes_ssh_keys, \
    lg_routes_registry, \
    lg_routes_repl, \
    lg_routes_containers
/* clang-format on */

const struct lg_route *const lg_tables_api[] = {NATIVE, NULL};

/* The first match counts: what the dialect lacks is answered as natively. */
const struct lg_route *const lg_tables_tenant[] = {lg_routes_tenant, NATIVE, NULL};

/* Nothing else, least of all what is about users. */
const struct lg_route *const lg_tables_gateway[] = {lg_routes_tenant,         lg_routes_tenant_storage,
                                                    lg_routes_tenant_network, lg_routes_tenant_own,
                                                    lg_routes_tenant_health,  NULL};

const struct lg_route *const lg_tables_repl[] = {lg_routes_registry, lg_routes_repl, lg_routes_containers,
                                                 lg_routes_tenant_health, NULL};

const struct lg_route *const lg_tables_auth[] = {lg_routes_auth, NULL};

const struct lg_route *const lg_tables_route[] = {lg_routes_app, NULL};
