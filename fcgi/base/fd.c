#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void lg_fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd);
    *fd = -1;
    errno = saved;
}

int lg_fd_nonblock(int fd, bool on)
{
    int fl = fcntl(fd, F_GETFL);
    return fl < 0 ? -1 : fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK);
}

static int address(struct sockaddr_un *a, const char *path, struct lg_err *e)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a->sun_path)
        return lg_fail(e, LG_INVALID, "socket path is longer than %zu characters: %s", sizeof a->sun_path - 1,
                       path);
    memcpy(a->sun_path, path, strlen(path) + 1);
    return 0;
}

/*
 * The socket at `path` that the service manager made for us (sd_listen_fds(3): LISTEN_FDS descriptors from 3
 * on, meant for LISTEN_PID alone), recognised by its address; -1 when there is none.
 */
static int inherited(const struct sockaddr_un *want, int type)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != getpid())
        return -1;
    long n = strtol(count, NULL, 10);
    for (int fd = 3; fd < 3 + n; fd++) {
        struct sockaddr_un have = {0};
        int is = 0;
        socklen_t len = sizeof have, size = sizeof is;
        if (getsockname(fd, (struct sockaddr *)&have, &len) || have.sun_family != AF_UNIX ||
            strncmp(have.sun_path, want->sun_path, sizeof have.sun_path) != 0 ||
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &size) || is != (type & 0xf))
            continue;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) || lg_fd_nonblock(fd, (type & SOCK_NONBLOCK) != 0))
            return -1;
        return fd;
    }
    return -1;
}

int lg_unix_listen(const char *path, int type, int backlog, int gid, struct lg_err *e)
{
    struct sockaddr_un a;
    if (address(&a, path, e))
        return -(int)LG_INVALID;
    int given = inherited(&a, type);
    if (given >= 0)
        return given;
    lg_cleanup_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket");
    unlink(path);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || chmod(path, 0660) ||
        (gid >= 0 && chown(path, (uid_t)-1, (gid_t)gid)))
        return lg_fail_errno(e, LG_INTERNAL, "cannot bind %s", path);
    if ((type & 0xf) != SOCK_DGRAM && listen(fd, backlog))
        return lg_fail_errno(e, LG_INTERNAL, "cannot listen on %s", path);
    int out = fd;
    fd = -1;
    return out;
}

int lg_unix_connect(const char *path, int type, struct lg_err *e)
{
    struct sockaddr_un a;
    if (address(&a, path, e))
        return -(int)LG_INVALID;
    lg_cleanup_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket");
    if (connect(fd, (struct sockaddr *)&a, sizeof a))
        return lg_fail_errno(e, LG_UNAVAILABLE, "cannot connect to %s", path);
    int out = fd;
    fd = -1;
    return out;
}

int lg_send_fd(int sock, const void *p, size_t n, int fd_to_pass, struct lg_err *e)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_to_pass >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd_to_pass, sizeof(int));
    }
    ssize_t sent = sendmsg(sock, &m, MSG_NOSIGNAL);
    return sent == (ssize_t)n ? 0 : lg_fail_errno(e, LG_UNAVAILABLE, "cannot send a message");
}

ssize_t lg_recv_fd(int sock, void *p, size_t cap, int *passed)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = p, .iov_len = cap};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    *passed = -1;
    ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return n;
    /* Padding leaves room for a second one, and the kernel uses it: only the first is anybody's. */
    for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
        if (at)
            close(fd);
        else
            *passed = fd;
    }
    return n;
}

int lg_bell_open(const char *path, int gid, struct lg_err *e)
{
    return lg_unix_listen(path, SOCK_DGRAM | SOCK_NONBLOCK, 0, gid, e);
}

void lg_bell_ring(const char *path)
{
    static int fd = -1;
    static pid_t owner;
    struct sockaddr_un a;
    if (address(&a, path, NULL))
        return;
    if (fd < 0 || owner != getpid()) {
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        owner = getpid();
    }
    if (sendto(fd, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof a) < 0)
        return; /* nobody home, or already ringing: both are fine */
}

void lg_bell_drain(int fd)
{
    char sink[16];
    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
}
