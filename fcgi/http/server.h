/* The pre-forked pools. */
#ifndef LG_HTTP_SERVER_H
#define LG_HTTP_SERVER_H

#include "http/handoff.h"
#include "http/route.h"

struct lg_pool {
    const char *name;                     /* "api": socket run/<name>.sock */
    size_t workers_at;                    /* offsetof(struct lg_conf, api_workers): how many processes */
    const struct lg_route *const *tables; /* what it serves */
    /* What it serves to callers that speak the tenant dialect (NULL: the same), and on the gateway's
     * listeners (NULL: nothing). */
    const struct lg_route *const *tenant_tables, *const *gateway_tables;
    const struct lg_route *const *repl_tables; /* on the listeners of the REPL API; NULL: nothing */
    const struct lg_view_entry *views;         /* of /render; NULL: none */
    /* A pool without tables: one process that runs this until SIGTERM (the feeder). */
    int (*run)(struct lg_app *app, int bell_fd);
    const char *bell; /* with run: doorbell to open before privileges are dropped; NULL: none, bell_fd -1 */
};

/*
 * Opens the sockets, drops to conf.run_user, forks the workers, starts dead ones again (with back-off), ends
 * all on SIGTERM. `pools` ends with a NULL name. Returns the exit code of the process.
 */
int lg_serve(const struct lg_pool *pools);

#endif
