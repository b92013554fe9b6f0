/*
 * Files of virtual machines, below $LODGE_STATE/vm: `images/` templates (root's, never written by a guest),
 * `inst/<id>/` root disk, seed, console log and notes of one machine. Only the disk is QEMU's user's; folders
 * are root's, so what breaks out of a guest cannot plant links for us to follow.
 */
#ifndef LG_DRIVER_KVM_FILES_H
#define LG_DRIVER_KVM_FILES_H

#include <limits.h>

#include "driver/kvm/conn.h"

/* "<state>/vm/inst/<id>/<name>"; name "" : the folder. The id has been checked. */
char *lg_vm_path(const struct lg_engine *g, const char *id, const char *name, char out[PATH_MAX]);
/* "<state>/vm/images/<name>" */
char *lg_vm_image_path(const struct lg_engine *g, const char *name, char out[PATH_MAX]);
/* The serial console's socket, in the run folder. Its folder is QEMU's user's. */
char *lg_vm_console_path(const struct lg_engine *g, const char *id, char out[PATH_MAX]);

/* Makes the folders; idempotent. */
int lg_vm_make_dirs(const struct lg_engine *g, const char *id, struct lg_err *e);
/* Removes the machine's files; absent is 0. */
int lg_vm_remove_files(const struct lg_engine *g, const char *id, struct lg_err *e);

/* A note of one line in the machine's folder: "image", "started". */
int lg_vm_note(const struct lg_engine *g, const char *id, const char *name, const char *text,
               struct lg_err *e);
bool lg_vm_noted(const struct lg_engine *g, const char *id, const char *name, char *out, size_t cap);

/* Gives the file to QEMU's user (private daemon only), following no link. */
int lg_vm_give(const struct lg_engine *g, const char *path, mode_t mode, struct lg_err *e);

/* Runs qemu-img, LG_BACKEND with its own sentence. */
int lg_vm_qemu_img(const char *const *argv, int timeout_ms, struct lg_buf *out, struct lg_err *e);

/* The root disk: an overlay of the template, or a copy of it when format is raw, of at least `bytes`.
 * `path` gets its place; nothing is done when it is there. */
int lg_vm_disk_make(const struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e);
/* Its size, as its file says; running or not. */
int lg_vm_disk_bytes(const struct lg_engine *g, const char *id, const char *format, int64_t *bytes,
                     struct lg_err *e);
/* Grows the disk of one that does not run; smaller is LG_INVALID. */
int lg_vm_disk_grow_off(const struct lg_engine *g, const char *id, const char *format, int64_t bytes,
                        struct lg_err *e);
const char *lg_vm_disk_format(const struct lg_inst_spec *s);

#endif
