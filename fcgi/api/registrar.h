/*
 * A process of lodge-api that keeps the registry true: it ends leases within a second of their time, whether
 * anybody asks or not, and registers Lodge's own processes and engines for as long as they really are there.
 */
#ifndef LG_API_REGISTRAR_H
#define LG_API_REGISTRAR_H

#include "http/server.h"

/* Runs until SIGTERM; no doorbell. Returns the exit code. */
int lg_registrar_run(struct lg_app *app, int bell_fd);

#endif
