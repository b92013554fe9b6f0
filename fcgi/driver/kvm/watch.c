/* libvirt's events, as hints which machine to look at. They come on the event loop's thread and wait in a
 * pipe. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/kvm/vm.h"

/* Shared with the event loop's thread: whoever lets go of it last frees it. */
struct watch {
    int in, out; /* a pipe of whole messages; an id each, "" when the connection has closed */
    atomic_int holders;
};

struct message {
    char id[LG_ID_LEN];
    char what[16];
};

static void let_go(void *arg)
{
    struct watch *w = arg;
    if (atomic_fetch_sub(&w->holders, 1) != 1)
        return;
    close(w->in);
    close(w->out);
    free(w);
}

static void post(struct watch *w, const char *id, const char *what)
{
    struct message m = {{0}, {0}};
    strncpy(m.id, id, sizeof m.id - 1);
    strncpy(m.what, what, sizeof m.what - 1);
    (void)!write(w->in, &m, sizeof m); /* a full pipe: the sweep will see it */
}

static int on_life(virConnectPtr conn, virDomainPtr d, int event, int detail, void *arg)
{
    static const char *const names[] = {
        [VIR_DOMAIN_EVENT_DEFINED] = "create",    [VIR_DOMAIN_EVENT_UNDEFINED] = "destroy",
        [VIR_DOMAIN_EVENT_STARTED] = "start",     [VIR_DOMAIN_EVENT_SUSPENDED] = "pause",
        [VIR_DOMAIN_EVENT_RESUMED] = "unpause",   [VIR_DOMAIN_EVENT_STOPPED] = "die",
        [VIR_DOMAIN_EVENT_SHUTDOWN] = "shutdown", [VIR_DOMAIN_EVENT_PMSUSPENDED] = "pause",
        [VIR_DOMAIN_EVENT_CRASHED] = "crash"};
    const char *name = virDomainGetName(d);
    (void)conn;
    (void)detail;
    /* By its name: of one that is gone, whose it was can no longer be asked. It is only a hint. */
    if (name && !strncmp(name, "lodge-", 6) && lg_id_valid(name + 6) &&
        (size_t)event < sizeof names / sizeof names[0])
        post(arg, name + 6, names[event]);
    return 0;
}

/* The guest's agent came or went; as on_life a hint, by name. */
static void on_agent(virConnectPtr conn, virDomainPtr d, int state, int reason, void *arg)
{
    const char *name = virDomainGetName(d);
    (void)conn;
    (void)state;
    (void)reason;
    if (name && !strncmp(name, "lodge-", 6) && lg_id_valid(name + 6))
        post(arg, name + 6, "agent");
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
    (void)conn;
    (void)reason;
    post(arg, "", "closed");
}

static int deliver(struct lg_engine *g, struct watch *w, lg_watch_fn *fn, void *arg, struct lg_err *e)
{
    for (;;) {
        struct pollfd f = {w->out, POLLIN, 0};
        struct message m;
        if (lg_vm_cancelled(g))
            return lg_fail(e, LG_CANCELLED, "cancelled while watching libvirt");
        if (poll(&f, 1, 200) <= 0)
            continue;
        if (read(w->out, &m, sizeof m) != (ssize_t)sizeof m)
            continue;
        if (!*m.id)
            return lg_fail(e, LG_UNAVAILABLE, "libvirt ended the connection");
        if (fn(arg, m.id, m.what))
            return 0;
    }
}

static struct watch *watch_new(void)
{
    int pair[2];
    struct watch *w = calloc(1, sizeof *w);
    if (!w || pipe2(pair, O_CLOEXEC | O_NONBLOCK)) {
        free(w);
        return NULL;
    }
    w->out = pair[0];
    w->in = pair[1];
    atomic_init(&w->holders, 1);
    return w;
}

static int watch_on(struct lg_engine *g, virConnectPtr conn, struct watch *w, lg_watch_fn *fn, void *arg,
                    struct lg_err *e)
{
    atomic_fetch_add(&w->holders, 1);
    int id = virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                              VIR_DOMAIN_EVENT_CALLBACK(on_life), w, let_go);
    if (id < 0) {
        let_go(w);
        return lg_vm_fail(g, e, "cannot watch libvirt");
    }
    atomic_fetch_add(&w->holders, 1);
    int agent = virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
                                                 VIR_DOMAIN_EVENT_CALLBACK(on_agent), w, let_go);
    if (agent < 0) /* the test driver has none; the next look at a machine tells, too */
        let_go(w);
    atomic_fetch_add(&w->holders, 1);
    bool closing = !g->test && virConnectRegisterCloseCallback(conn, on_close, w, let_go) == 0;
    if (!closing)
        let_go(w);
    int rc = deliver(g, w, fn, arg, e);
    if (closing)
        virConnectUnregisterCloseCallback(conn, on_close);
    if (agent >= 0)
        virConnectDomainEventDeregisterAny(conn, agent);
    virConnectDomainEventDeregisterAny(conn, id);
    return rc;
}

int lg_vm_watch(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e)
{
    virConnectPtr conn = NULL;
    int rc = lg_vm_dial(g, &conn, e);
    if (rc)
        return rc;
    struct watch *w = watch_new();
    rc = w ? watch_on(g, conn, w, fn, arg, e) : lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    virConnectClose(conn);
    if (w)
        let_go(w);
    return rc;
}
