/* What machines are, as libvirt says now. */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/kvm/files.h"
#include "driver/kvm/vm.h"

#include <fcntl.h>

/* ---- facts that libvirt does not tell ---- */

static int64_t mtime_ms(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

/* libvirt writes QEMU's pid beside its sockets. */
static int64_t pid_of(const struct lg_engine *g, const char *id)
{
    char run[64], path[160], text[24] = "";
    lg_vm_run_dir(g->ctx.conf, run, sizeof run);
    snprintf(path, sizeof path, "%s/libvirt/qemu/lodge-%s.pid", g->own ? run : "/run", id);
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, text, sizeof text - 1) > 0 ? atoll(text) : 0;
}

/* Epoch ms at which the process was born: field 22 of its stat, in ticks since boot. */
static int64_t born_ms(int64_t pid)
{
    char path[48], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = 0;
    const char *p = strrchr(text, ')');
    for (int i = 0; p && i < 20; i++)
        p = strchr(p + 1, ' ');
    struct timespec real, boot;
    if (!p || clock_gettime(CLOCK_REALTIME, &real) || clock_gettime(CLOCK_BOOTTIME, &boot))
        return 0;
    int64_t up = (int64_t)boot.tv_sec * 1000 + boot.tv_nsec / 1000000;
    int64_t now = (int64_t)real.tv_sec * 1000 + real.tv_nsec / 1000000;
    return now - up + atoll(p) * 1000 / sysconf(_SC_CLK_TCK);
}

/* ---- states ---- */

static const char *why_off(int reason)
{
    static const char *const table[] = {[VIR_DOMAIN_SHUTOFF_UNKNOWN] = "went off",
                                        [VIR_DOMAIN_SHUTOFF_SHUTDOWN] = "the guest powered off",
                                        [VIR_DOMAIN_SHUTOFF_DESTROYED] = "was switched off",
                                        [VIR_DOMAIN_SHUTOFF_CRASHED] = "the machine crashed",
                                        [VIR_DOMAIN_SHUTOFF_MIGRATED] = "moved to another host",
                                        [VIR_DOMAIN_SHUTOFF_SAVED] = "was put to sleep",
                                        [VIR_DOMAIN_SHUTOFF_FAILED] = "the machine failed to start"};
    return reason >= 0 && (size_t)reason < sizeof table / sizeof table[0] && table[reason] ? table[reason]
                                                                                           : "went off";
}

static enum lg_run off_run(struct lg_engine *g, virDomainPtr d, const char *id, int reason)
{
    if (virDomainHasManagedSaveImage(d, 0) == 1)
        return LG_RUN_ASLEEP;
    bool ran = g->test ? reason != VIR_DOMAIN_SHUTOFF_UNKNOWN : lg_vm_noted(g, id, "started", NULL, 0);
    return ran ? LG_RUN_EXITED : LG_RUN_CREATED;
}

static enum lg_run run_of(struct lg_engine *g, virDomainPtr d, const char *id, int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_PMSUSPENDED:
    case VIR_DOMAIN_SHUTDOWN: /* on its way */
        return LG_RUN_RUNNING;
    case VIR_DOMAIN_PAUSED: /* one that is being saved or started is on its way, too */
        return reason == VIR_DOMAIN_PAUSED_SAVE || reason == VIR_DOMAIN_PAUSED_STARTING_UP ||
                       reason == VIR_DOMAIN_PAUSED_MIGRATION
                   ? LG_RUN_RUNNING
                   : LG_RUN_PAUSED;
    default:
        return off_run(g, d, id, reason);
    }
}

static bool agent_answers(virDomainPtr d)
{
    char *xml = virDomainGetXMLDesc(d, 0);
    /* Its name stands in the path of its socket, too. */
    bool connected = xml && strstr(xml, " name='org.qemu.guest_agent.0' state='connected'");
    free(xml);
    return connected;
}

static void fill_up(struct lg_engine *g, virDomainPtr d, const char *id, struct lg_inst_status *st)
{
    char address[LG_ADDR_LEN];
    st->pid = pid_of(g, id);
    st->started_at = st->pid ? born_ms(st->pid) : 0;
    if (lg_vm_noted(g, id, "address", address, sizeof address))
        snprintf(st->address, sizeof st->address, "%.*s", (int)strcspn(address, " \n"), address);
    if (g->test)
        return;
    st->agent = agent_answers(d);
    lg_vm_pending(d, st->pending, sizeof st->pending);
}

