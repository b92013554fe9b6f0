/*
 * The connection to libvirt. One handle is used by one thread; a thread of the process beside it runs
 * libvirt's event loop (keepalive, events). A daemon that hangs breaks the connection after
 * engine_timeout_ms, which ends the call that waits for it; the next call connects anew.
 */
#ifndef LG_DRIVER_KVM_CONN_H
#define LG_DRIVER_KVM_CONN_H

#include <libvirt/libvirt.h>

#include "driver/driver.h"
#include "driver/kvm/engine.h"

#define LG_VM_NAME_LEN (6 + LG_ID_LEN) /* "lodge-" and the id */
#define LG_VM_NS       "https://lodge.invalid/xmlns/instance/1"

struct lg_vm_usage_of; /* usage.c's */
struct lg_vm_dial;     /* conn.c's */

struct lg_engine {
    struct lg_driver_ctx ctx;
    virConnectPtr conn;      /* NULL: not connected */
    struct lg_vm_dial *dial; /* a connection on its way that a call gave up waiting for; NULL none */
    char uri[LG_VM_URI_LEN];
    bool test; /* libvirt's test driver: no disks, consoles, statistics */
    bool own;  /* the private daemon: disks are given to uid and gid */
    uid_t uid;
    gid_t gid;
    int console_lock; /* of the serial console this handle has opened, -1 none; held until close or the next
                       */
    struct lg_vm_usage_of *usage; /* owned; of all machines at usage_at (mono ms) */
    int usage_count;
    int64_t usage_at;
};

int lg_vm_open(const struct lg_driver_ctx *ctx, struct lg_engine **out, struct lg_err *e);
void lg_vm_close(struct lg_engine *g);
/* Connected and alive when this returns 0; LG_UNAVAILABLE. */
int lg_vm_connect(struct lg_engine *g, struct lg_err *e);
/* Gives up the connection: it is broken, or was. */
void lg_vm_disconnect(struct lg_engine *g);
/* A connection for somebody else's use (watch), the caller's to close. What does not come in time goes on
 * coming, and the next call of this handle waits for the same: a daemon that hangs costs one thread. */
int lg_vm_dial(struct lg_engine *g, virConnectPtr *out, struct lg_err *e);

/* The last libvirt error as ours, with `what` in front; call it right after the call that failed. */
int lg_vm_fail(struct lg_engine *g, struct lg_err *e, const char *what);
bool lg_vm_cancelled(const struct lg_engine *g);
int lg_vm_cancel_error(struct lg_err *e);

/* Our domain of this instance. *out NULL and 0: there is none, or it is somebody else's, which is never
 * touched. LG_INVALID: not an id. */
int lg_vm_find(struct lg_engine *g, const char *id, virDomainPtr *out, struct lg_err *e);
/* As above, but none is LG_NOT_FOUND. */
int lg_vm_need(struct lg_engine *g, const char *id, virDomainPtr *out, struct lg_err *e);
/* LG_CONFLICT when a foreign domain has the id or the name of this instance, which has no domain. */
int lg_vm_check_free(struct lg_engine *g, const char *id, struct lg_err *e);
/* Of our site? Fills the instance id. */
bool lg_vm_ours(struct lg_engine *g, virDomainPtr d, char id[LG_ID_LEN]);

static inline void lg_vm_domain_free(virDomainPtr *d)
{
    if (*d)
        virDomainFree(*d);
}
#define lg_cleanup_domain __attribute__((cleanup(lg_vm_domain_free)))

#endif
