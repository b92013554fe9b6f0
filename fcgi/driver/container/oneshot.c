#include "driver/container/oneshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/container/attach.h"
#include "driver/container/once.h"

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
    lg_json_int(j, "Hard", value);
    lg_json_end_obj(j);
}

/* Everything writable has a size. Podman adds large ones of its own on a read-only root unless named. */
static void mounts(struct lg_json *j, const struct lg_oneshot_spec *s)
{
    static const char *const places[] = {"/tmp", "/var/tmp", "/run"};
    char options[96];
    snprintf(options, sizeof options, "size=%" PRId64 ",mode=1777,nosuid,nodev,exec", s->disk_bytes);
    lg_json_obj(j, "Tmpfs");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        lg_json_str(j, places[i], options);
    lg_json_end_obj(j);
    lg_json_int(j, "ShmSize", 8 << 20);
}

static void host_config(struct lg_json *j, const struct lg_oneshot_spec *s)
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
    lg_json_obj(j, "LogConfig"); /* what it prints goes to the attached stream, never to the host's disk */
    lg_json_str(j, "Type", "none");
    lg_json_end_obj(j);
    lg_json_arr(j, "Ulimits");
    ulimit(j, "nofile", 1024);
    ulimit(j, "nproc",
           s->pids); /* unless it is named Podman wants its own, which may be more than it can give */
    ulimit(j, "core", 0);
    lg_json_end_arr(j);
    lg_json_end_obj(j);
}

static void body(const struct lg_engine *g, const struct lg_oneshot_spec *s, struct lg_buf *out)
{
    char user[32];
    struct lg_json j;
    snprintf(user, sizeof user, "%u:%u", s->uid, s->uid);
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "Image", s->image);
    lg_json_str(&j, "Hostname", "run");
    lg_json_str(&j, "User", user);
    if (s->command && *s->command)
        strings(&j, "Cmd", s->command);
    lg_json_arr(&j, "Env");
    lg_json_str(&j, NULL, "HOME=/tmp");
    lg_json_end_arr(&j);
    lg_json_bool(&j, "AttachStdout", true);
    lg_json_bool(&j, "AttachStderr", true);
    lg_json_bool(&j, "NetworkDisabled", true);
    lg_json_obj(&j, "Labels");
    lg_json_str(&j, LG_LABEL_ONESHOT, g->ctx.site);
    lg_json_end_obj(&j);
    host_config(&j, s);
    lg_json_end_obj(&j);
}

static int oneshot_start(struct lg_engine *g, const struct lg_oneshot_spec *s, int *stream, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf text = {0}, reply = {0}, started = {0};
    *stream = -1;
    body(g, s, &text);
    int status = lg_callf(g, &reply, e, "POST", lg_buf_cstr(&text), "/containers/create?name=%s", s->name);
    if (status < 0 || status >= 400)
        return status < 0 ? status : lg_call_fail(status, &reply, "the container cannot be made", e);
    *stream = lg_ct_attach(g, s->name, false, e);
    if (*stream < 0)
        return *stream;
    status = lg_callf(g, &started, e, "POST", "", "/containers/%s/start", s->name);
    if (status >= 0 && status < 400)
        return 0;
    lg_fd_close(stream);
    return status < 0 ? status : lg_call_fail(status, &started, "the container does not start", e);
}

static int oneshot_ended(struct lg_engine *g, const char *name, int *exit_code, bool *oom, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "GET", NULL, "/containers/%s/json", name);
    if (status < 0)
        return status;
    if (status == 404)
        return lg_fail(e, LG_NOT_FOUND, "the container is gone");
    if (status != 200)
        return lg_call_fail(status, &reply, "the container cannot be looked at", e);
    lg_cleanup_json json_t *o = lg_call_json(&reply, e);
    const json_t *state = json_object_get(o, "State");
    if (!o)
        return -(int)LG_BACKEND;
    if (json_is_true(json_object_get(state, "Running")))
        return lg_fail(e, LG_STATE, "the container runs");
    *exit_code = (int)lg_member_int(state, "ExitCode");
    *oom = json_is_true(json_object_get(state, "OOMKilled"));
    return 0;
}

static int oneshot_sweep(struct lg_engine *g, int *removed, struct lg_err *e)
{
    return lg_once_sweep(g, LG_LABEL_ONESHOT, removed, e);
}

const struct lg_oneshot_ops lg_ct_oneshot_ops = {
    .start = oneshot_start, .ended = oneshot_ended, .remove = lg_once_remove, .sweep = oneshot_sweep};