static void fill_down(struct lg_engine *g, const char *id, int reason, struct lg_inst_status *st)
{
    char path[PATH_MAX];
    bool bad = reason == VIR_DOMAIN_SHUTOFF_CRASHED || reason == VIR_DOMAIN_SHUTOFF_FAILED;
    int64_t disk = mtime_ms(lg_vm_path(g, id, "root.disk", path)),
            log = mtime_ms(lg_vm_path(g, id, "console.log", path));
    snprintf(st->why, sizeof st->why, "%s", why_off(reason));
    st->exit_code = bad ? 1 : 0;
    st->finished_at = disk > log ? disk : log;
}

int lg_vm_status(struct lg_engine *g, virDomainPtr d, const char *id, struct lg_inst_status *st,
                 struct lg_err *e)
{
    int state, reason;
    memset(st, 0, sizeof *st);
    if (virDomainGetState(d, &state, &reason, 0)) {
        const virError *v = virGetLastError();
        if (v && v->code == VIR_ERR_NO_DOMAIN)
            return 0; /* gone in between */
        return lg_vm_fail(g, e, "cannot look at the machine");
    }
    snprintf(st->id, sizeof st->id, "%s", id);
    snprintf(st->ref, sizeof st->ref, "lodge-%s", id);
    st->run = run_of(g, d, id, state, reason);
    if (st->run == LG_RUN_RUNNING || st->run == LG_RUN_PAUSED)
        fill_up(g, d, id, st);
    else if (st->run == LG_RUN_EXITED)
        fill_down(g, id, state == VIR_DOMAIN_CRASHED ? VIR_DOMAIN_SHUTOFF_CRASHED : reason, st);
    return 0;
}

int lg_vm_inspect(struct lg_engine *g, const char *id, struct lg_inst_status *st, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    memset(st, 0, sizeof *st);
    int rc = lg_vm_find(g, id, &d, e);
    return rc || !d ? rc : lg_vm_status(g, d, id, st, e);
}

/* What a sweep needs, without the questions that only a close look is worth. */
static int list_one(struct lg_engine *g, virDomainPtr d, struct lg_inst_status *st)
{
    int state, reason;
    char id[LG_ID_LEN];
    const char *name = virDomainGetName(d);
    memset(st, 0, sizeof *st);
    if (!name || strncmp(name, "lodge-", 6) || !lg_vm_ours(g, d, id) ||
        virDomainGetState(d, &state, &reason, 0))
        return 0;
    memcpy(st->id, id, sizeof st->id);
    snprintf(st->ref, sizeof st->ref, "lodge-%s", id);
    st->run = run_of(g, d, id, state, reason);
    if (st->run == LG_RUN_RUNNING || st->run == LG_RUN_PAUSED) {
        st->pid = pid_of(g, id);
        st->started_at = st->pid ? born_ms(st->pid) : 0;
    }
    return 1;
}

int lg_vm_list(struct lg_engine *g, lg_status_fn *fn, void *arg, struct lg_err *e)
{
    virDomainPtr *all = NULL;
    int rc = lg_vm_connect(g, e);
    int n = rc ? 0 : virConnectListAllDomains(g->conn, &all, VIR_CONNECT_LIST_DOMAINS_PERSISTENT);
    if (!rc && n < 0)
        return lg_vm_fail(g, e, "cannot list the machines");
    struct lg_inst_status *found = n > 0 ? calloc((size_t)n, sizeof *found) : NULL;
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (found)
            count += list_one(g, all[i], &found[count]);
        virDomainFree(all[i]);
    }
    free(all);
    if (!rc && n > 0 && !found)
        rc = lg_fail(e, LG_INTERNAL, "out of memory");
    if (!rc && !g->test && virConnectIsAlive(g->conn) != 1) /* broke off half way: nothing may be concluded */
        rc = lg_vm_fail(g, e, "cannot list the machines");
    for (int i = 0; !rc && i < count; i++)
        if (fn(arg, &found[i]))
            break;
    free(found);
    return rc;
}
