/* How much room a tree takes on its file system. */
#ifndef LG_DRIVER_WALK_H
#define LG_DRIVER_WALK_H

#include <signal.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Bytes allocated to everything below `path` on that one file system; a file of several names counts once as
 * long as all of them are in the tree. The tree is a tenant's and may change meanwhile: no link is followed,
 * no name is used twice, any depth. LG_NOT_FOUND: there is no such folder; LG_CANCELLED: `cancel` was set.
 */
int lg_walk_bytes(const char *path, const volatile sig_atomic_t *cancel, int64_t *bytes, struct lg_err *e);

/* Bytes of files that a process still holds open but no folder names any more, on the file system its root is
 * on. Each counts once for all calls with the same `seen`. */
#define LG_WALK_UNLINKED_MAX 1024
struct lg_unlinked {
    uint64_t inode[LG_WALK_UNLINKED_MAX];
    int count;
    int64_t bytes;
};
void lg_walk_unlinked(int64_t pid, struct lg_unlinked *seen);

#endif
