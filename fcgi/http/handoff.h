/*
 * Handing a request on to lodge-stream: the worker answers X-Accel-Redirect with a signed context and is
 * free. Fields as in fcgi/stream/PROTOCOL.md. When a wait ends nginx asks /render, which opens the same
 * context again.
 */
#ifndef LG_HTTP_HANDOFF_H
#define LG_HTTP_HANDOFF_H

#include "http/request.h"

struct lg_handoff {
    const char *k;             /* "wait", "events", "logs", "console" */
    const char *proto;         /* "ws", "sse", "text" */
    const char *op;            /* wait */
    int64_t until;             /* wait: epoch ms */
    const char *view, *id;     /* wait: what /render shows: "instance" or "operation" … and its id */
    int64_t after;             /* events: -1 only new ones */
    const char *scope, *kinds; /* events */
    const char *format;        /* events: "cloud", or "" for the native form */
    const char *subject;       /* events: only those about what has this name; "" all */
    const char *instance;      /* logs, console */
    const char *type;          /* console: "vnc", "serial" or "exec" */
    const char *command;       /* of exec: a JSON array of words; "" the shell */
    int64_t columns, rows;     /* of exec */
    bool read_only;            /* console */
    const char *run;           /* run: its id in the sandbox pool */
    bool again;                /* run: from its beginning, in the place of whoever listens now */
    int64_t tail, since;
    bool follow;
    const char *idem; /* wait: the Idempotency-Key the answer is kept for */
};

/* Fills the answer. NULL strings are written as "". */
int lg_handoff(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e);

/* "ws" when the request asks for a WebSocket (checks Origin when by cookie: LG_FORBIDDEN), "sse" when Accept
 * says text/event-stream, else "text". */
int lg_handoff_proto(const struct lg_req *q, const char **proto, struct lg_err *e);

/* In /render: opens LODGE_CONTEXT (LG_FORBIDDEN when forged or a minute past `until`). Sets q->who from it.
 * The strings of `h` live as long as q->json. */
int lg_handoff_open(struct lg_req *q, struct lg_handoff *h, struct lg_err *e);

/* A view: renders the stored result of h->op as what h->view names. Runs in a read transaction. */
typedef int lg_view(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e);
struct lg_view_entry {
    const char *name;
    lg_view *fn;
    enum lg_dialect dialect; /* as a route's */
};

#endif
