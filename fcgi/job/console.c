/*
 * Serial consoles for several at once. A machine's line has one opener, so the first viewer's child becomes
 * its keeper: it holds the line, remembers what was said last, and gives every viewer a connection of its
 * own through a socket that only this user can reach. It ends when the line does, or a while after the last
 * viewer has left.
 */
#include "job/console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define VIEWERS_MAX  16
#define SCROLL_BYTES 65536  /* what a viewer that comes later is shown first */
#define OWED_MAX     262144 /* bytes a slow viewer may be behind before it is let go */
#define INPUT_MAX    65536  /* bytes the machine may be behind before viewers are not read */
#define LINGER_MS    20000  /* a viewer that comes back finds its scroll-back */
#define SCROLL_LINES 400
#define LOCK_TRIES   100 /* of 50 ms: another child opens the line just now */

struct viewer {
    int fd; /* -1: free */
    struct lg_buf owed;
};

struct keeper {
    int line, listener;
    struct viewer viewer[VIEWERS_MAX];
    int viewers;
    struct lg_buf scroll, input;
    int64_t alone_at; /* when the last one left */
};

static void drop(struct keeper *k, struct viewer *v)
{
    lg_fd_close(&v->fd);
    lg_buf_done(&v->owed);
    k->viewers--;
    k->alone_at = lg_clock_mono();
}

