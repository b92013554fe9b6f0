/* The feeder: a process of lodge-api that tails the event table and feeds lodge-stream
 * (fcgi/stream/PROTOCOL.md). */
#ifndef LG_API_FEEDER_H
#define LG_API_FEEDER_H

#include "http/request.h"

/* Runs until SIGTERM; `bell_fd` is run/feeder.bell. Returns the exit code. */
int lg_feeder_run(struct lg_app *app, int bell_fd);

#endif
