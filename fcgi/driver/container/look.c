/* Reading what the engine says of containers: inspect and list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/container/instance.h"
#include "driver/container/leaks.h"
#include "driver/container/quirks.h"
#include "driver/container/spec.h"

int lg_ct_name(const char *id, char out[LG_CT_NAME_LEN], struct lg_err *e)
{
    if (!lg_id_valid(id))
        return lg_fail(e, LG_INVALID, "not an instance id");
    snprintf(out, LG_CT_NAME_LEN, "lodge-%s", id);
    return 0;
}

/* RFC 3339 with a fraction, to epoch ms; the engine's year 1 means never. */
static int64_t when(const char *s)
{
    struct tm tm = {0};
    const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest || tm.tm_year < 70)
        return 0;
    int64_t ms = (int64_t)timegm(&tm) * 1000;
    int sign = 1, h = 0, m = 0;
    if (*rest == '.') {
        ms += (int64_t)(strtod(rest, NULL) * 1000);
        rest += 1 + strspn(rest + 1, "0123456789");
    }
    if (*rest == '+' || *rest == '-') {
        sign = *rest == '-' ? -1 : 1;
        if (sscanf(rest + 1, "%2d:%2d", &h, &m) == 2)
            ms -= sign * (h * 60 + m) * 60000LL;
    }
    return ms;
}

/* The address on the tenant's network: there is just one. */
static void address(const json_t *settings, char out[LG_ADDR_LEN])
{
    const char *name;
    json_t *net, *nets = json_object_get(settings, "Networks");
    json_object_foreach(nets, name, net) if (*lg_json_text(net, "IPAddress"))
        snprintf(out, LG_ADDR_LEN, "%s", lg_json_text(net, "IPAddress"));
}

static bool is_up(const struct lg_inst_status *st)
{
    return st->run == LG_RUN_RUNNING || st->run == LG_RUN_PAUSED;
}

static void read_state(const struct lg_engine *g, const json_t *o, struct lg_inst_status *st)
{
    const json_t *state = json_object_get(o, "State");
    snprintf(st->ref, sizeof st->ref, "%s", lg_json_text(o, "Id"));
    st->run = lg_quirk_run(lg_json_text(state, "Status"));
    st->started_at = when(lg_json_text(state, "StartedAt"));
    st->finished_at = when(lg_json_text(state, "FinishedAt"));
    if (is_up(st)) {
        st->pid = lg_member_int(state, "Pid");
        address(json_object_get(o, "NetworkSettings"), st->address);
    } else if (st->run == LG_RUN_EXITED) {
        st->exit_code = (int)lg_member_int(state, "ExitCode");
        st->oom_killed =
            lg_quirk_oom(g, st->ref, st->exit_code, json_is_true(json_object_get(state, "OOMKilled")));
    }
}

static void read_all(const struct lg_engine *g, const char *id, const json_t *o, struct lg_ct_look *l)
{
    const json_t *labels = json_object_get(json_object_get(o, "Config"), "Labels");
    const json_t *policy = json_object_get(json_object_get(o, "HostConfig"), "RestartPolicy");
    const char *name = lg_json_text(policy, "Name"), *ours = lg_json_text(labels, LG_LABEL_INSTANCE);
    read_state(g, o, &l->st);
    l->ours = !strcmp(lg_json_text(labels, LG_LABEL_SITE), g->ctx.site) && !strcmp(ours, id);
    if (l->ours)
        snprintf(l->st.id, sizeof l->st.id, "%s", id);
    l->ever_ran = l->st.started_at != 0;
    l->revives = *name && strcmp(name, "no") != 0;
    l->stopping = !strcmp(lg_json_text(json_object_get(o, "State"), "Status"), "stopping");
    l->settling =
        l->revives && l->ever_ran && lg_quirk_settling(lg_json_text(json_object_get(o, "State"), "Status"));
    const json_t *layers = json_object_get(json_object_get(o, "GraphDriver"), "Data");
    if (strlen(lg_json_text(layers, "UpperDir")) < sizeof l->upper)
        snprintf(l->upper, sizeof l->upper, "%s", lg_json_text(layers, "UpperDir"));
    snprintf(l->spec, sizeof l->spec, "%s", lg_json_text(labels, LG_LABEL_SPEC));
    snprintf(l->limits, sizeof l->limits, "%s", lg_json_text(labels, LG_LABEL_LIMITS));
}

