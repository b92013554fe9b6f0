/* Descriptors: unix sockets, descriptor passing, doorbells. Everything made here is CLOEXEC. */
#ifndef LG_BASE_FD_H
#define LG_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

void lg_fd_close(int *fd); /* closes when >= 0, sets -1, keeps errno */
#define lg_cleanup_fd __attribute__((cleanup(lg_fd_close)))

int lg_fd_nonblock(int fd, bool on); /* 0 or -1 with errno */

/*
 * A listening unix socket at `path` (an old file there is replaced), mode 0660, group `gid` unless -1.
 * `type` is SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM (bound, not listening), with SOCK_NONBLOCK if wanted.
 * Where the service manager has made that socket already and handed it to us (sd_listen_fds(3)), it is that
 * one. Returns the descriptor (>= 0) or a negative code.
 */
int lg_unix_listen(const char *path, int type, int backlog, int gid, struct lg_err *e);
/* Connects; returns the descriptor or a negative code (LG_UNAVAILABLE when nobody listens). */
int lg_unix_connect(const char *path, int type, struct lg_err *e);

/* Sends `n` bytes and, when fd_to_pass >= 0, one descriptor. 0 or a negative code. The descriptor stays the
 * caller's. */
int lg_send_fd(int sock, const void *p, size_t n, int fd_to_pass, struct lg_err *e);
/* Receives one message; *passed gets its first descriptor or -1, now the caller's; any more are closed.
 * Returns bytes, 0 at end, -1 with errno. */
ssize_t lg_recv_fd(int sock, void *p, size_t cap, int *passed);

/*
 * Doorbells: an empty-handed "look at the database" between processes. Non-blocking and lossy by design: a
 * full queue means the other side is going to look anyway. `lg_bell_ring` never fails loudly.
 */
int lg_bell_open(const char *path, int gid,
                 struct lg_err *e); /* the receiver; returns a non-blocking descriptor */
void lg_bell_ring(const char *path);
void lg_bell_drain(int fd);

#endif
