/* Every table of routes, and which pool serves it. A resource's file defines its array; only here are they
 * listed. */
#ifndef LG_API_ROUTES_H
#define LG_API_ROUTES_H

#include "http/handoff.h"
#include "http/route.h"

/* session.c: what hashes a password, 64 MiB a try */
extern const struct lg_route lg_routes_auth[];
extern const struct lg_route lg_routes_session[];
extern const struct lg_route lg_routes_tokens[];
extern const struct lg_route lg_routes_users[];
extern const struct lg_route lg_routes_tenants[];
extern const struct lg_route lg_routes_quota[];
extern const struct lg_route lg_routes_audit[];
extern const struct lg_route lg_routes_instances[];
extern const struct lg_route lg_routes_verbs[]; /* instance_verbs.c */
extern const struct lg_route lg_routes_usage[];
extern const struct lg_route lg_routes_console[]; /* console.c */
extern const struct lg_route lg_routes_operations[];
extern const struct lg_route lg_routes_images[];
extern const struct lg_route lg_routes_ingress[];
extern const struct lg_route lg_routes_events[];
extern const struct lg_route lg_routes_registry[];
extern const struct lg_route lg_routes_containers[];
extern const struct lg_route lg_routes_health[];
extern const struct lg_route lg_routes_metrics[];
extern const struct lg_route lg_routes_openapi[];
extern const struct lg_route lg_routes_cluster[];
extern const struct lg_route lg_routes_tenant[]; /* tenant.c: paths shared with the native API */
extern const struct lg_route
    lg_routes_tenant_own[]; /* tenant_services.c: paths of the tenant dialect alone */
extern const struct lg_route lg_routes_tenant_health[];
extern const struct lg_route lg_routes_flavors[];
extern const struct lg_route lg_routes_cloud[];
extern const struct lg_route lg_routes_ssh_keys[]; /* cloud_keys.c */
extern const struct lg_route lg_routes_repl[];
extern const struct lg_route lg_routes_networks[];
extern const struct lg_route lg_routes_tenant_network[];
extern const struct lg_route lg_routes_volumes[];
extern const struct lg_route lg_routes_tenant_storage[]; /* tenant_storage.c: paths of that dialect alone */
extern const struct lg_route lg_routes_app[];            /* app.c: what nginx asks the route pool */
/* operations.c: what /render shows */
extern const struct lg_view_entry lg_views_compute[];
lg_view lg_view_container_deleted; /* containers.c */
lg_view lg_view_tenant;            /* tenant.c */
lg_view lg_view_network;
lg_view lg_view_volume, lg_view_volume_created; /* volumes.c */
lg_view lg_view_tenant_volume;                  /* tenant_storage.c */
lg_view lg_view_cloud, lg_view_cloud_created;   /* cloud.c */

/* Ended by NULL. */
extern const struct lg_route *const lg_tables_api[];
extern const struct lg_route *const lg_tables_tenant[];
extern const struct lg_route *const lg_tables_gateway[];
extern const struct lg_route *const lg_tables_repl[];
extern const struct lg_route *const lg_tables_auth[];
extern const struct lg_route *const lg_tables_route[];

#endif
