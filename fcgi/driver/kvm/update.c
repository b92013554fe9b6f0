/*
 * New limits. Its description gets all of them for the next start; what a running machine can take at once it
 * gets now. Never fewer vCPUs live: QEMU without hardware virtualization crashes at the next hotplug.
 */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "driver/kvm/files.h"
#include "driver/kvm/spec.h"
#include "driver/kvm/vm.h"

#define SETTLE_MS 3000 /* a guest's balloon gives memory back within this, or has no driver */

/* An element with a number, in a description that libvirt wrote. */
static int64_t number(const char *xml, const char *name)
{
    char open[32];
    snprintf(open, sizeof open, "<%s ", name);
    const char *p = xml ? strstr(xml, open) : NULL;
    p = p ? strchr(p, '>') : NULL;
    return p ? atoll(p + 1) : -1;
}

/* Live against configured: KiB of memory now and at most, vCPUs. */
void lg_vm_pending(virDomainPtr d, char *out, size_t cap)
{
    char *live = virDomainGetXMLDesc(d, 0), *next = virDomainGetXMLDesc(d, VIR_DOMAIN_XML_INACTIVE);
    int now = virDomainGetVcpusFlags(d, VIR_DOMAIN_AFFECT_LIVE),
        then = virDomainGetVcpusFlags(d, VIR_DOMAIN_AFFECT_CONFIG);
    int64_t max = number(live, "memory"), used = number(live, "currentMemory"),
            want = number(next, "currentMemory");
    bool vcpus = now > 0 && then > 0 && now != then;
    /* What the balloon holds is never exact; a wish above the ceiling can only wait. */
    bool memory = want > 0 && max > 0 && (want > max || used - want > want / 20 || want - used > want / 20);
    snprintf(out, cap, "%s%s%s", vcpus ? "vcpus" : "", vcpus && memory ? " " : "", memory ? "memory" : "");
    free(live);
    free(next);
}

static int vcpus_live(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, struct lg_err *e)
{
    int now = virDomainGetVcpusFlags(d, VIR_DOMAIN_AFFECT_LIVE), want = lg_vm_vcpus(s);
    int max = virDomainGetVcpusFlags(d, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_VCPU_MAXIMUM);
    if (now < 0 || max < 0)
        return lg_vm_fail(g, e, "cannot look at the machine's vCPUs");
    if (want <= now || want > max)
        return 0;
    return virDomainSetVcpusFlags(d, (unsigned)want, VIR_DOMAIN_AFFECT_LIVE)
               ? lg_vm_fail(g, e, "the machine does not take more vCPUs")
               : 0;
}

static int64_t memory_now(virDomainPtr d)
{
    virDomainInfo info;
    return virDomainGetInfo(d, &info) ? -1 : (int64_t)info.memory;
}

static int memory_live(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, struct lg_err *e)
{
    int64_t now = memory_now(d), want = lg_vm_memory_kib(s), max = (int64_t)virDomainGetMaxMemory(d);
    if (now < 0)
        return lg_vm_fail(g, e, "cannot look at the machine's memory");
    if (want <= now || want > max)
        return 0;
    if (virDomainSetMemoryFlags(d, (unsigned long)want, VIR_DOMAIN_AFFECT_LIVE))
        return lg_vm_fail(g, e, "the machine does not take more memory");
    for (int64_t end = lg_clock_mono() + SETTLE_MS;
         lg_clock_mono() < end && memory_now(d) < want - want / 20;)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return 0;
}

static int disk(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, bool on, struct lg_err *e)
{
    virDomainBlockInfo info;
    int64_t want = s->vm ? s->vm->disk_bytes : 0;
    if (want <= 0)
        return 0;
    if (!on)
        return lg_vm_disk_grow_off(g, s->id, lg_vm_disk_format(s), want, e);
    if (virDomainGetBlockInfo(d, "vda", &info, 0))
        return lg_vm_fail(g, e, "cannot look at the machine's disk");
    if (want == (int64_t)info.capacity)
        return 0;
    if (want < (int64_t)info.capacity)
        return lg_fail(e, LG_INVALID, "a disk never shrinks: it has %lld MiB",
                       (long long)(info.capacity >> 20));
    return virDomainBlockResize(d, "vda", (unsigned long long)want, VIR_DOMAIN_BLOCK_RESIZE_BYTES)
               ? lg_vm_fail(g, e, "the machine's disk does not grow")
               : 0;
}

int lg_vm_disk_size(struct lg_engine *g, const struct lg_inst_spec *s, int64_t *bytes, struct lg_err *e)
{
    *bytes = 0;
    return g->test ? 0 : lg_vm_disk_bytes(g, s->id, lg_vm_disk_format(s), bytes, e);
}

int lg_vm_update(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_need(g, s->id, &d, e);
    if (rc)
        return rc;
    bool on = virDomainIsActive(d) == 1, asleep = !on && virDomainHasManagedSaveImage(d, 0) == 1;
    if (asleep) /* its memory belongs to the machine as it is */
        return lg_fail(e, LG_STATE, "the virtual machine sleeps; wake it first");
    rc = g->test ? 0 : disk(g, d, s, on, e);
    rc = rc ? rc : lg_vm_define(g, s, e);
    if (rc || !on || g->test)
        return rc;
    rc = vcpus_live(g, d, s, e);
    return rc ? rc : memory_live(g, d, s, e);
}
