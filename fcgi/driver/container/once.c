#include "driver/container/once.h"

#include <stdio.h>
#include <string.h>

#include "driver/container/leaks.h"
#include "driver/container/network.h"
#include "driver/container/quirks.h"

int lg_once_ready(struct lg_engine *g, const struct lg_net_place *place, struct lg_err *e)
{
    int rc = place ? lg_quirk_identify(g, e) : 0;
    return rc || !place ? rc : lg_ct_network_ensure(g, &place->net, e);
}

/* Its place on a network, or none. */
static void network(const struct lg_engine *g, struct lg_json *j, const struct lg_net_place *place)
{
    if (!place) {
        lg_json_bool(j, "NetworkDisabled", true);
        return;
    }
    lg_quirk_mac(g, j, place->mac);
    lg_json_obj(j, "NetworkingConfig");
    lg_json_obj(j, "EndpointsConfig");
    lg_json_obj(j, place->net.name);
    lg_json_str(j, "MacAddress", place->mac);
    lg_json_obj(j, "IPAMConfig");
    lg_json_str(j, "IPv4Address", place->address);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
}

/* Equal ones: Podman swaps unequal ones. */
static void ulimit(struct lg_json *j, const char *name, int64_t value)
{
    lg_json_obj(j, NULL);
    lg_json_str(j, "Name", name);
    lg_json_int(j, "Soft", value);
    lg_json_int(j, "Hard", value);
    lg_json_end_obj(j);
}

static void host_config(struct lg_json *j, const struct lg_once_spec *s)
{
    static const char *const all[] = {"ALL", NULL}, *const hardened[] = {"no-new-privileges", NULL};
    lg_json_obj(j, "HostConfig");
    lg_json_str(j, "NetworkMode", s->place ? s->place->net.name : "none");
    lg_json_bool(j, "ReadonlyRootfs", true);
    lg_json_obj(j, "Tmpfs"); /* Podman adds large ones of its own on a read-only root unless they are named */
    for (int i = 0; s->places[i].path; i++)
        lg_json_str(j, s->places[i].path, s->places[i].options);
    lg_json_end_obj(j);
    lg_json_int(j, "ShmSize", 8 << 20);
    lg_json_int(j, "Memory", s->memory_bytes);
    lg_json_int(j, "MemorySwap", s->memory_bytes);
    lg_json_int(j, "NanoCpus", s->cpu_millis * 1000000);
    lg_json_int(j, "PidsLimit", s->pids);
    lg_json_strings(j, "CapDrop", all);
    lg_json_strings(j, "SecurityOpt", hardened);
    lg_json_str(j, "IpcMode", "private");
    lg_json_obj(j, "LogConfig"); /* what it prints goes to the attached stream, never to the host's disk */
    lg_json_str(j, "Type", "none");
    lg_json_end_obj(j);
    lg_json_arr(j, "Ulimits"); /* unless nproc is named Podman wants its own, which may be more than it has */
    ulimit(j, "nofile", 1024);
    ulimit(j, "nproc", s->nproc);
    ulimit(j, "core", 0);
    lg_json_end_arr(j);
    lg_json_end_obj(j);
}

void lg_once_write(const struct lg_engine *g, struct lg_json *j, const struct lg_once_spec *s)
{
    char user[32];
    snprintf(user, sizeof user, "%u:%u", s->uid, s->uid);
    lg_json_str(j, "Image", s->image);
    lg_json_str(j, "Hostname", s->hostname);
    lg_json_str(j, "User", user);
    lg_json_bool(j, "AttachStdout", true);
    lg_json_bool(j, "AttachStderr", true);
    network(g, j, s->place);
    lg_json_obj(j, "Labels");
    lg_json_str(j, s->label, g->ctx.site);
    lg_json_end_obj(j);
    host_config(j, s);
}

/* Ends what runs of it. */
static int end(struct lg_engine *g, const char *name, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf look = {0}, killed = {0};
    int status = lg_callf(g, &look, e, "GET", NULL, "/containers/%s/json", name);
    if (status < 0)
        return status;
    if (status == 404)
        return 0;
    lg_cleanup_json json_t *o = status == 200 ? lg_call_json(&look, NULL) : NULL;
    const json_t *state = json_object_get(o, "State");
    if (json_is_true(json_object_get(state, "Running"))) {
        /* A forced removal alone would ask it to stop, and wait. */
        status = lg_callf(g, &killed, e, "POST", "", "/containers/%s/kill?signal=KILL", name);
        return status < 0 ? status : 0;
    }
    if (!strcmp(lg_json_text(state, "Status"), "created"))
        lg_leak_end(g, lg_json_text(o, "Id"));
    return 0;
}

int lg_once_remove(struct lg_engine *g, const char *name, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int rc = end(g, name, e);
    if (rc)
        return rc;
    /* Also when it seems absent: a killed engine may have left its name and layer behind. */
    int status = lg_callf(g, &reply, e, "DELETE", NULL, "/containers/%s?force=true&v=true", name);
    if (status < 0)
        return status;
    return status < 400 || status == 404 ? 0
                                         : lg_call_fail(status, &reply, "the container cannot be removed", e);
}

int lg_once_sweep(struct lg_engine *g, const char *label, int *removed, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf filter = {0}, path = {0}, reply = {0};
    size_t i;
    json_t *o;
    *removed = 0;
    lg_buf_fmt(&filter, "{\"label\":[\"%s=%s\"]}", label, g->ctx.site);
    lg_buf_str(&path, "/containers/json?all=true&filters=");
    lg_url_escape(&path, lg_buf_cstr(&filter), "");
    struct lg_call c = {.method = "GET", .path = lg_buf_cstr(&path)};
    int status = lg_call(g, &c, &reply, e);
    if (status != 200)
        return status < 0 ? status : lg_call_fail(status, &reply, "containers cannot be listed", e);
    lg_cleanup_json json_t *list = lg_call_json(&reply, e);
    json_array_foreach(list, i, o)
    {
        int rc = lg_once_remove(g, lg_json_text(o, "Id"), e);
        if (rc)
            return rc;
        ++*removed;
    }
    return list ? 0 : -(int)LG_BACKEND;
}
