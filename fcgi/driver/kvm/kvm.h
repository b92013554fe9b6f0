/* Virtual machines by libvirt's C API: QEMU, accelerated where the host can. */
#ifndef LG_DRIVER_KVM_KVM_H
#define LG_DRIVER_KVM_KVM_H

#include "driver/driver.h"

extern const struct lg_driver lg_driver_kvm;

#endif
