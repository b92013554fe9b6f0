/* Usage, asked for all machines at once and remembered for a moment: who samples asks for one after another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "driver/kvm/vm.h"

#define FRESH_MS 500

struct lg_vm_usage_of {
    char id[LG_ID_LEN];
    struct lg_usage u;
};

static int64_t value(const virDomainStatsRecord *r, const char *name, int64_t otherwise)
{
    unsigned long long v = 0;
    int i = 0;
    return virTypedParamsGetULLong(r->params, r->nparams, name, &v) == 1 ? (int64_t)v
           : virTypedParamsGetInt(r->params, r->nparams, name, &i) == 1  ? i
                                                                         : otherwise;
}

static int64_t sum(const virDomainStatsRecord *r, const char *group, const char *field)
{
    char name[64];
    unsigned count = 0;
    int64_t total = 0;
    snprintf(name, sizeof name, "%s.count", group);
    if (virTypedParamsGetUInt(r->params, r->nparams, name, &count) != 1)
        return 0;
    for (unsigned i = 0; i < count && i < 64; i++) {
        snprintf(name, sizeof name, "%s.%u.%s", group, i, field);
        total += value(r, name, 0);
    }
    return total;
}

/* What the guest says it uses where it says so, else what its process takes. */
static void fill(const virDomainStatsRecord *r, struct lg_usage *u)
{
    int64_t limit = value(r, "balloon.current", 0), available = value(r, "balloon.available", -1),
            usable = value(r, "balloon.usable", -1), rss = value(r, "balloon.rss", 0);
    int64_t used = available > 0 && usable >= 0 && usable <= available ? available - usable
                   : rss < limit                                       ? rss
                                                                       : limit;
    /* Of a card, what the host receives is what the guest sent. */
    *u = (struct lg_usage){.cpu_us = value(r, "cpu.time", 0) / 1000,
                           .memory_bytes = used * 1024,
                           .memory_limit_bytes = limit * 1024,
                           .rx_bytes = sum(r, "net", "rx.bytes"),
                           .tx_bytes = sum(r, "net", "tx.bytes"),
                           .disk_bytes = value(r, "block.0.allocation", -1),
                           .pids = 1};
}

static int refresh(struct lg_engine *g, struct lg_err *e)
{
    virDomainStatsRecordPtr *all = NULL;
    unsigned stats = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON |
                     VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK;
    int n = virConnectGetAllDomainStats(g->conn, g->test ? VIR_DOMAIN_STATS_STATE : stats, &all,
                                        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE |
                                            VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    if (n < 0)
        return lg_vm_fail(g, e, "cannot measure the machines");
    free(g->usage);
    g->usage_count = 0;
    g->usage = calloc((size_t)n + 1, sizeof *g->usage);
    for (int i = 0; g->usage && i < n; i++) {
        struct lg_vm_usage_of *o = &g->usage[g->usage_count];
        if (virDomainGetUUIDString(all[i]->dom, o->id))
            continue;
        fill(all[i], &o->u);
        lg_vm_log_cap(g, o->id);
        g->usage_count++;
    }
    virDomainStatsRecordListFree(all);
    g->usage_at = lg_clock_mono();
    return g->usage ? 0 : lg_fail(e, LG_INTERNAL, "out of memory");
}

static bool known(const struct lg_engine *g, const char *id, struct lg_usage *u)
{
    for (int i = 0; i < g->usage_count; i++)
        if (!strcmp(g->usage[i].id, id)) {
            *u = g->usage[i].u;
            return true;
        }
    return false;
}

int lg_vm_usage(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    if (!lg_id_valid(id))
        return lg_fail(e, LG_INVALID, "not an instance id");
    int rc = lg_vm_connect(g, e);
    bool stale = lg_clock_mono() - g->usage_at > FRESH_MS || !g->usage;
    rc = rc || !stale ? rc : refresh(g, e);
    if (rc)
        return rc;
    if (known(g, id, u))
        return 0;
    rc = lg_vm_need(g, id, &d, e);
    return rc ? rc : lg_fail(e, LG_STATE, "the virtual machine does not run");
}
