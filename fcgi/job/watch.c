/* One process per driver that waits for engine events and passes the ids on to the driver's reconciler.
 * Events are hints; losing some is harmless. */
#include "base/log.h"
#include "job/job.h"

#define BACKOFF_MAX_MS 5000
#define SWEEP          "*" /* no instance id: the reconciler looks at everything */

struct watched {
    const struct lg_runner *r;
    int driver;
};

static int pass_on(void *arg, const char *instance_id, const char *what)
{
    const struct watched *w = arg;
    (void)what;
    lg_hint(w->r, w->driver, instance_id);
    return 0;
}

void lg_watch_main(const struct lg_runner *r, int driver_index)
{
    const struct lg_driver *d = r->driver[driver_index];
    struct watched w = {r, driver_index};
    static struct lg_engines engines;
    lg_engines_init(&engines, r, NULL);
    for (int ms = 100;; ms = ms < BACKOFF_MAX_MS ? ms * 2 : BACKOFF_MAX_MS) {
        struct lg_err e = {0};
        struct lg_engine *g;
        int rc = lg_engines_get(&engines, d->backend, &d, &g, &e);
        if (!rc && !(rc = d->probe(g, NULL, &e))) {
            lg_hint(r, driver_index, SWEEP); /* what happened while nobody watched */
            rc = d->watch(g, pass_on, &w, &e);
            ms = 100;
        }
        lg_log(LG_DEBUG, "the engine's events ended", "backend", d->backend, "error", e.msg, NULL);
        lg_pause_ms(ms);
    }
}
