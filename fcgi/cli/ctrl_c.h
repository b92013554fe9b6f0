/*
 * Ctrl-C while we read what the server says of something that runs there: it is the server's to end it, and
 * we go on reading how it ended. A process beside us speaks to the server, over a connection of its own.
 */
#ifndef LG_CLI_CTRL_C_H
#define LG_CLI_CTRL_C_H

#include <sys/types.h>

#include "cli/cli.h"

#define LG_CTRL_C_TWICE_MS 400 /* a press so soon after another is the same one */
#define LG_EXIT_SIGINT     130 /* as a shell says it of a program that SIGINT ended */

struct lg_ctrl_c {
    const char *method, *path; /* what a press of Ctrl-C asks of the server */
    const char *say;           /* NULL: nothing */
};

/* The first press does the first of them, and so on; one more ends us at once. Borrowed until the end. One
 * that was blocked until now counts, too. */
pid_t lg_ctrl_c_begin(struct lg_cli *c, const struct lg_ctrl_c *presses, int count);
/* SIGINT is as it was at the start of a program. How often it was pressed. */
int lg_ctrl_c_end(pid_t beside);

#endif
