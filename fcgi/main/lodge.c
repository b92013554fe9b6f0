/* The command line: `lodge <command> …`. What runs and looks after Lodge itself is here and in up/, the rest
 * in cli/. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "up/up.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    const char *help;
} commands[] = {
    {"up", lg_up, "prepare everything and run Lodge in the foreground"},
    {"prepare", lg_prepare, "make folders, keys, certificate and nginx's configuration, start nothing"},
    {"vm-engine", lg_vm_engine_run, "become the private libvirtd; for service managers"},
    {"vm-image", lg_vm_image_run, "build the host's own image of a virtual machine; for service managers"},
    {"engine", lg_engine_run, "become the private container engine; for service managers"},
    {"backup", lg_backup, "write database, keys, settings and certificate into one file"},
    {"restore", lg_restore, "bring back what a backup holds; Lodge must be stopped"},
    {"doctor", lg_doctor, "look whether everything is as it should be, and say the cure"},
};

static int usage(FILE *to)
{
    fprintf(to, "usage: lodge <command> …\n       lodge <noun> help\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  %-37s %s\n", commands[i].name, commands[i].help);
    lg_cli_help(to, NULL);
    return to == stdout ? 0 : LG_EXIT_USAGE;
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
    return lg_cli(argc - 1, argv + 1);
}
