/* A machine's consoles: the serial one, with its log, and the screen. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "driver/kvm/files.h"
#include "driver/kvm/vm.h"

#define LOG_KEEP   ((off_t)1 << 20) /* of a console's output, at the least */
#define LOG_MAX    ((off_t)2 << 20)
#define LOG_BLOCK  4096
#define CHUNK      16384
#define FRAME_HEAD 8
#define LOOK_MS    100
#define ALIVE_MS   1000

/* ---- the log: appended to by QEMU or libvirt; its beginning is given back to the disk when it has grown
 * ---- */

static int open_log(const struct lg_engine *g, const char *id, int flags)
{
    char path[PATH_MAX];
    return open(lg_vm_path(g, id, "console.log", path), flags | O_CLOEXEC | O_NOFOLLOW);
}

void lg_vm_log_cap(const struct lg_engine *g, const char *id)
{
    lg_cleanup_fd int fd = open_log(g, id, O_RDWR);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) || (off_t)st.st_blocks * 512 < LOG_MAX || st.st_size <= LOG_KEEP)
        return;
    off_t cut = (st.st_size - LOG_KEEP) / LOG_BLOCK * LOG_BLOCK;
    (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, cut);
}

/* Where what is kept begins. */
static off_t log_start(int fd)
{
    off_t at = lseek(fd, 0, SEEK_DATA);
    return at < 0 ? 0 : at;
}

/* Where the last `lines` lines begin. */
static off_t tail_start(int fd, off_t end, int lines)
{
    off_t least = log_start(fd), at = end;
    char tmp[CHUNK];
    if (lines == 0)
        return end;
    for (int seen = 0; at > least;) {
        off_t from = at - CHUNK > least ? at - CHUNK : least;
        ssize_t n = pread(fd, tmp, (size_t)(at - from), from);
        if (n <= 0)
            break;
        for (ssize_t i = n - 1; i >= 0; i--)
            if (tmp[i] == '\n' && from + i + 1 < end && ++seen == lines)
                return from + i + 1;
        at = from;
    }
    return least;
}

static int absent(struct lg_engine *g, const char *id, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    return lg_vm_need(g, id, &d, e);
}

