/* libvirt's events, as hints which machine to look at. They come on the event loop's thread and wait in a
 * pipe. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/kvm/vm.h"

struct watch {
    int in, out; /* a pipe of whole messages; an id each, "" when the connection has closed */
};

struct message {
    char id[LG_ID_LEN];
    char what[16];
};

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

int lg_vm_watch(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e)
{
    virConnectPtr conn = NULL;
    int pair[2];
    int rc = lg_vm_dial(g, &conn, e);
    if (rc)
        return rc;
    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK)) {
        virConnectClose(conn);
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    }
    struct watch w = {.in = pair[1], .out = pair[0]};
    int id = virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                              VIR_DOMAIN_EVENT_CALLBACK(on_life), &w, NULL);
    bool closing = !g->test && virConnectRegisterCloseCallback(conn, on_close, &w, NULL) == 0;
    rc = id < 0 ? lg_vm_fail(g, e, "cannot watch libvirt") : deliver(g, &w, fn, arg, e);
    if (closing)
        virConnectUnregisterCloseCallback(conn, on_close);
    if (id >= 0)
        virConnectDomainEventDeregisterAny(conn, id);
    virConnectClose(conn);
    /* A callback may be at work this moment with `w`: libvirt waits for it on deregistering from this thread.
     */
    close(pair[0]);
    close(pair[1]);
    return rc;
}