/* What cannot be written now is owed. */
static void say(struct keeper *k, struct viewer *v, const char *p, size_t n)
{
    if (!v->owed.len) {
        ssize_t sent = send(v->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
            drop(k, v);
            return;
        }
        p += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    lg_buf_add(&v->owed, p, n);
    if (v->owed.failed)
        drop(k, v);
}

static void pay(struct keeper *k, struct viewer *v)
{
    ssize_t sent = send(v->fd, v->owed.data, v->owed.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        lg_buf_drop(&v->owed, (size_t)sent);
    else if (errno != EAGAIN && errno != EINTR)
        drop(k, v);
}

static void remember(struct keeper *k, const char *p, size_t n)
{
    if (k->scroll.len + n > 2 * SCROLL_BYTES)
        lg_buf_drop(&k->scroll, k->scroll.len - SCROLL_BYTES);
    lg_buf_add(&k->scroll, p, n);
}

/* False when the line has ended. */
static bool hear(struct keeper *k)
{
    char bytes[16384];
    ssize_t n = read(k->line, bytes, sizeof bytes);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    remember(k, bytes, (size_t)n);
    for (int i = 0; i < VIEWERS_MAX; i++)
        if (k->viewer[i].fd >= 0)
            say(k, &k->viewer[i], bytes, (size_t)n);
    return true;
}

static void take_input(struct keeper *k, struct viewer *v)
{
    char bytes[4096];
    ssize_t n = recv(v->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        lg_buf_add(&k->input, bytes, (size_t)n);
    else if (!n || (errno != EAGAIN && errno != EINTR))
        drop(k, v);
}

static bool type_in(struct keeper *k)
{
    ssize_t n = write(k->line, k->input.data, k->input.len);
    if (n > 0)
        lg_buf_drop(&k->input, (size_t)n);
    return n > 0 || errno == EAGAIN || errno == EINTR;
}

static void add_viewer(struct keeper *k, int fd)
{
    struct viewer *v = k->viewer;
    while (v < k->viewer + VIEWERS_MAX && v->fd >= 0)
        v++;
    if (v == k->viewer + VIEWERS_MAX) { /* the stream ends at once: too many look on already */
        close(fd);
        return;
    }
    *v = (struct viewer){.fd = fd, .owed = {.max = OWED_MAX + 2 * SCROLL_BYTES}};
    k->viewers++;
    size_t n = k->scroll.len > SCROLL_BYTES ? SCROLL_BYTES : k->scroll.len;
    if (n)
        say(k, v, k->scroll.data + k->scroll.len - n, n);
}

static int patience(const struct keeper *k)
{
    if (k->viewers)
        return -1;
    int64_t left = k->alone_at + LINGER_MS - lg_clock_mono();
    return left > 0 ? (int)left : 0;
}

/* One turn; false at the end. */
static bool turn(struct keeper *k)
{
    struct pollfd f[2 + VIEWERS_MAX] = {{k->line, POLLIN, 0}, {k->listener, POLLIN, 0}};
    f[0].events |= k->input.len ? POLLOUT : 0;
    for (int i = 0; i < VIEWERS_MAX; i++) {
        f[2 + i] = (struct pollfd){k->viewer[i].fd, k->input.len > INPUT_MAX ? 0 : POLLIN, 0};
        f[2 + i].events |= k->viewer[i].owed.len ? POLLOUT : 0;
    }
    int n = poll(f, 2 + VIEWERS_MAX, patience(k));
    if (!n && !k->viewers)
        return false;
    if (n > 0 && f[0].revents & (POLLIN | POLLHUP | POLLERR) && !hear(k))
        return false;
    if (n > 0 && f[0].revents & POLLOUT && !type_in(k))
        return false;
    for (int i = 0; n > 0 && i < VIEWERS_MAX; i++) {
        struct viewer *v = &k->viewer[i];
        if (v->fd >= 0 && v->fd == f[2 + i].fd && f[2 + i].revents & POLLOUT)
            pay(k, v);
        if (v->fd >= 0 && v->fd == f[2 + i].fd && f[2 + i].revents & (POLLIN | POLLHUP | POLLERR))
            take_input(k, v);
    }
    if (n > 0 && f[1].revents & POLLIN) {
        int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            add_viewer(k, fd);
    }
    return true;
}

/* ---- who keeps the line ---- */

/* One byte of a file for each machine: nothing is left behind, and nobody waits for another machine's. */
static int take_lock(const struct lg_runner *r, const char *id, struct lg_err *e)
{
    char path[PATH_MAX];
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    lg_conf_path(r->conf, path, sizeof path, "consoles");
    if (mkdir(path, 0700) && errno != EEXIST)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", path);
    lg_conf_path(r->conf, path, sizeof path, "consoles/lock");
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot open the consoles' lock");
    for (const char *c = id; *c; c++)
        l.l_start = (l.l_start * 31 + *c) & 0x3fffffff;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (!fcntl(fd, F_OFD_SETLK, &l))
            return fd;
        lg_pause_ms(50);
    }
    close(fd);
    return lg_fail(e, LG_TIMEOUT, "the console is being opened by somebody else");
}

static void path_of(const struct lg_runner *r, const char *id, char *out, size_t cap)
{
    char rel[LG_ID_LEN + 32];
    snprintf(rel, sizeof rel, "consoles/%s.sock", id);
    lg_conf_path(r->conf, out, cap, rel);
}

static int connect_to_keeper(const struct lg_runner *r, const char *id, struct lg_err *e)
{
    char path[PATH_MAX];
    path_of(r, id, path, sizeof path);
    return lg_unix_connect(path, SOCK_STREAM, e);
}

/* The log has lost the line's carriage returns; a terminal needs them. */
static void recall_boot(struct keeper *k, const struct lg_console_ask *a)
{
    lg_cleanup_buf struct lg_buf log = {.max = SCROLL_BYTES};
    if (!a->d->log_tail || a->d->log_tail(a->g, a->id, SCROLL_LINES, &log, NULL))
        return;
    for (size_t i = 0; i < log.len; i++) {
        if (log.data[i] == '\n' && (!i || log.data[i - 1] != '\r'))
            lg_buf_char(&k->scroll, '\r');
        lg_buf_char(&k->scroll, log.data[i]);
    }
}

/* Opens the line and the socket others come to. The boot so far is the first of the scroll-back. */
static int open_line(struct keeper *k, const struct lg_runner *r, const struct lg_console_ask *a,
                     struct lg_err *e)
{
    char path[PATH_MAX];
    int rc = a->d->console_open(a->g, a->id, LG_CONSOLE_SERIAL, &k->line, e);
    if (rc)
        return rc;
    path_of(r, a->id, path, sizeof path);
    k->listener = lg_unix_listen(path, SOCK_STREAM | SOCK_NONBLOCK, 16, -1, e);
    if (k->listener < 0)
        return k->listener;
    if (lg_fd_nonblock(k->line, true))
        return lg_fail_errno(e, LG_INTERNAL, "cannot watch the console");
    recall_boot(k, a);
    return 0;
}

/* Somebody has come to the socket since. */
static bool knocked(const struct keeper *k)
{
    struct pollfd f = {k->listener, POLLIN, 0};
    return poll(&f, 1, 0) > 0;
}

static void keep(struct keeper *k, const struct lg_runner *r, const char *id)
{
    char path[PATH_MAX];
    k->alone_at = lg_clock_mono();
    path_of(r, id, path, sizeof path);
    for (;;) {
        bool alive;
        while ((alive = turn(k)) && !k->input.failed && !k->scroll.failed)
            ;
        alive = !k->viewers && !k->input.failed && !k->scroll.failed; /* it only was alone for too long */
        /* Under the lock the next one looks for a keeper, so none is looked for that is about to go. */
        lg_cleanup_fd int lock = take_lock(r, id, NULL);
        if (alive && lock >= 0 && knocked(k)) {
            k->alone_at = lg_clock_mono();
            continue;
        }
        if (lock >= 0)
            unlink(path);
        return;
    }
}

static int hand_over(int sock, int fd, struct lg_err *e)
{
    static const char ok[] = "{\"ok\":true}";
    return lg_send_fd(sock, ok, sizeof ok - 1, fd, e);
}

static int serial(const struct lg_runner *r, const struct lg_console_ask *a, int *sock, struct lg_err *e)
{
    struct keeper k = {
        .line = -1, .listener = -1, .scroll = {.max = 4 * SCROLL_BYTES}, .input = {.max = 4 * INPUT_MAX}};
    for (int i = 0; i < VIEWERS_MAX; i++)
        k.viewer[i].fd = -1;
    lg_cleanup_fd int lock = take_lock(r, a->id, e);
    if (lock < 0)
        return lock;
    int fd = connect_to_keeper(r, a->id, NULL), rc = 0;
    bool ours = fd < 0;
    if (ours && !(rc = open_line(&k, r, a, e)))
        fd = rc = connect_to_keeper(r, a->id, e);
    if (rc >= 0)
        rc = hand_over(*sock, fd, e);
    if (fd >= 0)
        close(fd);
    if (rc || !ours)
        return rc;
    lg_fd_close(sock);
    lg_fd_close(&lock);
    keep(&k, r, a->id);
    return 0;
}

int lg_console_serve(const struct lg_runner *r, const struct lg_console_ask *a, int *sock, struct lg_err *e)
{
    if (!a->d->console_open)
        return lg_fail(e, LG_UNSUPPORTED, "%s has no consoles", a->d->backend);
    if (a->kind == LG_CONSOLE_SERIAL)
        return serial(r, a, sock, e);
    lg_cleanup_fd int fd = -1;
    int rc = a->d->console_open(a->g, a->id, LG_CONSOLE_VNC, &fd, e);
    return rc ? rc : hand_over(*sock, fd, e);
}
