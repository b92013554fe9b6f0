/*
 * A terminal in a container for one viewer. The child that opened it stays between the two: lodge-stream's
 * frames become the terminal's bytes and sizes, the terminal's bytes go up in frames, and how its program
 * ended is the last of them. It ends what runs there when its viewer leaves.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "job/console.h"
#include "job/reconcile.h"
#include "model/terminal.h"

#define OWED_MAX   65536 /* bytes one side may owe before the other is not read */
#define SIZE_TRIES 20    /* of 50 ms: an engine that has just begun it does not know it yet */

struct terminal {
    const struct lg_console_ask *ask;
    int viewer, tty;
    char ref[LG_REF_LEN];
    struct lg_buf frames, to_tty, to_viewer;
};

/* ---- what survives this process ---- */

#define NOTES "run/terminals"

static char *note_path(const struct lg_conf *c, char out[PATH_MAX], const char *backend, const char *ref)
{
    char rel[sizeof NOTES + 32 + LG_REF_LEN];
    snprintf(rel, sizeof rel, NOTES "/%.16s-%.*s", backend, LG_REF_LEN - 1, ref);
    return lg_conf_path(c, out, PATH_MAX, rel);
}

/* The engine goes on with a terminal whose child was killed: the file stays, its lock does not. */
static int note(const struct lg_conf *c, const char *backend, const char *ref)
{
    char path[PATH_MAX], made[PATH_MAX], rel[64];
    mkdir(lg_conf_path(c, path, sizeof path, "run"), 0755);
    mkdir(lg_conf_path(c, path, sizeof path, NOTES), 0700);
    snprintf(rel, sizeof rel, NOTES "/.%d", (int)getpid()); /* seen once it is locked */
    int fd = open(lg_conf_path(c, made, sizeof made, rel), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) || rename(made, note_path(c, path, backend, ref))))
        unlink(made);
    return fd;
}

/* `name`: "<backend>-<ref>". */
static void end_orphan(struct lg_rec *rec, int dir, const char *name)
{
    const struct lg_driver *d;
    struct lg_engine *g;
    char backend[16] = "";
    const char *dash = strchr(name, '-');
    if (!dash || (size_t)(dash - name) >= sizeof backend)
        return;
    memcpy(backend, name, (size_t)(dash - name));
    if (lg_rec_engine(rec, backend, &d, &g, NULL))
        return;
    lg_cleanup_fd int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
        return;
    if (d->exec_end)
        d->exec_end(g, dash + 1);
    unlinkat(dir, name, 0);
}

void lg_terminals_keep(struct lg_rec *rec)
{
    char path[PATH_MAX];
    DIR *d = opendir(lg_conf_path(rec->r->conf, path, sizeof path, NOTES));
    for (const struct dirent *f; d && (f = readdir(d));)
        if (*f->d_name != '.')
            end_orphan(rec, dirfd(d), f->d_name);
    if (d)
        closedir(d);
}

/* ---- one terminal ---- */

static void size(struct terminal *t, int columns, int rows, int tries)
{
    struct lg_err e = {0};
    while (columns > 0 && rows > 0 && t->ask->d->exec_size(t->ask->g, t->ref, columns, rows, &e) &&
           --tries > 0)
        lg_pause_ms(50);
}

/* Whole frames of lodge-stream's; false when it speaks nonsense. */
static bool take_frames(struct terminal *t)
{
    while (t->frames.len >= LG_FRAME_HEAD) {
        const unsigned char *p = (const unsigned char *)t->frames.data;
        size_t n = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];
        if (n > LG_TERMINAL_PAYLOAD || p[1] || p[2] || p[3])
            return false;
        if (t->frames.len < LG_FRAME_HEAD + n)
            return true;
        const unsigned char *body = p + LG_FRAME_HEAD;
        if (p[0] == LG_TERMINAL_INPUT)
            lg_buf_add(&t->to_tty, body, n);
        else if (p[0] == LG_TERMINAL_SIZE && n == 4)
            size(t, body[0] << 8 | body[1], body[2] << 8 | body[3], 1);
        else
            return false;
        lg_buf_drop(&t->frames, LG_FRAME_HEAD + n);
    }
    return true;
}

