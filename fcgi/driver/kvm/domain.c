#include "driver/kvm/spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/kvm/conn.h"
#include "driver/kvm/xml.h"

#define OWN_DEVICES 6 /* on a port each: its two disks, serial controller, balloon, rng, tablet */
#define SPARE_PORTS                                                                                          \
    4 /* for disks and cards that come while it runs; without KVM each costs a guest 0.1 s of its boot */
#define MEMORY_LEAST_KIB ((int64_t)32 << 10)
#define QUOTA_PERIOD_US  100000
#define SERIAL_LEN       20 /* of a virtio disk */
#define OVMF             "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define SWTPM            "/usr/bin/swtpm"

int lg_vm_vcpus(const struct lg_inst_spec *s)
{
    return s->cpu_millis > 0 ? (int)((s->cpu_millis + 999) / 1000) : 1;
}

int lg_vm_vcpus_max(const struct lg_inst_spec *s)
{
    int now = lg_vm_vcpus(s);
    return s->vm && s->vm->vcpus_max > now ? s->vm->vcpus_max : now;
}

int64_t lg_vm_memory_kib(const struct lg_inst_spec *s)
{
    int64_t kib = s->memory_bytes / 1024;
    return kib < MEMORY_LEAST_KIB ? MEMORY_LEAST_KIB : kib;
}

int64_t lg_vm_memory_max_kib(const struct lg_inst_spec *s)
{
    int64_t now = lg_vm_memory_kib(s), max = s->vm ? s->vm->memory_max_bytes / 1024 : 0;
    return max > now ? max : now;
}

static void element_int(struct lg_xml *x, const char *name, int64_t v, const char *unit)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    lg_xml_begin(x, name);
    if (unit)
        lg_xml_attr(x, "unit", unit);
    lg_xml_text(x, text);
    lg_xml_end(x);
}

static void metadata(struct lg_xml *x, const struct lg_inst_spec *s, const struct lg_vm_place *p)
{
    char title[128];
    lg_xml_begin(x, "metadata");
    lg_xml_empty(x, "lodge:instance", "xmlns:lodge", LG_VM_NS, "site", p->site, "id", s->id, NULL);
    lg_xml_end(x);
    snprintf(title, sizeof title, "%s", s->name);
    for (char *c = title; *c; c++)
        if (*c == '\n' || *c == '\r') /* libvirt takes one line */
            *c = ' ';
    lg_xml_element(x, "title", title);
}

/* Shares of cores: whole vCPUs, and of the last one no more than was asked for. */
static void limits(struct lg_xml *x, const struct lg_inst_spec *s, bool real)
{
    int now = lg_vm_vcpus(s);
    char text[16];
    element_int(x, "memory", lg_vm_memory_max_kib(s), "KiB");
    element_int(x, "currentMemory", lg_vm_memory_kib(s), "KiB");
    lg_xml_begin(x, "vcpu");
    lg_xml_attr_int(x, "current", now);
    snprintf(text, sizeof text, "%d", lg_vm_vcpus_max(s));
    lg_xml_text(x, text);
    lg_xml_end(x);
    if (!real || s->cpu_millis <= 0 || s->cpu_millis % 1000 == 0)
        return;
    lg_xml_begin(x, "cputune");
    element_int(x, "period", QUOTA_PERIOD_US, NULL);
    element_int(x, "quota", s->cpu_millis * QUOTA_PERIOD_US / 1000 / now, NULL);
    lg_xml_end(x);
}

static void machine(struct lg_xml *x, const struct lg_inst_spec *s, const struct lg_vm_place *p)
{
    bool uefi = s->vm && s->vm->uefi;
    lg_xml_begin(x, "os");
    if (uefi)
        lg_xml_attr(x, "firmware", "efi");
    lg_xml_begin(x, "type");
    lg_xml_attr(x, "arch", "x86_64");
    lg_xml_attr(x, "machine", "q35");
    lg_xml_text(x, "hvm");
    lg_xml_end(x);
    lg_xml_empty(x, "boot", "dev", "hd", NULL);
    lg_xml_end(x);
    lg_xml_begin(x, "features");
    lg_xml_empty(x, "acpi", NULL);
    lg_xml_empty(x, "apic", NULL);
    lg_xml_end(x);
    if (!strcmp(p->type, "kvm"))
        lg_xml_empty(x, "cpu", "mode", "host-passthrough", NULL);
    lg_xml_empty(x, "clock", "offset", "utc", NULL);
    lg_xml_element(x, "on_poweroff", "destroy");
    lg_xml_element(x, "on_reboot", "restart");
    lg_xml_element(x, "on_crash", "destroy");
}

