/* A WebSocket to the server, over a connection of its own that curl makes: what is typed goes out while what
 * is said comes in. Whoever has it polls `fd` and then takes. */
#ifndef LG_CLI_WS_H
#define LG_CLI_WS_H

#include "cli/client.h"

#define LG_WS_OUT_MAX ((size_t)4096) /* bytes of a message that is sent */

enum lg_ws_op { LG_WS_OP_TEXT = 1, LG_WS_OP_BINARY = 2, LG_WS_OP_CLOSE = 8, LG_WS_OP_PING, LG_WS_OP_PONG };

struct lg_ws {
    struct lg_client k; /* with a handle of its own: curl keeps a connection that is not its to use */
    int fd;
    struct lg_buf in; /* what has arrived and is no whole message yet */
    int code;         /* of the close; 0: none came */
    char reason[128];
};

/* To a path as of lg_client_begin. Says what is wrong and returns the exit code. */
int lg_ws_open(struct lg_ws *w, const struct lg_client *k, const char *path);
void lg_ws_done(struct lg_ws *w);
bool lg_ws_send(struct lg_ws *w, enum lg_ws_op op, const void *p, size_t n);
/* Reads what has arrived. False: the connection has ended. */
bool lg_ws_receive(struct lg_ws *w);
/* Hands on the whole messages of it. False when it is over: it was closed, or broke off, or `fn` had enough.
 */
bool lg_ws_take(struct lg_ws *w, bool (*fn)(void *arg, enum lg_ws_op op, const char *p, size_t n), void *arg);

#endif
