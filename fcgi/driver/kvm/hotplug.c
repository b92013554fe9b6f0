/*
 * Disks and further cards of a machine that runs. What it has is read from libvirt's description: its text is
 * escaped, so an element's name in it is an element. A disk is told by its file, a card by its MAC.
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
#include "driver/kvm/xml.h"

#define LET_GO_MS 15000 /* a guest that is up lets go of a device within this; one in its boot does not */
#define LOOK_MS   100
#define PIECE_MAX 4096 /* of the description of one device */

/* ---- reading ---- */

/* One device of the description. */
struct piece {
    const char *at;
    size_t len;
};

static bool next_piece(const char **from, const char *open, const char *shut, struct piece *p)
{
    p->at = strstr(*from, open);
    const char *end = p->at ? strstr(p->at, shut) : NULL;
    if (!end)
        return false;
    *from = end + strlen(shut);
    p->len = (size_t)(*from - p->at);
    return true;
}

static bool has(const struct piece *p, const char *text)
{
    return memmem(p->at, p->len, text, strlen(text)) != NULL;
}

/* name='value' with the value escaped as libvirt escapes it, which is as we do but for the quote. */
static bool attribute_is(const struct piece *p, const char *element, const char *name, const char *value)
{
    lg_cleanup_buf struct lg_buf b = {.max = PIECE_MAX};
    struct lg_xml x = {.out = &b};
    lg_xml_empty(&x, element, name, value, NULL);
    for (char *c = b.data; c && *c; c++)
        if (*c == '"')
            *c = '\'';
    b.len -= b.len > 2 ? 2 : 0; /* "/>": there may be more attributes */
    return !b.failed && b.len && memmem(p->at, p->len, b.data, b.len);
}

static bool is_disk(const struct piece *p, const char *file)
{
    return attribute_is(p, "source", "file", file);
}

/* Is there one of them that `is` says it is? */
static bool any(const char *xml, const char *open, const char *shut,
                bool (*is)(const struct piece *, const char *), const char *what)
{
    struct piece p;
    for (const char *from = xml; next_piece(&from, open, shut, &p);)
        if (is(&p, what))
            return true;
    return false;
}

static bool is_dev(const struct piece *p, const char *dev)
{
    return attribute_is(p, "target", "dev", dev);
}

static bool is_card(const struct piece *p, const char *mac)
{
    return attribute_is(p, "mac", "address", mac);
}

#define DISKS "<disk ", "</disk>"
#define CARDS "<interface ", "</interface>"

static char *describe(struct lg_engine *g, virDomainPtr d, struct lg_err *e)
{
    char *xml = virDomainGetXMLDesc(d, 0);
    if (!xml)
        lg_vm_fail(g, e, "cannot look at the machine's devices");
    return xml;
}

/* ---- what comes ---- */

static int attach(struct lg_engine *g, virDomainPtr d, const struct lg_buf *xml, const char *what,
                  struct lg_err *e)
{
    char text[80];
    if (!virDomainAttachDeviceFlags(d, lg_buf_cstr(xml), VIR_DOMAIN_AFFECT_LIVE))
        return 0;
    snprintf(text, sizeof text, "the running machine does not take %s", what);
    return lg_vm_fail(g, e, text);
}

static int attach_disk(struct lg_engine *g, virDomainPtr d, const char *now, const struct lg_volume_spec *v,
                       struct lg_err *e)
{
    char dev[] = "vdc";
    lg_cleanup_buf struct lg_buf xml = {.max = PIECE_MAX};
    while (dev[2] <= 'z' && any(now, DISKS, is_dev, dev))
        dev[2]++;
    if (dev[2] > 'z')
        return lg_fail(e, LG_STATE, "the machine has no room for another disk");
    int rc = lg_vm_give(g, v->source, 0600, e);
    rc = rc ? rc : lg_vm_volume_xml(v, dev, &xml, e);
    return rc ? rc : attach(g, d, &xml, "the disk", e);
}

static int attach_card(struct lg_engine *g, virDomainPtr d, const struct lg_nic_spec *n, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf xml = {.max = PIECE_MAX};
    int rc = lg_vm_card_xml(n, &xml, e);
    return rc ? rc : attach(g, d, &xml, "the card", e);
}

