#include "driver/fake/verbs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "driver/fake/life.h"

/* TCP and UDP ports of one number are two. */
static json_int_t port_key(const struct lg_port_spec *p)
{
    return p->host_port + (strcmp(p->protocol, "udp") ? 0 : 1 << 16);
}

static json_t *strings(const char *const *list)
{
    json_t *a = json_array();
    for (; list && *list; list++)
        json_array_append_new(a, json_string(*list));
    return a;
}

static void set_limits(json_t *o, const struct lg_inst_spec *s)
{
    lg_fake_set(o, "cpu_millis", s->cpu_millis);
    lg_fake_set(o, "memory_bytes", s->memory_bytes);
    lg_fake_set(o, "pids_limit", s->pids_limit);
}

static json_t *from_spec(const struct lg_engine *g, const struct lg_inst_spec *s)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", s->id, "site", g->ctx.site, "name", s->name,
                          "image", s->image, "net", s->net.name, "address", s->address);
    json_t *ports = json_array();
    for (int i = 0; i < s->port_count; i++)
        json_array_append_new(ports, json_integer(port_key(&s->ports[i])));
    json_object_set_new(o, "command", strings(s->command));
    json_object_set_new(o, "env", strings(s->env));
    json_object_set_new(o, "ports", ports);
    if (s->vm) {
        lg_fake_set(o, "vcpus_max", s->vm->vcpus_max);
        lg_fake_set(o, "memory_max_bytes", s->vm->memory_max_bytes);
        lg_fake_set(o, "disk_bytes", s->vm->disk_bytes);
        json_object_set_new(o, "user_data", json_string(s->vm->user_data ? s->vm->user_data : ""));
        json_object_set_new(o, "meta_data", json_string(s->vm->meta_data ? s->vm->meta_data : ""));
        json_object_set_new(o, "ssh_keys", strings(s->vm->ssh_keys));
        json_object_set_new(o, "gpu", json_string(s->vm->gpu ? s->vm->gpu : ""));
    }
    lg_fake_set(o, "restart", s->restart);
    lg_fake_set(o, "run", LG_RUN_CREATED);
    set_limits(o, s);
    return o;
}

/* Loads an instance of this site, up to date; NULL with LG_NOT_FOUND. The caller holds the lock. */
static json_t *load(struct lg_engine *g, const char *id, struct lg_err *e)
{
    if (!lg_id_valid(id)) {
        lg_fail(e, LG_INVALID, "not an instance id");
        return NULL;
    }
    json_t *o = lg_fake_load(g, "inst", id);
    if (!o)
        lg_fail(e, LG_NOT_FOUND, "the fake engine has no such instance");
    else
        lg_fake_live(g, o);
    return o;
}

static int save(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    return lg_fake_save(g, "inst", lg_json_text(o, "id"), o, e);
}

static int create(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_json json_t *old = lg_fake_load(g, "inst", s->id), *image = lg_fake_load(g, "image", s->image);
    lg_cleanup_json json_t *net = lg_fake_load(g, "net", s->net.name);
    if (old && lg_fake_int(old, "run") != LG_RUN_CREATED)
        return 0;
    if (!image)
        return lg_fail(e, LG_NOT_FOUND, "cannot create: no such image: %s", s->image);
    if (!net)
        return lg_fail(e, LG_NOT_FOUND, "cannot create: no such network: %s", s->net.name);
    lg_cleanup_json json_t *o = from_spec(g, s);
    lg_fake_event(g, s->id, "create");
    return save(g, o, e);
}

int lg_fake_create(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    int rc =
        lg_id_valid(s->id) ? lg_fake_fault(g, "create", e) : lg_fail(e, LG_INVALID, "not an instance id");
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    return lg_fake_after(g, "create", fd < 0 ? fd : create(g, s, e), e);
}

struct clash {
    const struct lg_inst_spec *s;
    char what[64];
};

/* Two running instances never share an address or a published port. */
static int clashes(void *arg, const json_t *o)
{
    struct clash *c = arg;
    size_t k;
    json_t *port;
    if (!strcmp(lg_json_text(o, "id"), c->s->id) || lg_fake_int(o, "run") != LG_RUN_RUNNING)
        return 0;
    if (!strcmp(lg_json_text(o, "address"), c->s->address))
        snprintf(c->what, sizeof c->what, "address %.15s is in use", c->s->address);
    for (int i = 0; i < c->s->port_count; i++)
        json_array_foreach(json_object_get(o, "ports"), k,
                           port) if (json_integer_value(port) == port_key(&c->s->ports[i]))
            snprintf(c->what, sizeof c->what, "port %u is in use", c->s->ports[i].host_port);
    return *c->what != 0;
}

