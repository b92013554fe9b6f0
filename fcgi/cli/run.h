/* What run.c and repl.c share: code that runs in a sandbox, as its stream tells of it. */
#ifndef LG_CLI_RUN_H
#define LG_CLI_RUN_H

#include "cli/cli.h"

/* All of a file; says what is wrong and returns the exit code. */
int lg_run_read(FILE *f, const char *name, struct lg_buf *out);
/* An output message, without its first `skip` bytes. */
void lg_run_print(const json_t *output, size_t skip);
/* Prints what the run says, to its end, over lost connections; *done is how it ended, owned. */
int lg_run_listen(struct lg_cli *c, const char *run, json_t **done);
/* The program's own exit code; what ended it otherwise is said and is 1. */
int lg_run_settle(const struct lg_cli *c, const json_t *done);

#endif