int lg_vm_log_tail(struct lg_engine *g, const char *id, int lines, struct lg_buf *out, struct lg_err *e)
{
    int rc = absent(g, id, e);
    lg_cleanup_fd int fd = rc ? -1 : open_log(g, id, O_RDONLY);
    if (rc || fd < 0)
        return rc; /* it has never started */
    char tmp[CHUNK];
    size_t max = out->max ? out->max : LG_BUF_DEFAULT_MAX;
    off_t end = lseek(fd, 0, SEEK_END), at = tail_start(fd, end, lines);
    if (end - at > (off_t)max - 1)
        at = end - (off_t)max + 1;
    for (ssize_t n; (n = pread(fd, tmp, sizeof tmp, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++)
            if (tmp[i] != '\r' && tmp[i])
                lg_buf_char(out, tmp[i]);
    return out->failed ? lg_fail(e, LG_INTERNAL, "no memory for the log") : 0;
}

/* Writes all of it to a reader that may be slow or gone; false when it is gone or it was cancelled. */
static bool send_all(const struct lg_engine *g, int fd, const char *p, size_t n)
{
    while (n) {
        struct pollfd f = {fd, POLLOUT, 0};
        if (lg_vm_cancelled(g) || (poll(&f, 1, LOOK_MS) < 0 && errno != EINTR))
            return false;
        if (!(f.revents & (POLLOUT | POLLERR | POLLHUP)))
            continue;
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (done > 0)
            p += done, n -= (size_t)done;
    }
    return true;
}

/* Everything from *at to the end, as frames. */
static bool send_rest(const struct lg_engine *g, int log, off_t *at, int fd)
{
    char frame[FRAME_HEAD + CHUNK] = {1};
    for (ssize_t n; (n = pread(log, frame + FRAME_HEAD, CHUNK, *at)) > 0; *at += n) {
        for (int i = 0; i < 4; i++)
            frame[4 + i] = (char)(n >> (24 - 8 * i) & 255);
        if (!send_all(g, fd, frame, FRAME_HEAD + (size_t)n))
            return false;
    }
    return true;
}

static bool reader_gone(int fd)
{
    struct pollfd f = {fd, POLLRDHUP, 0};
    return poll(&f, 1, 0) > 0 && f.revents & (POLLHUP | POLLERR | POLLRDHUP | POLLNVAL);
}

static bool runs(struct lg_engine *g, const char *id)
{
    struct lg_inst_status st;
    struct lg_err e = {0};
    int rc = lg_vm_inspect(g, id, &st, &e);
    return rc || st.run == LG_RUN_RUNNING || st.run == LG_RUN_PAUSED; /* unknown: better wait */
}

/* Follows the file; a start makes a new one, which is where another follower begins. */
static int follow_log(struct lg_engine *g, const char *id, int log, off_t at, int fd, struct lg_err *e)
{
    for (int64_t look_at = 0;;) {
        bool on = true;
        if (lg_clock_mono() >= look_at) {
            on = runs(g, id);
            look_at = lg_clock_mono() + ALIVE_MS;
        }
        bool sent = send_rest(g, log, &at, fd);
        if (lg_vm_cancelled(g))
            return lg_fail(e, LG_CANCELLED, "cancelled while following the log");
        if (!sent || !on || reader_gone(fd))
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
}

/* The log has no times of its own, so since_ms leaves out a log that ended before it, and nothing else. */
int lg_vm_log_stream(struct lg_engine *g, const char *id, int tail, bool follow, int64_t since_ms, int fd,
                     struct lg_err *e)
{
    struct stat st;
    int rc = absent(g, id, e);
    lg_cleanup_fd int log = rc ? -1 : open_log(g, id, O_RDONLY);
    if (rc || log < 0)
        return rc;
    off_t end = lseek(log, 0, SEEK_END), at = tail < 0 ? log_start(log) : tail_start(log, end, tail);
    if (since_ms && !fstat(log, &st) && (int64_t)st.st_mtim.tv_sec * 1000 < since_ms)
        at = end;
    if (follow)
        return follow_log(g, id, log, at, fd, e);
    send_rest(g, log, &at, fd);
    return 0;
}

/* ---- consoles ---- */

static int running(struct lg_engine *g, const char *id, virDomainPtr *d, struct lg_err *e)
{
    int rc = g->test ? lg_fail(e, LG_UNSUPPORTED, "libvirt's test driver has no consoles")
                     : lg_vm_need(g, id, d, e);
    return !rc && virDomainIsActive(*d) != 1 ? lg_fail(e, LG_STATE, "the virtual machine does not run") : rc;
}

/* QEMU serves one at a time and lets the next wait without a word, so a lock tells who has it. It is the
 * handle's: a process that serves a console lives as long as that. */
static int lock_serial(struct lg_engine *g, const char *id, struct lg_err *e)
{
    char path[PATH_MAX];
    lg_fd_close(&g->console_lock);
    g->console_lock =
        open(lg_vm_path(g, id, "console.lock", path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (g->console_lock < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot open %s", path);
    if (!flock(g->console_lock, LOCK_EX | LOCK_NB))
        return 0;
    lg_fd_close(&g->console_lock);
    return lg_fail(e, LG_CONFLICT, "somebody else has the serial console");
}

static int open_serial(struct lg_engine *g, const char *id, int *fd, struct lg_err *e)
{
    char path[PATH_MAX];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int rc = lock_serial(g, id, e);
    if (rc)
        return rc;
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%.100s", lg_vm_console_path(g, id, path));
    if (s < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket");
    if (connect(s, (struct sockaddr *)&a, sizeof a)) {
        rc = errno == EAGAIN ? lg_fail(e, LG_CONFLICT, "somebody else has the serial console")
                             : lg_fail_errno(e, LG_BACKEND, "the serial console cannot be opened");
        close(s);
        return rc;
    }
    lg_fd_nonblock(s, false);
    *fd = s;
    return 0;
}

int lg_vm_console_open(struct lg_engine *g, const char *id, enum lg_console kind, int *fd, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = running(g, id, &d, e);
    if (rc || kind == LG_CONSOLE_SERIAL)
        return rc ? rc : open_serial(g, id, fd, e);
    *fd = virDomainOpenGraphicsFD(d, 0, VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH);
    return *fd < 0 ? lg_vm_fail(g, e, "the screen cannot be opened") : 0;
}

int lg_vm_screenshot(struct lg_engine *g, const char *id, struct lg_buf *out, char mime[32], struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    char tmp[CHUNK];
    int rc = running(g, id, &d, e);
    virStreamPtr s = rc ? NULL : virStreamNew(g->conn, 0);
    if (rc)
        return rc;
    char *type = s ? virDomainScreenshot(d, s, 0, 0) : NULL;
    if (!type) {
        rc = lg_vm_fail(g, e, "no picture of the screen");
        if (s)
            virStreamFree(s);
        return rc;
    }
    snprintf(mime, 32, "%s", type);
    free(type);
    int n = 0;
    while (!out->failed && (n = virStreamRecv(s, tmp, sizeof tmp)) > 0)
        lg_buf_add(out, tmp, (size_t)n);
    if (n < 0)
        rc = lg_vm_fail(g, e, "no picture of the screen");
    else if (out->failed)
        rc = lg_fail(e, LG_TOO_LARGE, "the picture of the screen is too large");
    if (rc)
        virStreamAbort(s);
    else
        virStreamFinish(s);
    virStreamFree(s);
    return rc;
}
