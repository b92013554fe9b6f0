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

static void strings(struct lg_json *j, const char *key, const char *const *list)
{
    lg_json_arr(j, key);
    for (; *list; list++)
        lg_json_str(j, NULL, *list);
    lg_json_end_arr(j);
}

static void ulimit(struct lg_json *j, const char *name, int64_t value)
{
    lg_json_obj(j, NULL);
    lg_json_str(j, "Name", name);
    lg_json_int(j, "Soft", value);
    lg_json_int(j, "Hard", value); /* equal: Podman swaps unequal ones */
    lg_json_end_obj(j);
}

/* Everything writable has a size. Podman adds large ones of its own on a read-only root unless they are
 * named. */
static void mounts(struct lg_json *j, const struct lg_sandbox_spec *s)
{
    char box[96];
    snprintf(box, sizeof box, "size=%" PRId64 ",mode=1777,nosuid,nodev,exec", s->disk_bytes);
    lg_json_obj(j, "Tmpfs");
    lg_json_str(j, "/box", box);
    lg_json_str(j, "/tmp", "size=16m,mode=1777,nosuid,nodev,exec");
    lg_json_str(j, "/run", "size=64k,mode=755,nosuid,nodev,noexec");
    lg_json_str(j, "/var/tmp", "size=64k,mode=755,nosuid,nodev,noexec");
    lg_json_end_obj(j);
    lg_json_int(j, "ShmSize", 8 << 20);
}

static void host_config(struct lg_json *j, const struct lg_sandbox_spec *s)
{
    static const char *const all[] = {"ALL", NULL}, *const hardened[] = {"no-new-privileges", NULL};
    lg_json_obj(j, "HostConfig");
    lg_json_str(j, "NetworkMode", "none");
    lg_json_bool(j, "ReadonlyRootfs", true);
    mounts(j, s);
    lg_json_int(j, "Memory", s->memory_bytes);
    lg_json_int(j, "MemorySwap", s->memory_bytes);
    lg_json_int(j, "NanoCpus", s->cpu_millis * 1000000);
    lg_json_int(j, "PidsLimit", s->pids);
    strings(j, "CapDrop", all);
    strings(j, "SecurityOpt", hardened);
    lg_json_str(j, "IpcMode", "private");
    lg_json_obj(j, "LogConfig"); /* what strangers print must not fill the host's disk */
    lg_json_str(j, "Type", "none");
    lg_json_end_obj(j);
    lg_json_arr(j, "Ulimits");
    ulimit(j, "nofile", 1024);
    ulimit(j, "nproc", 256);
    ulimit(j, "core", 0);
    lg_json_end_arr(j);
    lg_json_end_obj(j);
}

static void body(const struct lg_engine *g, const struct lg_sandbox_spec *s, struct lg_buf *out)
{
    static const char *const init[] = {LG_SANDBOX_INIT, NULL}, *const nothing[] = {NULL};
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/box", "LANG=C.UTF-8",
                                      "TMPDIR=/tmp", NULL};
    char user[32];
    struct lg_json j;
    snprintf(user, sizeof user, "%u:%u", s->uid, s->uid);
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "Image", s->image);
    lg_json_str(&j, "Hostname", "sandbox");
    lg_json_str(&j, "User", user);
    lg_json_str(&j, "WorkingDir", "/box");
    strings(&j, "Entrypoint", init);
    strings(&j, "Cmd", nothing);
    strings(&j, "Env", env);
    lg_json_bool(&j, "OpenStdin", true);
    lg_json_bool(&j, "StdinOnce", true);
    lg_json_bool(&j, "AttachStdin", true);
    lg_json_bool(&j, "AttachStdout", true);
    lg_json_bool(&j, "AttachStderr", true);
    lg_json_bool(&j, "NetworkDisabled", true);
    lg_json_obj(&j, "Labels");
    lg_json_str(&j, LG_LABEL_SANDBOX, g->ctx.site);
    lg_json_end_obj(&j);
    host_config(&j, s);
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
    if (out->pidfd < 0 || !lg_ct_sandbox_cgroups(pid, lg_member_str(o, "Id"), out))
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
    body(g, s, &text);
    int status = lg_callf(g, &reply, e, "POST", lg_buf_cstr(&text), "/containers/create?name=%s", s->name);
    if (status < 0 || status >= 400)
        return status < 0 ? status : lg_call_fail(status, &reply, "a sandbox cannot be made", e);
    int rc = out->stream = lg_ct_attach(g, s->name, true, e);
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
