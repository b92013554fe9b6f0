/*
 * A program on a terminal of its own in a running container. The engine ends it with the container, but not
 * with the connection: whoever opened it ends it (exec_end), by the pid that the engine tells.
 */
#include "driver/container/exec.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/container/attach.h"
#include "driver/container/client.h"
#include "driver/container/instance.h"

#define SETTLE_MS    50
#define SETTLE_TRIES 40
#define HANG_UP_MS   1500 /* a shell ends on SIGHUP well within this; what does not is killed */

static void strings(struct lg_json *j, const char *key, const char *const *list)
{
    lg_json_arr(j, key);
    for (; *list; list++)
        lg_json_str(j, NULL, *list);
    lg_json_end_arr(j);
}

static void describe(struct lg_buf *out, const char *const *argv)
{
    static const char *const env[] = {"TERM=xterm-256color", NULL};
    static const char *const yes[] = {"AttachStdin", "AttachStdout", "AttachStderr", "Tty"};
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        lg_json_bool(&j, yes[i], true);
    strings(&j, "Env", env);
    strings(&j, "Cmd", argv);
    lg_json_end_obj(&j);
}

/* Made, not begun. */
static int make(struct lg_engine *g, const char *id, const char *const *argv, char ref[LG_REF_LEN],
                struct lg_err *e)
{
    char name[LG_CT_NAME_LEN];
    lg_cleanup_buf struct lg_buf body = {0}, reply = {.max = 65536};
    int rc = lg_ct_name(id, name, e);
    if (rc)
        return rc;
    describe(&body, argv);
    int status = lg_callf(g, &reply, e, "POST", lg_buf_cstr(&body), "/containers/%s/exec", name);
    if (status < 0)
        return status;
    if (status >= 400) {
        rc = lg_call_fail(status, &reply, "no terminal can be opened", e);
        if (status != 409)
            return rc;
        struct lg_err why = *e;
        return lg_fail(e, LG_STATE, "%s", why.msg);
    }
    lg_cleanup_json json_t *o = lg_call_json(&reply, e);
    const char *made = lg_json_text(o, "Id");
    if (!*made || strlen(made) >= LG_REF_LEN || strspn(made, "0123456789abcdef") != strlen(made))
        return lg_fail(e, LG_BACKEND, "the container engine named no terminal");
    memcpy(ref, made, strlen(made) + 1);
    return 0;
}

int lg_ct_exec_size(struct lg_engine *g, const char *ref, int columns, int rows, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {.max = 65536};
    int status = lg_callf(g, &reply, e, "POST", NULL, "/exec/%s/resize?h=%d&w=%d", ref, rows, columns);
    return status < 400 ? (status < 0 ? status : 0)
                        : lg_call_fail(status, &reply, "the terminal does not take its size", e);
}

int lg_ct_exec_open(struct lg_engine *g, const char *id, const char *const *argv, int *fd,
                    char ref[LG_REF_LEN], struct lg_err *e)
{
    char path[LG_REF_LEN + 16];
    int rc = make(g, id, argv, ref, e);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "/exec/%s/start", ref);
    rc = lg_ct_hijack(g, path, "{\"Detach\":false,\"Tty\":true}", "the terminal cannot be opened", e);
    if (rc < 0)
        return rc;
    *fd = rc;
    return 0;
}

/* Its first process on the host while it runs, else 0 and how it ended; -1: that is not known. */
static pid_t pid_of(struct lg_engine *g, const char *ref, int *code)
{
    lg_cleanup_buf struct lg_buf reply = {.max = 65536};
    *code = -1;
    if (lg_callf(g, &reply, NULL, "GET", NULL, "/exec/%s/json", ref) != 200)
        return 0;
    lg_cleanup_json json_t *o = lg_call_json(&reply, NULL);
    int64_t pid = lg_member_int(o, "Pid");
    if (json_is_true(json_object_get(o, "Running")))
        return pid > 1 ? (pid_t)pid : 0;
    if (json_is_integer(json_object_get(o, "ExitCode")))
        *code = (int)(lg_member_int(o, "ExitCode") & 255);
    return 0;
}

/* Hangs it up. */
static void end_program(struct lg_engine *g, const char *ref)
{
    int code;
    pid_t pid = pid_of(g, ref, &code);
    lg_cleanup_fd int fd = pid ? pidfd_open(pid, 0) : -1;
    if (fd < 0 ||
        pid_of(g, ref, &code) != pid) /* still that one: its number was not given to another meanwhile */
        return;
    struct pollfd ended = {fd, POLLIN, 0};
    pidfd_send_signal(fd, SIGHUP, NULL, 0);
    pidfd_send_signal(fd, SIGCONT, NULL, 0);
    if (poll(&ended, 1, HANG_UP_MS) <= 0)
        pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

/* Is it the monitor whose command line names this terminal? */
static bool watches(const char *pid, const char *ref)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%.16s/cmdline", pid);
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *program = strrchr(text, '/');
    return !strcmp(program ? program + 1 : text, "conmon") && memmem(text, (size_t)n, ref, strlen(ref));
}

/* Podman's monitor of a terminal would wait five minutes for somebody who asks how it ended. */
static void end_monitor(const char *ref)
{
    DIR *d = opendir("/proc");
    for (const struct dirent *f; d && (f = readdir(d));) {
        if (*f->d_name < '1' || *f->d_name > '9' || !watches(f->d_name, ref))
            continue;
        lg_cleanup_fd int fd = pidfd_open((pid_t)atoi(f->d_name), 0);
        if (fd >= 0 && watches(f->d_name, ref))
            pidfd_send_signal(fd, SIGKILL, NULL, 0);
    }
    if (d)
        closedir(d);
}

int lg_ct_exec_end(struct lg_engine *g, const char *ref)
{
    int code;
    end_program(g, ref);
    for (int i = 0; i < SETTLE_TRIES && pid_of(g, ref, &code); i++) /* its monitor has to note how it ended */
        poll(NULL, 0, SETTLE_MS);
    end_monitor(ref);
    return code;
}
