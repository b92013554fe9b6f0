/*
 * The private libvirtd: a daemon of Lodge's own for virtual machines, apart from any other on the host. It
 * sees its own /etc, /run, /var/lib, /var/cache and /var/log of libvirt, in a mount namespace. QEMU runs as
 * LG_VM_USER, never as root. Machines outlive the daemon and Lodge. Includes nothing but base: also for the
 * supervisor.
 */
#ifndef LG_DRIVER_KVM_ENGINE_H
#define LG_DRIVER_KVM_ENGINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/err.h"

#define LG_VM_USER    "libvirt-qemu" /* Debian's; libvirtd does not start without it */
#define LG_VM_URI_LEN 256

/*
 * LG_UNSUPPORTED when there is nothing to run: `drivers` has no kvm, or libvirt_uri names a daemon of the
 * administrator's own. LG_UNAVAILABLE says what the host lacks.
 */
int lg_vm_engine_wanted(const struct lg_conf *c, struct lg_err *e);
/* Machines can be made here, by a daemon of ours or the administrator's. */
bool lg_vm_hosted(const struct lg_conf *c);
/* Becomes the daemon: writes its configuration, enters the namespace, executes it. Returns on failure only.
 */
int lg_vm_engine_exec(const struct lg_conf *c, struct lg_err *e);

/* What lodge-runner connects to: the setting libvirt_uri, else the private daemon. */
void lg_vm_uri(const struct lg_conf *c, char out[LG_VM_URI_LEN]);
/* Folder of what must not survive a reboot of the host: sockets, pid files. */
void lg_vm_run_dir(const struct lg_conf *c, char *out, size_t cap);
/* True when the daemon is Lodge's own, and with it the owner of disks: LG_VM_USER's ids in uid and gid. */
bool lg_vm_private(const struct lg_conf *c, uid_t *uid, gid_t *gid);

#endif
