/* Consoles of virtual machines and terminals in containers, for the stream server's children. Private to
 * fcgi/job. */
#ifndef LG_JOB_CONSOLE_H
#define LG_JOB_CONSOLE_H

#include "job/job.h"

struct lg_console_ask {
    const struct lg_driver *d;
    struct lg_engine *g;
    const char *id; /* of the instance */
    enum lg_console kind;
    const char *const *command; /* of a terminal, NULL-terminated; NULL: this is a console */
    int columns, rows;          /* of a terminal */
};

/* Answers on *sock with the console's descriptor. May keep this process as the keeper of a serial line, for
 * as long as somebody looks on; *sock is closed before that. A failure was not told to the other side yet. */
int lg_console_serve(const struct lg_runner *r, const struct lg_console_ask *a, int *sock, struct lg_err *e);

/* exec.c: the same for a terminal. Returns when it has ended or its viewer is gone. While it lasts a locked
 * file in run/terminals stands for it. */
int lg_exec_serve(const struct lg_runner *r, const struct lg_console_ask *a, int *sock, struct lg_err *e);

#endif