static void disk(struct lg_xml *x, const char *path, const char *format, const char *dev, const char *serial,
                 bool read_only)
{
    char short_serial[SERIAL_LEN + 1];
    lg_xml_begin(x, "disk");
    lg_xml_attr(x, "type", "file");
    lg_xml_attr(x, "device", "disk");
    lg_xml_empty(x, "driver", "name", "qemu", "type", format, "discard", read_only ? NULL : "unmap", NULL);
    lg_xml_empty(x, "source", "file", path, NULL);
    lg_xml_empty(x, "target", "dev", dev, "bus", "virtio", NULL);
    if (serial) {
        snprintf(short_serial, sizeof short_serial, "%s", serial);
        lg_xml_element(x, "serial", short_serial);
    }
    if (read_only)
        lg_xml_empty(x, "readonly", NULL);
    lg_xml_end(x);
}

int lg_vm_volume_xml(const struct lg_volume_spec *v, const char *dev, struct lg_buf *out, struct lg_err *e)
{
    struct lg_xml x = {.out = out};
    disk(&x, v->source, "raw", dev, v->id, v->read_only);
    return out->failed ? lg_fail(e, LG_INTERNAL, "no memory for the disk's description") : 0;
}

static void volumes(struct lg_xml *x, const struct lg_inst_spec *s)
{
    char dev[] = "vdc";
    for (int i = 0; i < s->volume_count && dev[2] <= 'z'; i++)
        if (s->volumes[i].block) {
            disk(x, s->volumes[i].source, "raw", dev, s->volumes[i].id, s->volumes[i].read_only);
            dev[2]++;
        }
}

static void card(struct lg_xml *x, const char *bridge, const char *mac, const char *tap)
{
    lg_xml_begin(x, "interface");
    lg_xml_attr(x, "type", "bridge");
    lg_xml_empty(x, "mac", "address", mac, NULL);
    lg_xml_empty(x, "source", "bridge", bridge, NULL);
    if (tap)
        lg_xml_empty(x, "target", "dev", tap, NULL);
    lg_xml_empty(x, "model", "type", "virtio", NULL);
    lg_xml_end(x);
}

int lg_vm_card_xml(const struct lg_nic_spec *n, struct lg_buf *out, struct lg_err *e)
{
    struct lg_xml x = {.out = out};
    card(&x, n->bridge, n->mac, NULL);
    return out->failed ? lg_fail(e, LG_INTERNAL, "no memory for the card's description") : 0;
}

static void consoles(struct lg_xml *x, const struct lg_vm_place *p)
{
    lg_xml_begin(x, "serial");
    lg_xml_attr(x, "type", "unix");
    lg_xml_empty(x, "source", "mode", "bind", "path", p->console, NULL);
    lg_xml_empty(x, "log", "file", p->log, "append", "on", NULL);
    lg_xml_empty(x, "target", "port", "0", NULL);
    lg_xml_end(x);
    lg_xml_begin(x, "channel");
    lg_xml_attr(x, "type", "unix");
    lg_xml_empty(x, "target", "type", "virtio", "name", "org.qemu.guest_agent.0", NULL);
    lg_xml_end(x);
    lg_xml_begin(x, "graphics");
    lg_xml_attr(x, "type", "vnc");
    lg_xml_empty(x, "listen", "type", "none", NULL);
    lg_xml_end(x);
    lg_xml_begin(x, "video");
    lg_xml_empty(x, "model", "type", "vga", NULL);
    lg_xml_end(x);
    lg_xml_empty(x, "input", "type", "tablet", "bus", "virtio", NULL);
}

/* A host's PCI device, "0000:01:00.0"; the address has been checked. */
static void gpu(struct lg_xml *x, const char *address)
{
    char domain[8], bus[6], slot[6], function[6];
    snprintf(domain, sizeof domain, "0x%.4s", address);
    snprintf(bus, sizeof bus, "0x%.2s", address + 5);
    snprintf(slot, sizeof slot, "0x%.2s", address + 8);
    snprintf(function, sizeof function, "0x%.1s", address + 11);
    lg_xml_begin(x, "hostdev");
    lg_xml_attr(x, "mode", "subsystem");
    lg_xml_attr(x, "type", "pci");
    lg_xml_attr(x, "managed", "yes");
    lg_xml_empty(x, "driver", "name", "vfio", NULL);
    lg_xml_begin(x, "source");
    lg_xml_empty(x, "address", "domain", domain, "bus", bus, "slot", slot, "function", function, NULL);
    lg_xml_end(x);
    lg_xml_end(x);
}

