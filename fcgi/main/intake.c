/* lodge-intake: what strangers bring is read here, see intake/wire.h. Started by lodge-runner alone. */
#include <stdio.h>
#include <string.h>

#include "intake/intake.h"

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "kind"))
        return lg_intake_kind();
    if (argc == 4 && !strcmp(argv[1], "rewrite"))
        return lg_intake_rewrite(argv[2], argv[3]);
    if (argc == 2 && !strcmp(argv[1], "fetch"))
        return lg_intake_fetch();
    fputs("lodge-runner starts this program; there is nothing to call by hand\n", stderr);
    return 2;
}
