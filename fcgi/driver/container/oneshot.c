#include "driver/container/oneshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/container/attach.h"
#include "driver/container/once.h"

static void body(const struct lg_engine *g, const struct lg_oneshot_spec *s, struct lg_buf *out)
{
    static const char *const env[] = {"HOME=/tmp", NULL};
    char options[96];
    struct lg_json j;
    snprintf(options, sizeof options, "size=%" PRId64 ",mode=1777,nosuid,nodev,exec", s->disk_bytes);
    const struct lg_once_spec once = {
        .place = s->place,
        .image = s->image,
        .hostname = "run",
        .label = LG_LABEL_ONESHOT,
        .uid = s->uid,
        .memory_bytes = s->memory_bytes,
        .cpu_millis = s->cpu_millis,
        .pids = s->pids,
        .nproc = s->pids,
        .places = {{"/tmp", options}, {"/var/tmp", options}, {"/run", options}},
    };
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    if (s->command && *s->command)
        lg_json_strings(&j, "Cmd", s->command);
    lg_json_strings(&j, "Env", env);
    lg_once_write(g, &j, &once);
    lg_json_end_obj(&j);
}

static int oneshot_start(struct lg_engine *g, const struct lg_oneshot_spec *s, int *stream, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf text = {0}, reply = {0}, started = {0};
    *stream = -1;
    int rc = lg_once_ready(g, s->place, e);
    if (rc)
        return rc;
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