static void devices(struct lg_xml *x, const struct lg_inst_spec *s, const struct lg_vm_place *p)
{
    lg_xml_begin(x, "devices");
    lg_xml_empty(x, "controller", "type", "pci", "model", "pcie-root", NULL);
    int ports = OWN_DEVICES + SPARE_PORTS + (p->tap != NULL) + s->volume_count + s->nic_count;
    for (int i = 0; i < ports; i++)
        lg_xml_empty(x, "controller", "type", "pci", "model", "pcie-root-port", NULL);
    lg_xml_empty(x, "controller", "type", "usb", "model", "none", NULL);
    disk(x, p->disk, p->disk_format, "vda", NULL, false);
    disk(x, p->seed, "raw", "vdb", NULL, true);
    volumes(x, s);
    if (p->tap)
        card(x, s->net.bridge, s->mac, p->tap);
    for (int i = 0; i < s->nic_count; i++)
        card(x, s->nics[i].bridge, s->nics[i].mac, NULL);
    consoles(x, p);
    lg_xml_begin(x, "memballoon");
    lg_xml_attr(x, "model", "virtio");
    lg_xml_empty(x, "stats", "period", "2", NULL);
    lg_xml_end(x);
    lg_xml_begin(x, "rng");
    lg_xml_attr(x, "model", "virtio");
    lg_xml_begin(x, "backend");
    lg_xml_attr(x, "model", "random");
    lg_xml_text(x, "/dev/urandom");
    lg_xml_end(x);
    lg_xml_end(x);
    lg_xml_empty(x, "panic", "model", "isa", NULL);
    if (s->vm && s->vm->tpm) {
        lg_xml_begin(x, "tpm");
        lg_xml_attr(x, "model", "tpm-crb");
        lg_xml_empty(x, "backend", "type", "emulator", "version", "2.0", NULL);
        lg_xml_end(x);
    }
    if (s->vm && s->vm->gpu && *s->vm->gpu)
        gpu(x, s->vm->gpu);
    lg_xml_end(x);
}

static bool pci_address(const char *s)
{
    unsigned d, b, k, f;
    int end = 0;
    return sscanf(s, "%4x:%2x:%2x.%1x%n", &d, &b, &k, &f, &end) == 4 && end == 12 && !s[12];
}

static int check(const struct lg_inst_spec *s, struct lg_err *e)
{
    const struct lg_vm_spec *v = s->vm;
    if (lg_vm_vcpus_max(s) > 255)
        return lg_fail(e, LG_INVALID, "a virtual machine has at most 255 vCPUs");
    if (v && v->gpu && *v->gpu && !pci_address(v->gpu))
        return lg_fail(e, LG_INVALID, "not a PCI address: %.20s", v->gpu);
    if (v && v->uefi && access(OVMF, F_OK))
        return lg_fail(e, LG_UNSUPPORTED, "this host has no UEFI firmware for machines (Debian: ovmf)");
    if (v && v->tpm && access(SWTPM, X_OK))
        return lg_fail(e, LG_UNSUPPORTED, "this host has no TPM for machines (Debian: swtpm)");
    return 0;
}

int lg_vm_xml(const struct lg_inst_spec *s, const struct lg_vm_place *p, struct lg_buf *out, struct lg_err *e)
{
    char name[LG_VM_NAME_LEN];
    struct lg_xml x = {.out = out};
    bool real = strcmp(p->type, "test") != 0;
    int rc = check(s, e);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "lodge-%s", s->id);
    lg_xml_begin(&x, "domain");
    lg_xml_attr(&x, "type", p->type);
    lg_xml_element(&x, "name", name);
    lg_xml_element(&x, "uuid", s->id);
    metadata(&x, s, p);
    limits(&x, s, real);
    if (real) {
        machine(&x, s, p);
        devices(&x, s, p);
    } else {
        lg_xml_begin(&x, "os");
        lg_xml_element(&x, "type", "hvm");
        lg_xml_end(&x);
    }
    lg_xml_end(&x);
    return out->failed ? lg_fail(e, LG_INTERNAL, "no memory for the machine's description") : 0;
}
