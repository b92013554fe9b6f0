/* The command line: `lodge <command> …`. One row a command; the work is in cli/ and up/. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "up/up.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    const char *help;
} commands[] = {
    {"up", lg_up, "prepare everything and run Lodge in the foreground"},
    {"prepare", lg_prepare, "make folders, keys, certificate and nginx's configuration, start nothing"},
};

static int usage(FILE *to)
{
    fprintf(to, "usage: lodge <command> …\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].help);
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    lg_log_init("lodge", LG_INFO);
    if (argc < 2)
        return usage(stderr);
    if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return usage(stdout);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(commands[i].name, argv[1]))
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "lodge: unknown command %s\n", argv[1]);
    return usage(stderr);
}
