/* driver/sandbox.h on a container engine. Also what the kernel alone knows of a sandbox. */
#include "driver/container/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "driver/container/attach.h"
#include "driver/container/once.h"
#include "driver/container/usage.h"

static void body(const struct lg_engine *g, const struct lg_sandbox_spec *s, struct lg_buf *out)
{
    static const char *const init[] = {LG_SANDBOX_INIT, NULL}, *const nothing[] = {NULL};
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/box", "LANG=C.UTF-8",
                                      "TMPDIR=/tmp", NULL};
    char box[96];
    struct lg_json j;
    snprintf(box, sizeof box, "size=%" PRId64 ",mode=1777,nosuid,nodev,exec", s->disk_bytes);
    const struct lg_once_spec once = {
        .place = s->place,
        .image = s->image,
        .hostname = "sandbox",
        .label = LG_LABEL_SANDBOX,
        .uid = s->uid,
        .memory_bytes = s->memory_bytes,
        .cpu_millis = s->cpu_millis,
        .pids = s->pids,
        .nproc = 256,
        .places = {{"/box", box},
                   {"/tmp", "size=16m,mode=1777,nosuid,nodev,exec"},
                   {"/run", "size=64k,mode=755,nosuid,nodev,noexec"},
                   {"/var/tmp", "size=64k,mode=755,nosuid,nodev,noexec"}},
    };
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "WorkingDir", "/box");
    lg_json_strings(&j, "Entrypoint", init);
    lg_json_strings(&j, "Cmd", nothing);
    lg_json_strings(&j, "Env", env);
    lg_json_bool(&j, "OpenStdin", true);
    lg_json_bool(&j, "StdinOnce", true);
    lg_json_bool(&j, "AttachStdin", true);
    lg_once_write(g, &j, &once);
    lg_json_end_obj(&j);
}

/* ---- the first process ---- */

/* The number may have been given to somebody else since: the cgroup tells. */
static int take_process(struct lg_engine *g, const char *name, struct lg_sandbox *out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "GET", NULL, "/containers/%s/json", name);
    if (status != 200)
        return status < 0 ? status : lg_call_fail(status, &reply, "a sandbox cannot be looked at", e);
    lg_cleanup_json json_t *o = lg_call_json(&reply, e);
    if (!o)
        return -(int)LG_BACKEND;
    int64_t pid = lg_member_int(json_object_get(o, "State"), "Pid");
    out->pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
    if (out->pidfd < 0 || !lg_ct_sandbox_cgroups(pid, lg_json_text(o, "Id"), out))
        return lg_fail(e, LG_BACKEND, "a sandbox ended as soon as it had started");
    return 0;
}

static int start(struct lg_engine *g, const char *name, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "POST", "", "/containers/%s/start", name);
    return status < 0 || status < 400 ? (status < 0 ? status : 0)
                                      : lg_call_fail(status, &reply, "a sandbox does not start", e);
}

static int sandbox_make(struct lg_engine *g, const struct lg_sandbox_spec *s, struct lg_sandbox *out,
                        struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf text = {0}, reply = {0};
    *out = (struct lg_sandbox){.stream = -1, .pidfd = -1};
    int rc = lg_once_ready(g, s->place, e);
    if (rc)
        return rc;
    body(g, s, &text);
    int status = lg_callf(g, &reply, e, "POST", lg_buf_cstr(&text), "/containers/create?name=%s", s->name);
    if (status < 0 || status >= 400)
        return status < 0 ? status : lg_call_fail(status, &reply, "a sandbox cannot be made", e);
    rc = out->stream = lg_ct_attach(g, s->name, true, e);
    rc = rc < 0 ? rc : start(g, s->name, e);
    rc = rc < 0 ? rc : take_process(g, s->name, out, e);
    if (rc < 0) {
        lg_fd_close(&out->stream);
        lg_fd_close(&out->pidfd);
        lg_once_remove(g, s->name, NULL);
        return rc;
    }
    return 0;
}

static int sandbox_sweep(struct lg_engine *g, int *removed, struct lg_err *e)
{
    return lg_once_sweep(g, LG_LABEL_SANDBOX, removed, e);
}

const struct lg_sandbox_ops lg_ct_sandbox_ops = {
    .make = sandbox_make, .remove = lg_once_remove, .sweep = sandbox_sweep};