/* Bytes from one side, the terminal's in a frame; false at its end. */
static bool hear(int fd, struct lg_buf *into, bool framed)
{
    char bytes[16384];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0 && framed)
        lg_frame_add(into, LG_TERMINAL_OUTPUT, bytes, (size_t)n);
    else if (n > 0)
        lg_buf_add(into, bytes, (size_t)n);
    return (n > 0 && !into->failed) || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool say(int fd, struct lg_buf *owed)
{
    ssize_t n = owed->len ? send(fd, owed->data, owed->len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (n > 0)
        lg_buf_drop(owed, (size_t)n);
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* Waits for something and does it; false when one side has gone. */
static bool turn(struct terminal *t)
{
    bool full = t->to_viewer.len >= OWED_MAX; /* then its end is not looked at either */
    struct pollfd f[2] = {{t->viewer, 0, 0}, {full && !t->to_tty.len ? -1 : t->tty, 0, 0}};
    f[0].events = (short)((t->to_tty.len < OWED_MAX ? POLLIN : 0) | (t->to_viewer.len ? POLLOUT : 0));
    f[1].events = (short)((full ? 0 : POLLIN) | (t->to_tty.len ? POLLOUT : 0));
    if (poll(f, 2, -1) < 0)
        return errno == EINTR;
    if (f[0].revents & (POLLIN | POLLHUP | POLLERR) &&
        (!hear(t->viewer, &t->frames, false) || !take_frames(t)))
        return false;
    if (f[1].revents & (POLLIN | POLLHUP | POLLERR) && !full && !hear(t->tty, &t->to_viewer, true))
        return false;
    return say(t->viewer, &t->to_viewer) && say(t->tty, &t->to_tty);
}

/* What the program said last still reaches its viewer. */
static void last_words(struct terminal *t)
{
    while (t->to_viewer.len && say(t->viewer, &t->to_viewer)) {
        struct pollfd f = {t->viewer, POLLOUT, 0};
        if (t->to_viewer.len && poll(&f, 1, 5000) <= 0)
            break;
    }
}

/* Ends it, and tells its viewer, if there still is one, how it ended. */
static void end(struct terminal *t)
{
    int code = t->ask->d->exec_end(t->ask->g, t->ref);
    const unsigned char bytes[4] = {0, 0, 0, (unsigned char)code};
    if (code < 0 || t->viewer < 0)
        return;
    lg_frame_add(&t->to_viewer, LG_TERMINAL_EXIT, bytes, sizeof bytes);
    last_words(t);
}

static int open_both(struct terminal *t, const struct lg_console_ask *a, int sock, struct lg_err *e)
{
    static const char ok[] = "{\"ok\":true}";
    int pair[2], rc = a->d->exec_open(a->g, a->id, a->command, &t->tty, t->ref, e);
    if (rc)
        return rc;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket pair");
    t->viewer = pair[1];
    size(t, a->columns, a->rows, SIZE_TRIES);
    rc = lg_send_fd(sock, ok, sizeof ok - 1, pair[0], e);
    close(pair[0]);
    return rc;
}

int lg_exec_serve(const struct lg_runner *r, const struct lg_console_ask *a, int *sock, struct lg_err *e)
{
    char path[PATH_MAX];
    lg_cleanup_fd int noted = -1;
    struct terminal t = {.ask = a,
                         .viewer = -1,
                         .tty = -1,
                         .frames = {.max = 4 * OWED_MAX},
                         .to_tty = {.max = 4 * OWED_MAX},
                         .to_viewer = {.max = 4 * OWED_MAX}};
    if (!a->d->exec_open)
        return lg_fail(e, LG_UNSUPPORTED, "%s has no terminals", a->d->backend);
    int rc = open_both(&t, a, *sock, e);
    if (*t.ref)
        noted = note(r->conf, a->d->backend, t.ref);
    if (!rc) {
        lg_fd_close(sock);
        while (turn(&t))
            ;
        last_words(&t);
    }
    lg_fd_close(&t.tty);
    if (*t.ref) {
        end(&t);
        unlink(note_path(r->conf, path, a->d->backend, t.ref));
    }
    lg_fd_close(&t.viewer);
    return rc;
}