static int start(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    struct clash c = {.s = s};
    lg_cleanup_json json_t *o = load(g, s->id, e);
    if (!o)
        return -(int)e->code;
    if (lg_fake_int(o, "run") == LG_RUN_RUNNING)
        return 0;
    lg_fake_each(g, "inst", clashes, &c);
    if (*c.what)
        return lg_fail(e, LG_BACKEND, "cannot start: %s", c.what);
    set_limits(o, s);
    lg_fake_begin(g, o);
    return save(g, o, e);
}

int lg_fake_start(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "start", e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    return lg_fake_after(g, "start", fd < 0 ? fd : start(g, s, e), e);
}

static bool up(const json_t *o)
{
    return lg_fake_int(o, "run") == LG_RUN_RUNNING || lg_fake_int(o, "run") == LG_RUN_PAUSED;
}

static int stop(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    if (!up(o) && lg_fake_int(o, "run") != LG_RUN_ASLEEP)
        return 0;
    lg_fake_set(o, "grace_s", g->grace_s);
    lg_fake_end(g, o, g->vm ? 0 : 143, false, lg_clock_ms());
    return save(g, o, e);
}

static int change_run(struct lg_engine *g, json_t *o, enum lg_run from, enum lg_run to, const char *what,
                      struct lg_err *e)
{
    int64_t run = lg_fake_int(o, "run");
    if (run == to)
        return 0;
    if (run != from)
        return lg_fail(e, LG_BACKEND, "cannot %s: the container does not run", what);
    lg_fake_set(o, "run", to);
    lg_fake_event(g, lg_json_text(o, "id"), what);
    return save(g, o, e);
}

static int pause_it(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    return change_run(g, o, LG_RUN_RUNNING, LG_RUN_PAUSED, "pause", e);
}

static int unpause_it(struct lg_engine *g, json_t *o, struct lg_err *e)
{
    return change_run(g, o, LG_RUN_PAUSED, LG_RUN_RUNNING, "unpause", e);
}

int lg_fake_verb(struct lg_engine *g, const char *name, const char *id,
                 int (*fn)(struct lg_engine *g, json_t *o, struct lg_err *e), struct lg_err *e)
{
    int rc = lg_fake_fault(g, name, e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    lg_cleanup_json json_t *o = load(g, id, e);
    return lg_fake_after(g, name, o ? fn(g, o, e) : -(int)e->code, e);
}

int lg_fake_stop(struct lg_engine *g, const char *id, int timeout_s, struct lg_err *e)
{
    g->grace_s = timeout_s;
    return lg_fake_verb(g, "stop", id, stop, e);
}

int lg_fake_pause(struct lg_engine *g, const char *id, struct lg_err *e)
{
    return lg_fake_verb(g, "pause", id, pause_it, e);
}

int lg_fake_unpause(struct lg_engine *g, const char *id, struct lg_err *e)
{
    return lg_fake_verb(g, "unpause", id, unpause_it, e);
}

static int remove_it(struct lg_engine *g, const char *id, bool force, struct lg_err *e)
{
    lg_cleanup_json json_t *o = lg_fake_load(g, "inst", id);
    if (!o)
        return 0;
    lg_fake_live(g, o);
    if (up(o) && !force)
        return lg_fail(e, LG_CONFLICT, "cannot remove the container: it is running");
    lg_fake_delete(g, "inst", id);
    lg_fake_log_delete(g, id);
    lg_fake_event(g, id, "destroy");
    return 0;
}

int lg_fake_remove(struct lg_engine *g, const char *id, bool force, struct lg_err *e)
{
    int rc = lg_id_valid(id) ? lg_fake_fault(g, "remove", e) : lg_fail(e, LG_INVALID, "not an instance id");
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    return lg_fake_after(g, "remove", fd < 0 ? fd : remove_it(g, id, force, e), e);
}

static void to_status(const json_t *o, struct lg_inst_status *st)
{
    memset(st, 0, sizeof *st);
    snprintf(st->id, sizeof st->id, "%s", lg_json_text(o, "id"));
    snprintf(st->ref, sizeof st->ref, "fake-%s", st->id);
    st->run = (enum lg_run)lg_fake_int(o, "run");
    st->started_at = lg_fake_int(o, "started_at");
    st->finished_at = lg_fake_int(o, "finished_at");
    if (up(o)) {
        st->pid = getpid();
        snprintf(st->address, sizeof st->address, "%s", lg_json_text(o, "address"));
    } else if (st->run == LG_RUN_EXITED) {
        st->exit_code = (int)lg_fake_int(o, "exit_code");
        st->oom_killed = lg_fake_int(o, "oom") != 0;
        snprintf(st->why, sizeof st->why, "%s", lg_json_text(o, "why"));
    }
}

int lg_fake_inspect(struct lg_engine *g, const char *id, struct lg_inst_status *st, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "inspect", e);
    if (rc)
        return rc;
    memset(st, 0, sizeof *st);
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    struct lg_err none = {0};
    lg_cleanup_json json_t *o = load(g, id, &none);
    if (!o && none.code != LG_NOT_FOUND)
        return lg_fail(e, none.code, "%s", none.msg);
    if (o)
        to_status(o, st);
    return lg_fake_after(g, "inspect", 0, e);
}

