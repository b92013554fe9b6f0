/* On the fake: what only virtual machines can (sleep, wake, reset, consoles, a picture), and terminals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "driver/fake/life.h"
#include "driver/fake/verbs.h"

static int save(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    return lg_fake_save(g, "inst", lg_json_text(o, "id"), o, e);
}

static bool up(const json_t *o)
{
    return lg_fake_int(o, "run") == LG_RUN_RUNNING || lg_fake_int(o, "run") == LG_RUN_PAUSED;
}

static int not_running(struct lg_err *e)
{
    return lg_fail(e, LG_STATE, "the virtual machine does not run");
}

static int suspend(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    if (lg_fake_int(o, "run") == LG_RUN_ASLEEP)
        return 0;
    if (!up(o))
        return not_running(e);
    lg_fake_end(g, o, 0, false, lg_clock_ms());
    lg_fake_set(o, "run", LG_RUN_ASLEEP);
    return save(g, o, e);
}

static int wake(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    if (up(o))
        return 0;
    if (lg_fake_int(o, "run") != LG_RUN_ASLEEP)
        return lg_fail(e, LG_STATE, "the virtual machine does not sleep");
    lg_fake_begin(g, o);
    return save(g, o, e);
}

static int reset(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    if (!up(o))
        return not_running(e);
    lg_fake_begin(g, o);
    return save(g, o, e);
}

static int need_up(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    (void)g;
    return up(o) ? 0 : not_running(e);
}

static json_t *devices_of(const struct lg_inst_spec *s)
{
    json_t *a = json_array();
    for (int i = 0; i < s->volume_count; i++)
        if (s->volumes[i].block)
            json_array_append_new(a, json_string(s->volumes[i].id));
    for (int i = 0; i < s->nic_count; i++)
        json_array_append_new(a, json_string(s->nics[i].mac));
    return a;
}

int lg_fake_devices(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "devices", e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    lg_cleanup_json json_t *o = lg_fake_load(g, "inst", s->id);
    if (!o)
        return lg_fail(e, LG_NOT_FOUND, "the fake engine has no such instance");
    if (up(o)) {
        json_object_set_new(o, "devices", devices_of(s));
        rc = save(g, o, e);
    }
    return lg_fake_after(g, "devices", rc, e);
}

int lg_fake_disk_size(struct lg_engine *g, const struct lg_inst_spec *s, int64_t *bytes, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "disk_size", e);
    lg_cleanup_json json_t *o = rc ? NULL : lg_fake_load(g, "inst", s->id);
    if (!rc && !o)
        rc = lg_fail(e, LG_NOT_FOUND, "the fake engine has no such instance");
    *bytes = o ? lg_fake_int(o, "disk_bytes") : 0;
    return lg_fake_after(g, "disk_size", rc, e);
}

int lg_fake_suspend(struct lg_engine *g, const char *id, struct lg_err *e)
{
    return lg_fake_verb(g, "suspend", id, suspend, e);
}

int lg_fake_wake(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e)
{
    return lg_fake_verb(g, "wake", spec->id, wake, e);
}

int lg_fake_reset(struct lg_engine *g, const char *id, struct lg_err *e)
{
    return lg_fake_verb(g, "reset", id, reset, e);
}

/* The far end of a console: a process of its own that says `hello` and then echoes until the near end goes.
 */
static void far_end(int fd, const char *hello)
{
    char tmp[4096];
    signal(SIGPIPE, SIG_IGN);
    close_range(3, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0U, 0);
    if (write(fd, hello, strlen(hello)) < 0)
        _exit(0);
    for (ssize_t n; (n = read(fd, tmp, sizeof tmp)) > 0;)
        if (write(fd, tmp, (size_t)n) != n)
            break;
    _exit(0);
}

static int begin_far_end(const char *hello, int *fd, struct lg_err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket pair");
    pid_t pid = fork();
    if (!pid) { /* a grandchild, so that nobody need wait for it */
        if (fork())
            _exit(0);
        far_end(pair[1], hello);
    }
    close(pair[1]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *fd = pair[0];
    return 0;
}

int lg_fake_console_open(struct lg_engine *g, const char *id, enum lg_console kind, int *fd, struct lg_err *e)
{
    static const char *const hello[] = {
        [LG_CONSOLE_SERIAL] = "fake serial console\r\nlogin: ", [LG_CONSOLE_VNC] = "RFB 003.008\n"};
    int rc = lg_fake_verb(g, "console_open", id, need_up, e);
    return rc ? rc : begin_far_end(hello[kind], fd, e);
}

/* A container's terminal says what it was to run, then echoes. Its name is a file that holds its size. */
int lg_fake_exec_open(struct lg_engine *g, const char *id, const char *const *argv, int *fd,
                      char ref[LG_REF_LEN], struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf hello = {.max = 4096};
    int rc = lg_fake_verb(g, "exec_open", id, need_up, e);
    if (rc)
        return rc;
    for (; *argv; argv++)
        lg_buf_fmt(&hello, "%s ", *argv);
    lg_buf_str(&hello, "\r\n# ");
    lg_id_new(ref);
    lg_cleanup_json json_t *o = json_pack("{s:s, s:i, s:i}", "id", id, "columns", 0, "rows", 0);
    rc = lg_fake_save(g, "exec", ref, o, e);
    return rc ? rc : begin_far_end(lg_buf_cstr(&hello), fd, e);
}

int lg_fake_exec_size(struct lg_engine *g, const char *ref, int columns, int rows, struct lg_err *e)
{
    lg_cleanup_json json_t *o = lg_fake_load(g, "exec", ref);
    if (!o)
        return lg_fail(e, LG_NOT_FOUND, "the fake engine has no such terminal");
    lg_fake_set(o, "columns", columns);
    lg_fake_set(o, "rows", rows);
    return lg_fake_save(g, "exec", ref, o, e);
}

int lg_fake_exec_end(struct lg_engine *g, const char *ref)
{
    lg_fake_delete(g, "exec", ref);
    return 0;
}

int lg_fake_screenshot(struct lg_engine *g, const char *id, struct lg_buf *out, char mime[32],
                       struct lg_err *e)
{
    /* One grey pixel. */
    static const unsigned char png[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0,    0,    0,    0x0d, 0x49, 0x48, 0x44, 0x52, 0,
        0,    0,    1,    0,    0,    0,    1,    8,    0,    0,    0,    0,    0x3a, 0x7e, 0x9b, 0x55, 0,
        0,    0,    0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0,    0,    0,    0x82, 0,    0x81,
        0x77, 0xcd, 0x72, 0xb6, 0,    0,    0,    0,    0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    int rc = lg_fake_verb(g, "screenshot", id, need_up, e);
    if (rc)
        return rc;
    snprintf(mime, 32, "image/png");
    lg_buf_add(out, png, sizeof png);
    return out->failed ? lg_fail(e, LG_TOO_LARGE, "the picture does not fit") : 0;
}