/* GET, asked again a few times where Podman stumbled. */
static int get(struct lg_engine *g, const char *path, struct lg_buf *reply, struct lg_err *e)
{
    struct lg_call c = {.method = "GET", .path = path};
    for (int i = 0;; i++) {
        int status = lg_call(g, &c, reply, e);
        if (status < 300 || i == 20)
            return status;
        if (lg_leak_half_removed(g, status, reply))
            continue;
        if (!lg_quirk_transient(status, reply))
            return status;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

int lg_ct_look(struct lg_engine *g, const char *id, struct lg_ct_look *l, struct lg_err *e)
{
    char name[LG_CT_NAME_LEN], path[96];
    lg_cleanup_buf struct lg_buf reply = {0};
    memset(l, 0, sizeof *l);
    int rc = lg_ct_name(id, name, e);
    if (!rc)
        rc = lg_quirk_identify(g, e);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "/containers/%s/json", name);
    int status = get(g, path, &reply, e);
    if (status < 0 || status == 404)
        return status < 0 ? status : 0;
    if (status != 200)
        return lg_call_fail(status, &reply, "cannot look at the container", e);
    lg_cleanup_json json_t *o = lg_call_json(&reply, e);
    if (!o)
        return -(int)LG_BACKEND;
    read_all(g, id, o, l);
    return 0;
}

int lg_ct_inspect(struct lg_engine *g, const char *id, struct lg_inst_status *st, struct lg_err *e)
{
    struct lg_ct_look l;
    memset(st, 0, sizeof *st);
    int rc = lg_ct_look(g, id, &l, e);
    if (!rc)
        *st = l.st;
    return rc;
}

/* The exit code stands in the words for people: "Exited (137) 2 minutes ago". */
static int code_in(const char *status)
{
    const char *open = strchr(status, '(');
    return open ? atoi(open + 1) : 0;
}

static void read_listed(const json_t *o, struct lg_inst_status *st)
{
    const json_t *labels = json_object_get(o, "Labels");
    memset(st, 0, sizeof *st);
    snprintf(st->id, sizeof st->id, "%s", lg_json_text(labels, LG_LABEL_INSTANCE));
    snprintf(st->ref, sizeof st->ref, "%s", lg_json_text(o, "Id"));
    st->run = lg_quirk_run(lg_json_text(o, "State"));
    if (st->run == LG_RUN_EXITED)
        st->exit_code = code_in(lg_json_text(o, "Status"));
    if (is_up(st))
        address(json_object_get(o, "NetworkSettings"), st->address);
}

/* {"label":["lodge.site=<site>"]}, escaped for a query. */
static void site_filter(const struct lg_engine *g, struct lg_buf *path)
{
    lg_cleanup_buf struct lg_buf text = {0};
    lg_buf_fmt(&text, "{\"label\":[\"%s=%s\"]}", LG_LABEL_SITE, g->ctx.site);
    lg_url_escape(path, lg_buf_cstr(&text), "");
}

int lg_ct_list(struct lg_engine *g, lg_status_fn *fn, void *arg, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf path = {0}, reply = {.max = (size_t)256 << 20};
    lg_buf_str(&path, "/containers/json?all=1&filters=");
    site_filter(g, &path);
    int status = get(g, lg_buf_cstr(&path), &reply, e);
    if (status < 0)
        return status;
    if (status != 200)
        return lg_call_fail(status, &reply, "cannot list containers", e);
    lg_cleanup_json json_t *all = lg_call_json(&reply, e);
    size_t i;
    json_t *o;
    if (!all)
        return -(int)LG_BACKEND;
    json_array_foreach(all, i, o)
    {
        struct lg_inst_status st;
        read_listed(o, &st);
        if (fn(arg, &st))
            break;
    }
    return 0;
}
