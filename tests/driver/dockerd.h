/* A Docker daemon of the tests' own, with its own containerd: below one folder, on one socket; the host's
 * firewall is not touched. */
#ifndef LG_TEST_DRIVER_DOCKERD_H
#define LG_TEST_DRIVER_DOCKERD_H

#include <stdbool.h>
#include <sys/types.h>

struct dockerd {
    pid_t containerd, daemon;
    char dir[64]; /* given by the caller; all of it lies in there, the socket as docker.sock */
};

bool dockerd_installed(void);
void dockerd_start(struct dockerd *d);  /* both; asserts that they begin, not yet that they answer */
void dockerd_revive(struct dockerd *d); /* the daemon alone, once it was killed */
void dockerd_kill(struct dockerd *d);   /* the daemon alone, as kill -9 does; containers live on */
void dockerd_stop(struct dockerd *d);   /* both, and what they mounted */

#endif
