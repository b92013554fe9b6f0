/* lodge-api: the FastCGI pools. */
#include <stddef.h>

#include "api/feeder.h"
#include "api/registrar.h"
#include "api/routes.h"
#include "http/server.h"

int main(void)
{
    static const struct lg_pool pools[] = {
        {.name = "api",
         .workers_at = offsetof(struct lg_conf, api_workers),
         .tables = lg_tables_api,
         .tenant_tables = lg_tables_tenant,
         .gateway_tables = lg_tables_gateway,
         .repl_tables = lg_tables_repl,
         .views = lg_views_compute},
        {.name = "auth", .workers_at = offsetof(struct lg_conf, auth_workers), .tables = lg_tables_auth},
        {.name = "route", .workers_at = offsetof(struct lg_conf, route_workers), .tables = lg_tables_route},
        {.name = "feeder", .run = lg_feeder_run, .bell = "feeder.bell"},
        {.name = "registrar", .run = lg_registrar_run},
        {.name = NULL},
    };
    return lg_serve(pools);
}
