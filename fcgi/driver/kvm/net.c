/* A tenant's network: Lodge's own bridge with isolation; libvirt has no part in it. */
#include "driver/kvm/files.h"
#include "driver/kvm/vm.h"
#include "driver/network/bridge.h"
#include "driver/network/isolate.h"

/* Rules first, before the bridge exists: nothing is open for a moment. */
int lg_vm_network_ensure(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    int rc = g->test ? 0 : lg_network_isolate(&g->ctx, net, e);
    return rc || g->test ? rc : lg_bridge_ensure(net, e);
}

int lg_vm_network_remove(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    int rc = g->test ? 0 : lg_bridge_remove(net, e);
    return rc || g->test ? rc : lg_network_release(&g->ctx, net, e);
}