int lg_fake_update(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "update", e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    lg_cleanup_json json_t *o = load(g, s->id, e);
    if (!o)
        return -(int)e->code;
    set_limits(o, s);
    if (s->vm && s->vm->disk_bytes) {
        if (s->vm->disk_bytes < lg_fake_int(o, "disk_bytes"))
            return lg_fail(e, LG_INVALID, "a disk never shrinks");
        lg_fake_set(o, "disk_bytes", s->vm->disk_bytes);
    }
    return lg_fake_after(g, "update", save(g, o, e), e);
}

int lg_fake_usage(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "usage", e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    lg_cleanup_json json_t *o = load(g, id, e);
    if (!o || !up(o))
        return o ? lg_fail(e, LG_STATE, "the container does not run") : -(int)e->code;
    int64_t age = lg_clock_ms() - lg_fake_int(o, "started_at");
    *u = (struct lg_usage){.cpu_us = age * 10,
                           .memory_bytes = 8 << 20,
                           .rx_bytes = age,
                           .tx_bytes = age,
                           .memory_limit_bytes = lg_fake_int(o, "memory_bytes"),
                           .disk_bytes = -1,
                           .pids = 1};
    return lg_fake_after(g, "usage", 0, e);
}

int lg_fake_layer(struct lg_engine *g, const char *id, struct lg_layer *out, struct lg_err *e)
{
    char path[PATH_MAX], hard[8] = "";
    long long bytes = 0;
    int rc = lg_id_valid(id) ? lg_fake_fault(g, "layer", e) : lg_fail(e, LG_INVALID, "not an instance id");
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    lg_cleanup_json json_t *o = load(g, id, e);
    if (!o || !up(o))
        return o ? lg_fail(e, LG_STATE, "the container does not run") : -(int)e->code;
    snprintf(path, sizeof path, "%.4000s/layer-%s", g->dir, id);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%lld %7s", &bytes, hard) < 1)
        bytes = 0;
    if (f)
        fclose(f);
    *out = (struct lg_layer){.bytes = bytes, .hard = !strcmp(hard, "hard")};
    return lg_fake_after(g, "layer", 0, e);
}

struct listing {
    struct lg_engine *g;
    json_t *found;
};

static int collect(void *arg, const json_t *o)
{
    struct listing *l = arg;
    if (!strcmp(lg_json_text(o, "site"), l->g->ctx.site))
        json_array_append_new(l->found, json_deep_copy(o));
    return 0;
}

int lg_fake_list(struct lg_engine *g, lg_status_fn *fn, void *arg, struct lg_err *e)
{
    int rc = lg_fake_fault(g, "list", e);
    if (rc)
        return rc;
    lg_cleanup_json json_t *found = json_array();
    struct listing l = {g, found};
    int fd = lg_fake_lock(g, e);
    if (fd < 0)
        return fd;
    lg_fake_each(g, "inst", collect, &l);
    for (size_t i = 0; i < json_array_size(found); i++)
        lg_fake_live(g, json_array_get(found, i));
    lg_fd_close(&fd); /* fn may call verbs */
    for (size_t i = 0; i < json_array_size(found); i++) {
        struct lg_inst_status st;
        to_status(json_array_get(found, i), &st);
        if (fn(arg, &st))
            break;
    }
    return lg_fake_after(g, "list", 0, e);
}
