/* A machine's birth, start and end. */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/kvm/files.h"
#include "driver/kvm/spec.h"
#include "driver/kvm/vm.h"
#include "driver/network/tap.h"

#define UNDEFINE                                                                                             \
    (VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM | \
     VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)

static bool active(virDomainPtr d)
{
    return virDomainIsActive(d) == 1;
}

/* ---- its description ---- */

static int describe(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_buf *xml, struct lg_err *e)
{
    char disk[PATH_MAX], seed[PATH_MAX], console[PATH_MAX], log[PATH_MAX], tap[LG_TAP_LEN], notice[160];
    struct lg_vm_place p = {.site = g->ctx.site,
                            .type = g->test ? "test" : lg_vm_accel(&g->ctx, notice),
                            .disk = lg_vm_path(g, s->id, "root.disk", disk),
                            .disk_format = lg_vm_disk_format(s),
                            .seed = lg_vm_path(g, s->id, "seed.iso", seed),
                            .console = lg_vm_console_path(g, s->id, console),
                            .log = lg_vm_path(g, s->id, "console.log", log)};
    int rc = s->no_network ? 0 : lg_tap_name(g->ctx.site, s->address, tap, e);
    p.tap = s->no_network ? NULL : tap;
    return rc ? rc : lg_vm_xml(s, &p, xml, e);
}

int lg_vm_define(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf xml = {.max = 1 << 20};
    int rc = describe(g, s, &xml, e);
    if (rc)
        return rc;
    lg_cleanup_domain virDomainPtr d = virDomainDefineXMLFlags(g->conn, lg_buf_cstr(&xml), 0);
    return d ? 0 : lg_vm_fail(g, e, "libvirt refused the machine");
}

/* ---- create ---- */

/* Where the machine's card is, for its removal and for who asks its address. */
static int note_card(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char text[64];
    snprintf(text, sizeof text, "%s %s\n", s->no_network ? "" : s->address, s->no_network ? "" : s->mac);
    return lg_vm_note(g, s->id, "address", text, e);
}

static int seed(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char path[PATH_MAX];
    int rc = lg_vm_seed(s, lg_vm_path(g, s->id, "seed.iso", path), e);
    return rc ? rc : lg_vm_give(g, path, 0400, e);
}

/* A disk that no guest has seen is made anew, as the image may be another now. */
static int fresh_disk(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char path[PATH_MAX];
    if (!lg_vm_noted(g, s->id, "started", NULL, 0))
        unlink(lg_vm_path(g, s->id, "root.disk", path));
    return lg_vm_disk_make(g, s, e);
}

static int files(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf xml = {.max = 1 << 20};
    int rc = describe(g, s, &xml, e); /* refused before anything is made of it */
    if (rc || g->test)
        return rc;
    rc = lg_vm_make_dirs(g, s->id, e);
    rc = rc ? rc : note_card(g, s, e);
    rc = rc ? rc : seed(g, s, e);
    return rc ? rc : fresh_disk(g, s, e);
}

int lg_vm_create(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    struct lg_inst_status st;
    int rc = lg_vm_find(g, s->id, &d, e);
    if (!rc && d)
        rc = lg_vm_status(g, d, s->id, &st, e);
    if (!rc && d && st.run != LG_RUN_ABSENT && st.run != LG_RUN_CREATED)
        return 0;
    if (!rc && !d)
        rc = lg_vm_check_free(g, s->id, e);
    rc = rc ? rc : files(g, s, e);
    return rc ? rc : lg_vm_define(g, s, e);
}

/* ---- start ---- */

/* Everything that a start applies anew: keys and network in the seed, limits, the size of the disk. */
static int refresh(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char path[PATH_MAX];
    int rc = lg_vm_make_dirs(g, s->id, e);
    rc = rc ? rc : note_card(g, s, e);
    rc = rc ? rc : seed(g, s, e);
    rc = rc ? rc : lg_vm_disk_make(g, s, e); /* nothing, unless it was lost */
    if (!rc && s->vm && s->vm->disk_bytes && lg_vm_noted(g, s->id, "started", NULL, 0)) {
        struct lg_err smaller = {0}; /* a wish below what the image needs is no reason not to start */
        rc = lg_vm_disk_grow_off(g, s->id, lg_vm_disk_format(s), s->vm->disk_bytes, &smaller);
        if (rc && rc != -(int)LG_INVALID)
            return lg_fail(e, smaller.code, "%s", smaller.msg);
    }
    for (int i = 0; !rc && i < s->volume_count; i++)
        if (s->volumes[i].block)
            rc = lg_vm_give(g, s->volumes[i].source, 0600, e);
    unlink(lg_vm_path(g, s->id, "console.log", path)); /* each start has a log of its own */
    return rc ? rc : lg_vm_define(g, s, e);
}

static int begin(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, struct lg_err *e)
{
    char path[PATH_MAX];
    int rc = s->no_network ? 0 : lg_tap_allow(&g->ctx, s->address, s->mac, e);
    rc = rc ? rc : lg_vm_note(g, s->id, "started", "", e);
    if (rc)
        return rc;
    unlink(lg_vm_console_path(g, s->id, path));
    if (!virDomainCreate(d))
        return 0;
    rc = lg_vm_fail(g, e, "the machine does not start");
    if (!active(d))
        return rc;
    lg_err_clear(e); /* somebody else was faster */
    return 0;
}

int lg_vm_start(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_need(g, s->id, &d, e);
    if (rc)
        return rc;
    if (active(d)) {
        virDomainResume(d); /* a paused one goes on; of a running one this is refused */
        return 0;
    }
    if (g->test)
        return virDomainCreate(d) ? lg_vm_fail(g, e, "the machine does not start") : 0;
    bool asleep = virDomainHasManagedSaveImage(d, 0) == 1;
    rc = asleep ? lg_vm_make_dirs(g, s->id, e) : refresh(g, s, e);
    return rc ? rc : begin(g, d, s, e);
}

/* ---- remove ---- */

static void release_card(struct lg_engine *g, const char *id)
{
    char text[64], address[16], mac[18];
    if (lg_vm_noted(g, id, "address", text, sizeof text) && sscanf(text, "%15s %17s", address, mac) == 2)
        lg_tap_release(&g->ctx, address, mac, NULL);
}

/* 0 when the failed call's domain is gone anyway, which was the aim. */
static int unless_gone(struct lg_engine *g, struct lg_err *e, const char *what)
{
    int rc = lg_vm_fail(g, e, what);
    if (rc != -(int)LG_NOT_FOUND)
        return rc;
    lg_err_clear(e);
    return 0;
}

static int switch_off(struct lg_engine *g, virDomainPtr d, struct lg_err *e)
{
    int rc = virDomainDestroy(d) ? unless_gone(g, e, "the machine cannot be switched off") : 0;
    if (rc != -(int)LG_STATE) /* it went off by itself in between */
        return rc;
    lg_err_clear(e);
    return 0;
}

int lg_vm_remove(struct lg_engine *g, const char *id, bool force, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_find(g, id, &d, e);
    if (rc)
        return rc;
    if (d && active(d) && !force)
        return lg_fail(e, LG_CONFLICT, "cannot remove the virtual machine: it is running");
    if (d && active(d))
        rc = switch_off(g, d, e);
    if (!rc && d && virDomainUndefineFlags(d, g->test ? 0 : UNDEFINE))
        rc = unless_gone(g, e, "libvirt does not let go of the machine");
    if (rc || g->test)
        return rc;
    release_card(g, id);
    return lg_vm_remove_files(g, id, e);
}
