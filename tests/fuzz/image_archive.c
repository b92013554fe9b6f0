// sources: fcgi/intake/archive.c fcgi/base/*.c
// libs: -ljansson -lsodium -larchive -lm
/* An uploaded image archive, by the functions of lodge-intake that look at it and write it anew. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "intake/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int null = -1;
    if (null < 0) {
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
    }
    int fd = memfd_create("archive", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || dup2(fd, STDIN_FILENO) < 0)
        return 0;
    close(fd);
    lg_intake_kind();
    lg_intake_rewrite("docker", "lodge/fuzz:1"); /* it holds whatever the kind was found to be */
    lg_intake_rewrite("oci", "lodge/fuzz:1");
    return 0;
}
