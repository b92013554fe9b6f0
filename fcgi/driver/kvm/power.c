/* What changes whether a machine runs. */
#include <libvirt/virterror.h>
#include <time.h>

#include "base/clock.h"
#include "driver/kvm/vm.h"

#define LOOK_MS  100
#define PRESS_MS 3000 /* a guest that is still booting does not hear the button: press it again */

static bool active(virDomainPtr d)
{
    return virDomainIsActive(d) == 1;
}

static int not_running(struct lg_err *e)
{
    return lg_fail(e, LG_STATE, "the virtual machine does not run");
}

static bool asleep(virDomainPtr d)
{
    return virDomainHasManagedSaveImage(d, 0) == 1;
}

static int switch_off(struct lg_engine *g, virDomainPtr d, struct lg_err *e)
{
    int rc = virDomainDestroy(d) ? lg_vm_fail(g, e, "the machine cannot be switched off") : 0;
    if (!rc || active(d))
        return rc;
    lg_err_clear(e); /* it went off by itself in between */
    return 0;
}

/* The power button, until the guest has gone off. */
static int ask_to_end(struct lg_engine *g, virDomainPtr d, int timeout_s, struct lg_err *e)
{
    int64_t now = lg_clock_mono(), deadline = now + (int64_t)timeout_s * 1000, press_at = 0;
    for (; now < deadline; now = lg_clock_mono()) {
        int on = virDomainIsActive(d);
        if (on == 0)
            return 0;
        if (on < 0)
            return lg_vm_fail(g, e, "cannot look at the machine");
        if (lg_vm_cancelled(g))
            return lg_vm_cancel_error(e);
        if (now >= press_at) {
            if (virDomainShutdownFlags(d, g->test ? 0 : VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)) {
                int rc = lg_vm_fail(g, e, "the machine's power button does not work");
                if (rc != -(int)LG_STATE)
                    return rc;
                lg_err_clear(e); /* it went off just now */
            }
            press_at = now + PRESS_MS;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    if (!active(d))
        return 0;
    lg_fail(e, LG_TIMEOUT, "the guest did not power off within %d s; stop it with force to switch it off",
            timeout_s);
    return lg_err_detail(e, "reason", "guest_ignores_shutdown");
}

int lg_vm_stop(struct lg_engine *g, const char *id, int timeout_s, struct lg_err *e)
{
    int state, reason;
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_need(g, id, &d, e);
    if (rc)
        return rc;
    if (!active(d))
        return asleep(d) && virDomainManagedSaveRemove(d, 0)
                   ? lg_vm_fail(g, e, "the sleeping machine's memory cannot be thrown away")
                   : 0;
    if (timeout_s <= 0)
        return switch_off(g, d, e);
    if (!virDomainGetState(d, &state, &reason, 0) && state == VIR_DOMAIN_PAUSED)
        virDomainResume(d); /* a paused guest hears nothing */
    return ask_to_end(g, d, timeout_s, e);
}

int lg_vm_pause(struct lg_engine *g, const char *id, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int state, reason, rc = lg_vm_need(g, id, &d, e);
    if (rc)
        return rc;
    if (!active(d))
        return lg_fail(e, LG_BACKEND, "cannot pause: the virtual machine does not run");
    if (!virDomainGetState(d, &state, &reason, 0) && state == VIR_DOMAIN_PAUSED)
        return 0;
    return virDomainSuspend(d) ? lg_vm_fail(g, e, "the machine cannot be paused") : 0;
}

int lg_vm_unpause(struct lg_engine *g, const char *id, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int state, reason, rc = lg_vm_need(g, id, &d, e);
    if (rc)
        return rc;
    if (!active(d))
        return lg_fail(e, LG_BACKEND, "cannot unpause: the virtual machine does not run");
    if (!virDomainGetState(d, &state, &reason, 0) && state != VIR_DOMAIN_PAUSED)
        return 0;
    return virDomainResume(d) ? lg_vm_fail(g, e, "the machine cannot go on") : 0;
}

int lg_vm_suspend(struct lg_engine *g, const char *id, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_need(g, id, &d, e);
    if (rc || (!active(d) && asleep(d)))
        return rc;
    if (!active(d))
        return not_running(e);
    if (!virDomainManagedSave(d, VIR_DOMAIN_SAVE_RUNNING))
        return 0;
    rc = lg_vm_fail(g, e, "the machine cannot be put to sleep");
    if (active(d) || !asleep(d))
        return rc;
    lg_err_clear(e);
    return 0;
}

int lg_vm_wake(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_need(g, s->id, &d, e);
    if (!rc && !active(d) && !asleep(d))
        rc = lg_fail(e, LG_STATE, "the virtual machine does not sleep");
    return rc ? rc : lg_vm_start(g, s, e);
}

int lg_vm_reset(struct lg_engine *g, const char *id, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_need(g, id, &d, e);
    if (!rc && !active(d))
        rc = not_running(e);
    return !rc && virDomainReset(d, 0) ? lg_vm_fail(g, e, "the machine cannot be reset") : rc;
}
