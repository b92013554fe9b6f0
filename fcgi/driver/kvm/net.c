/* A tenant's network: Lodge's own bridge with isolation; libvirt has no part in it. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/kvm/files.h"
#include "driver/kvm/vm.h"
#include "driver/network/bridge.h"
#include "driver/network/isolate.h"
#include "driver/network/tap.h"

#define TAPS_MAX 512 /* looked after in one round */

struct taps {
    char name[TAPS_MAX][LG_TAP_LEN];
    char address[TAPS_MAX][16], mac[TAPS_MAX][18];
    int count;
};

/* The cards of machines that run: those whose interface is there. */
static void find_taps(const struct lg_engine *g, struct taps *t)
{
    char path[PATH_MAX], text[64], sys[64];
    t->count = 0;
    DIR *d = opendir(lg_conf_path(g->ctx.conf, path, sizeof path, "vm/inst"));
    for (const struct dirent *f; d && t->count < TAPS_MAX && (f = readdir(d));) {
        int n = t->count;
        if (!lg_id_valid(f->d_name) || !lg_vm_noted(g, f->d_name, "address", text, sizeof text) ||
            sscanf(text, "%15s %17s", t->address[n], t->mac[n]) != 2 ||
            lg_tap_name(g->ctx.site, t->address[n], t->name[n], NULL))
            continue;
        snprintf(sys, sizeof sys, "/sys/class/net/%s", t->name[n]);
        t->count += !access(sys, F_OK);
    }
    if (d)
        closedir(d);
}

/* Puts back what somebody flushed: a machine without its rules could send anything. */
static int repair_taps(const struct lg_engine *g, struct lg_err *e)
{
    static struct taps t;
    find_taps(g, &t);
    if (!t.count || lg_tap_complete(&g->ctx, (const char(*)[LG_TAP_LEN])t.name, t.count))
        return 0;
    int rc = 0;
    for (int i = 0; !rc && i < t.count; i++)
        rc = lg_tap_allow(&g->ctx, t.address[i], t.mac[i], e);
    return rc;
}

/* Rules first, before the bridge exists: nothing is open for a moment. */
int lg_vm_network_ensure(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    if (g->test)
        return 0;
    int rc = lg_network_isolate(&g->ctx, net, e);
    rc = rc ? rc : lg_bridge_ensure(net, e);
    return rc ? rc : repair_taps(g, e);
}

int lg_vm_network_remove(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    int rc = g->test ? 0 : lg_bridge_remove(net, e);
    return rc || g->test ? rc : lg_network_release(&g->ctx, net, e);
}