/* The description is asked for anew each time: a disk that came takes a name. */
static int come(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, struct lg_err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < s->volume_count; i++) {
        char *now = s->volumes[i].block ? describe(g, d, e) : NULL;
        if (s->volumes[i].block && !now)
            return -(int)e->code;
        if (now && !any(now, DISKS, is_disk, s->volumes[i].source))
            rc = attach_disk(g, d, now, &s->volumes[i], e);
        free(now);
    }
    for (int i = 0; !rc && i < s->nic_count; i++) {
        char *now = describe(g, d, e);
        if (!now)
            return -(int)e->code;
        if (!any(now, CARDS, is_card, s->nics[i].mac))
            rc = attach_card(g, d, &s->nics[i], e);
        free(now);
    }
    return rc;
}

/* ---- what goes ---- */

static bool disk_wanted(const struct piece *p, const struct lg_inst_spec *s)
{
    if (is_dev(p, "vda") || is_dev(p, "vdb")) /* its root disk and its seed */
        return true;
    for (int i = 0; i < s->volume_count; i++)
        if (s->volumes[i].block && is_disk(p, s->volumes[i].source))
            return true;
    return false;
}

static bool card_wanted(const struct piece *p, const struct lg_inst_spec *s)
{
    if (!s->no_network && is_card(p, s->mac))
        return true;
    for (int i = 0; i < s->nic_count; i++)
        if (is_card(p, s->nics[i].mac))
            return true;
    return false;
}

/* A copy of the first device that is not wanted any more, the caller's; NULL: all are. */
static char *unwanted(const char *xml, const struct lg_inst_spec *s)
{
    struct piece p;
    for (const char *from = xml; next_piece(&from, DISKS, &p);)
        if (!disk_wanted(&p, s))
            return strndup(p.at, p.len);
    for (const char *from = xml; next_piece(&from, CARDS, &p);)
        if (!card_wanted(&p, s))
            return strndup(p.at, p.len);
    return NULL;
}

/* Still there? -1: nobody knows. */
static int stays(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, const char *piece,
                 struct lg_err *e)
{
    char *now = describe(g, d, e);
    char *left = now ? unwanted(now, s) : NULL;
    const char *alias = strstr(piece, "<alias name=");
    char name[48] = "";
    snprintf(name, sizeof name, "%.*s", alias ? (int)strcspn(alias, ">") : 0, alias ? alias : "");
    struct piece one = {left ? left : "", left ? strlen(left) : 0};
    int rc = !now ? -1 : left && *name && has(&one, name);
    free(left);
    free(now);
    return rc;
}

/* Asks the guest for it, and waits until it has let go. */
static int take_away(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, const char *piece,
                     struct lg_err *e)
{
    const char *what = !strncmp(piece, "<disk", 5) ? "disk" : "card";
    char text[80];
    snprintf(text, sizeof text, "the machine's %s cannot be taken away", what);
    int64_t deadline = lg_clock_mono() + LET_GO_MS;
    if (virDomainDetachDeviceFlags(d, piece, VIR_DOMAIN_AFFECT_LIVE)) {
        const virError *v = virGetLastError();
        if (!v || v->code != VIR_ERR_DEVICE_MISSING)
            return lg_vm_fail(g, e, text);
    }
    for (int left; (left = stays(g, d, s, piece, e));) {
        if (left < 0)
            return virDomainIsActive(d) == 0 ? lg_err_clear(e), 0 : -(int)e->code;
        if (lg_vm_cancelled(g))
            return lg_vm_cancel_error(e);
        if (lg_clock_mono() > deadline) {
            lg_fail(e, LG_TIMEOUT,
                    "the guest does not let go of the %s: is it still in its boot? Stop the machine first",
                    what);
            return lg_err_detail(e, "reason", "guest_keeps_device");
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    return 0;
}

static int go(struct lg_engine *g, virDomainPtr d, const struct lg_inst_spec *s, struct lg_err *e)
{
    for (;;) {
        char *now = describe(g, d, e);
        if (!now)
            return -(int)e->code;
        char *piece = unwanted(now, s);
        free(now);
        if (!piece)
            return 0;
        int rc = take_away(g, d, s, piece, e);
        free(piece);
        if (rc)
            return rc;
    }
}

int lg_vm_devices(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_domain virDomainPtr d = NULL;
    int rc = lg_vm_need(g, s->id, &d, e);
    if (rc || g->test || virDomainIsActive(d) != 1)
        return rc;
    rc = go(g, d, s, e);
    rc = rc ? rc : come(g, d, s, e);
    return rc ? rc : lg_vm_define(g, s, e); /* and so at its next start */
}
