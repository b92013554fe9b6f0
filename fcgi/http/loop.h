/* One worker: accepts requests on a listening socket until SIGTERM. Private to fcgi/http. */
#ifndef LG_HTTP_LOOP_H
#define LG_HTTP_LOOP_H

#include <signal.h>

#include "http/server.h"

/* Serves until *stop; `unblocked` is the signal mask of the waits. Returns the exit code. */
int lg_loop(struct lg_app *app, const struct lg_pool *pool, int listen_fd, const volatile sig_atomic_t *stop,
            const sigset_t *unblocked);

/* One request that is at hand, outside of the loop and of any connection: for tests. */
void lg_loop_one(struct lg_app *app, const struct lg_pool *pool, FCGX_Request *fr);

#endif
