/*
 * What a virtual machine is described by beside what every instance has: which members of `config` belong to
 * which type, and the rules for those of a VM. Each check returns 0 or LG_INVALID with `details.field`. Pure.
 */
#ifndef LG_MODEL_VM_H
#define LG_MODEL_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LG_USER_DATA_MAX    65536 /* bytes of cloud-init's user data */
#define LG_META_DATA_MAX    16384
#define LG_VM_MEMORY_MIN    ((int64_t)64 << 20) /* less boots no kernel that is in use today */
#define LG_VM_DISK_DEFAULT  ((int64_t)10 << 30) /* of one that names none */
#define LG_DEFAULT_USER_MAX 32
#define LG_VM_KEYS_MAX      100

/* Does `member` of a create's config belong to an instance of this type? LG_INVALID says what it is for. */
int lg_check_config_member(const char *member, const char *type, struct lg_err *e);

int lg_check_disk_format(const char *field, const char *s, struct lg_err *e);  /* qcow2 raw */
int lg_check_firmware(const char *field, const char *s, struct lg_err *e);     /* bios uefi */
int lg_check_network_type(const char *field, const char *s, struct lg_err *e); /* bridge */
/* What cloud-init takes user data for, by its beginning: a MIME type, "multipart" for what is a MIME message
 * itself, NULL for what it would not take. https://docs.cloud-init.io/en/latest/explanation/format.html */
const char *lg_user_data_type(const char *s);
int lg_check_user_data(const char *field, const char *s, struct lg_err *e);    /* one that has a type */
int lg_check_default_user(const char *field, const char *s, struct lg_err *e); /* a Unix login */
int lg_check_sha256(const char *field, const char *s, struct lg_err *e);       /* 64 hex digits */
/* https://host[:port]/path without credentials or fragment; http only with `plain`. Whether its address may
 * be spoken to is found out when it is fetched. */
int lg_check_url(const char *field, const char *s, bool plain, struct lg_err *e);

#endif
