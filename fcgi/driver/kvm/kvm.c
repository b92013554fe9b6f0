#include "driver/kvm/kvm.h"

#include <stdio.h>

#include "driver/kvm/image.h"
#include "driver/kvm/vm.h"

static void version(char *out, size_t cap, unsigned long v)
{
    snprintf(out, cap, "%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

/* Why there is no libvirt to speak to says more than that there is none. */
static int probe(struct lg_engine *g, struct lg_engine_info *info, struct lg_err *e)
{
    unsigned long hypervisor = 0, library = 0;
    struct lg_err lacks = {0};
    if (lg_vm_engine_wanted(g->ctx.conf, &lacks) == -(int)LG_UNAVAILABLE)
        return lg_fail(e, LG_UNAVAILABLE, "%s", lacks.msg);
    int rc = lg_vm_connect(g, e);
    if (!rc && virConnectGetLibVersion(g->conn, &library))
        rc = lg_vm_fail(g, e, "libvirt is not well");
    if (rc || !info)
        return rc;
    virConnectGetVersion(g->conn, &hypervisor);
    *info = (struct lg_engine_info){0};
    version(info->version, sizeof info->version, hypervisor);
    version(info->api_version, sizeof info->api_version, library);
    if (!g->test)
        lg_vm_accel_known(&g->ctx, info->accel, info->notice);
    snprintf(info->type, sizeof info->type, "%s",
             g->test               ? "test"
             : *info->accel == 'k' ? "qemu-kvm"
                                   : "qemu-tcg");
    return 0;
}

const struct lg_driver lg_driver_kvm = {
    .name = "kvm",
    .backend = "kvm",
    .open = lg_vm_open,
    .close = lg_vm_close,
    .probe = probe,
    .image_find = lg_vm_image_find,
    .image_import = lg_vm_image_import,
    .image_remove = lg_vm_image_remove,
    .network_ensure = lg_vm_network_ensure,
    .network_remove = lg_vm_network_remove,
    .create = lg_vm_create,
    .start = lg_vm_start,
    .stop = lg_vm_stop,
    .pause = lg_vm_pause,
    .unpause = lg_vm_unpause,
    .remove = lg_vm_remove,
    .inspect = lg_vm_inspect,
    .update = lg_vm_update,
    .disk_size = lg_vm_disk_size,
    .devices = lg_vm_devices,
    .suspend = lg_vm_suspend,
    .wake = lg_vm_wake,
    .reset = lg_vm_reset,
    .console_open = lg_vm_console_open,
    .screenshot = lg_vm_screenshot,
    .usage = lg_vm_usage,
    .list = lg_vm_list,
    .log_tail = lg_vm_log_tail,
    .log_stream = lg_vm_log_stream,
    .watch = lg_vm_watch,
};
