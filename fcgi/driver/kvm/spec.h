/* What a virtual machine is made from: its domain's XML and its NoCloud seed. Pure text and bytes. */
#ifndef LG_DRIVER_KVM_SPEC_H
#define LG_DRIVER_KVM_SPEC_H

#include "driver/driver.h"

/* What the XML needs beside the spec. */
struct lg_vm_place {
    const char *site;
    const char *type;                                      /* "kvm", "qemu" or "test" */
    const char *disk, *disk_format, *seed, *console, *log; /* paths; NULL with the test driver */
    const char *tap;                                       /* NULL: no network */
};

/* vCPUs of a spec: its share of cores, rounded up. */
int lg_vm_vcpus(const struct lg_inst_spec *s);
int lg_vm_vcpus_max(const struct lg_inst_spec *s);
int64_t lg_vm_memory_kib(const struct lg_inst_spec *s);
int64_t lg_vm_memory_max_kib(const struct lg_inst_spec *s);

/* LG_INVALID when the spec cannot be a machine. */
int lg_vm_xml(const struct lg_inst_spec *s, const struct lg_vm_place *p, struct lg_buf *out,
              struct lg_err *e);

/* One disk as `dev` ("vdc"), one further card: for a machine that runs. */
int lg_vm_volume_xml(const struct lg_volume_spec *v, const char *dev, struct lg_buf *out, struct lg_err *e);
int lg_vm_card_xml(const struct lg_nic_spec *n, struct lg_buf *out, struct lg_err *e);

#define LG_SEED_TEXT_MAX ((size_t)512 << 10)
/* Writes the seed, an ISO 9660 image labelled cidata, to `path` at once. LG_TOO_LARGE, LG_INVALID. */
int lg_vm_seed(const struct lg_inst_spec *s, const char *path, struct lg_err *e);
/* Its three files, for tests. */
int lg_vm_seed_text(const struct lg_inst_spec *s, struct lg_buf *meta, struct lg_buf *user,
                    struct lg_buf *net, struct lg_err *e);

#endif
