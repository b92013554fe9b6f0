/* A container's attached stream, by a plain socket: libcurl cannot give one away. */
#ifndef LG_DRIVER_ATTACH_H
#define LG_DRIVER_ATTACH_H

#include "driver/container/client.h"

/* A descriptor, the caller's, that yields frames as of the engine's log and, with `input`, takes what goes to
 * its standard input. Before or after its start. Negative on failure. */
int lg_ct_attach(struct lg_engine *g, const char *name, bool input, struct lg_err *e);

/* A request whose answer is the bare connection: a POST of `path` with the JSON `body` ("": none). A
 * descriptor, the caller's; `what` begins the sentence of a refusal. Negative on failure. */
int lg_ct_hijack(struct lg_engine *g, const char *path, const char *body, const char *what, struct lg_err *e);

#endif
