/*
 * What an engine can do for Lodge: one table of verbs per kind of engine.
 *
 * Called by lodge-runner's processes only, each with a handle it opened itself after fork. Verbs may block,
 * up to `engine_timeout_ms` without progress; they give up with LG_CANCELLED soon after `*ctx.cancel` becomes
 * non-zero. Every verb is idempotent by instance id: calling it again after a crash, at any point, ends in
 * the same state and makes nothing twice. A verb an engine does not have is NULL in its table; only the
 * wrappers at the end look at that and answer LG_UNSUPPORTED.
 *
 * Errors: LG_UNAVAILABLE the engine does not answer · LG_NOT_FOUND no such image, container or network ·
 * LG_BACKEND the engine refused, its own sentence in `msg` · LG_TIMEOUT · LG_CANCELLED · LG_INVALID.
 * Nothing here reads the database or knows HTTP of the outside.
 */
#ifndef LG_DRIVER_DRIVER_H
#define LG_DRIVER_DRIVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/id.h"

/* Everything made in an engine carries these labels; nothing without our site's label is ever touched. */
#define LG_LABEL_SITE     "lodge.site"
#define LG_LABEL_INSTANCE "lodge.instance"

#define LG_REF_LEN  256
#define LG_ADDR_LEN 46

struct lg_driver_ctx { /* what every handle is opened with; the strings outlive it */
    const struct lg_conf *conf;
    const char *site;                    /* UUID of this Lodge: value of lodge.site */
    const volatile sig_atomic_t *cancel; /* may be NULL */
};

/* A tenant's network: a bridge of its own. `bridge` is at most 15 characters; name and bridge are unique on
 * the host. */
struct lg_net_spec {
    const char *name;    /* engine's name, "lodge-<site8>-<n>" */
    const char *bridge;  /* host interface, "lg<site4>n<n>" */
    const char *subnet;  /* 10.90.3.0/24 */
    const char *gateway; /* 10.90.3.1: the host's address on the bridge, DNS answers there */
};

/* One address of it, for a container that is no instance. */
struct lg_net_place {
    struct lg_net_spec net;
    const char *address, *mac; /* of the network's address plan */
};

struct lg_port_spec {
    uint16_t host_port, instance_port; /* published at conf->publish_address */
    const char *protocol;              /* "tcp" or "udp" */
};

/* A volume of the tenant's own in an instance. The runner has made its source before a driver sees it. */
struct lg_volume_spec {
    const char *id;
    bool block;         /* a raw disk, for VMs alone; else a file system, for containers alone */
    const char *source; /* block: the raw file; else a host directory that the volume is mounted on */
    const char *target; /* absolute path in the instance; "" of a block one */
    bool read_only;
};

/* A further network card, on one of the tenant's own networks: plain layer 2, no DHCP, no DNS, no way out.
 * The bridge is there before a driver sees it. */
struct lg_nic_spec {
    const char *bridge;  /* host interface, "lg<site4>x<n>" */
    const char *mac;     /* 02:6e:…, the same as long as it is attached */
    const char *address; /* IPv4, static */
    int prefix;          /* bits of the network's mask */
};

enum lg_restart { LG_RESTART_NO, LG_RESTART_ON_FAILURE, LG_RESTART_ALWAYS, LG_RESTART_UNLESS_STOPPED };

/*
 * What only a virtual machine has; `cpu_millis` rounded up to whole cores are its vCPUs, `memory_bytes` its
 * memory. Text from a tenant (user_data, meta_data, keys) is data: it reaches the guest, never a command line
 * or XML.
 */
struct lg_vm_spec {
    int vcpus_max;            /* what a running one can grow to without a restart; 0: as many as it has */
    int64_t memory_max_bytes; /* the same for memory */
    int64_t disk_bytes;       /* root disk; 0 or less than the image's own size: as the image */
    const char *disk_format;  /* "qcow2" (copy on write, default for NULL and "") or "raw" (a full copy) */
    const char *user_data;    /* cloud-init's, as the tenant wrote it; joined with ours. NULL none */
    const char *meta_data;    /* JSON object whose members join instance-id and local-hostname. NULL none */
    const char *const *ssh_keys; /* NULL-terminated OpenSSH public keys; NULL none */
    const char *login;           /* the image's user that the keys are for; NULL or "": the image's default */
    bool uefi, tpm;
    const char *gpu; /* PCI address of a host device to pass through, "0000:01:00.0"; NULL none */
};

/* What an instance should be. Built by job/ from the database; borrowed for the call. */
struct lg_inst_spec {
    const char *id;             /* our UUID; the engine's name is "lodge-<id>" */
    const char *name;           /* host name and DNS name inside the tenant's network */
    const char *image;          /* engine reference that image_find resolves */
    const char *const *command; /* NULL-terminated; NULL or empty: the image's own */
    const char *const *env;     /* NULL-terminated "K=V", secrets in clear */
    const struct lg_port_spec *ports;
    int port_count;
    enum lg_restart restart;
    int64_t cpu_millis;   /* 1000 is one core; 0 unlimited */
    int64_t memory_bytes; /* hard limit without swap; 0 unlimited */
    int64_t pids_limit;
    int64_t layer_bytes; /* a container's own layer; 0 unlimited. Where it cannot be held to it: see layer */
    bool no_network;     /* networkMode none: loopback alone; net, address and mac are not to be used */
    struct lg_net_spec net;
    const char *address; /* IPv4 in net.subnet, the same for the instance's whole life */
    const char *mac;     /* 02:xx:…, the same for the instance's whole life */
    const struct lg_volume_spec *volumes;
    int volume_count;
    const struct lg_nic_spec *nics; /* after the first one, in this order */
    int nic_count;
    const struct lg_vm_spec *vm; /* virtual machines only, NULL for a container */
};

/* ASLEEP: switched off with its memory on disk; a start or wake goes on where it was. */
enum lg_run { LG_RUN_ABSENT, LG_RUN_CREATED, LG_RUN_RUNNING, LG_RUN_PAUSED, LG_RUN_EXITED, LG_RUN_ASLEEP };

/* What an instance is, as the engine says now. */
struct lg_inst_status {
    char id[LG_ID_LEN];   /* lodge.instance of the container; "" in a foreign one */
    char ref[LG_REF_LEN]; /* the engine's own id */
    enum lg_run run;
    int exit_code; /* with LG_RUN_EXITED */
    bool oom_killed;
    int64_t started_at, finished_at; /* epoch ms, 0 unknown */
    char address[LG_ADDR_LEN];       /* on the tenant's network, "" when down */
    int64_t pid;                     /* first process on the host, 0 when down */
    /* Virtual machines only: */
    bool agent;       /* the guest agent answers */
    char pending[64]; /* "vcpus", "memory", "vcpus memory": wishes that wait for the next start; "" none */
    char why[64];     /* how it ended, for a person: "the guest powered off"; "" for a container */
};

struct lg_usage {
    int64_t cpu_us; /* CPU time used since start, µs */
    int64_t memory_bytes, memory_limit_bytes;
    int64_t rx_bytes, tx_bytes;
    int64_t disk_bytes; /* writable layer; -1 unknown */
    int64_t pids;
};

/* What a container has written into its own layer. */
struct lg_layer {
    int64_t bytes;
    bool hard; /* the file system itself keeps it within layer_bytes */
};

struct lg_image_info {
    char id[LG_REF_LEN];     /* the engine's image id, "sha256:…" */
    char digest[LG_REF_LEN]; /* repository digest or ""; of a disk image "sha256:…" of the imported file */
    int64_t size_bytes;      /* what it takes on the host */
    char format[8];          /* of a disk image as it was imported, "qcow2" or "raw"; "" for a container's */
    int64_t virtual_bytes;   /* of a disk image: the smallest root disk it fits on; else 0 */
};

/* A file to be made an image. It may be read by other processes and is never moved. */
struct lg_import {
    const char *path, *ref;
    const char *format; /* of a disk image, "qcow2" or "raw"; NULL or "": look at the file */
    const char *sha256; /* 64 hexadecimal digits it must have; NULL or "": any. LG_INVALID when it differs */
};

enum lg_console { LG_CONSOLE_SERIAL, LG_CONSOLE_VNC };

struct lg_engine_info {
    char type[16]; /* "podman", "docker", "qemu-kvm", "qemu-tcg", "fake" */
    char version[64], api_version[32];
    char accel[8];    /* of virtual machines: "kvm" or "tcg" (software, slow); "" for containers */
    char notice[160]; /* something a person should know although it works, "" none */
};

/* Told of progress; `fraction` 0…1 or -1 when unknown. `text` is one short line. Called on the verb's own
 * process. */
typedef void lg_progress_fn(void *arg, double fraction, const char *text);
/* One item of a listing; return non-zero to stop. */
typedef int lg_status_fn(void *arg, const struct lg_inst_status *st);
/* One engine event: something happened to this instance (id); look at it. Non-zero return ends the watch. */
typedef int lg_watch_fn(void *arg, const char *instance_id, const char *what);

struct lg_sandbox_ops; /* driver/sandbox.h */
struct lg_oneshot_ops; /* driver/oneshot.h */
struct lg_engine;      /* a driver's open handle; private to it */

struct lg_driver {
    const char *name;    /* "container", "kvm", "fake", "fake-vm" */
    const char *backend; /* as the API says it: "docker" or "kvm" */

    /* Opens a handle; does not yet speak to the engine. */
    int (*open)(const struct lg_driver_ctx *ctx, struct lg_engine **out, struct lg_err *e);
    void (*close)(struct lg_engine *g); /* NULL is fine */

    /* Health check; fills info when it is not NULL. As every call it may take the handle's engine_timeout_ms:
     * who must not wait for an engine that hangs opens its handle with less. */
    int (*probe)(struct lg_engine *g, struct lg_engine_info *info, struct lg_err *e);

    /* Images. pull: from a registry, LG_BACKEND with the registry's sentence. import: for containers a tar
     * file of a root file system or an image archive (docker save / oci), for virtual machines a disk, stored
     * as `ref`. LG_INVALID: not such a file, damaged, or (a disk) one that refers to other files. */
    int (*image_find)(struct lg_engine *g, const char *ref, struct lg_image_info *info, struct lg_err *e);
    int (*image_pull)(struct lg_engine *g, const char *ref, lg_progress_fn *fn, void *arg,
                      struct lg_image_info *info, struct lg_err *e);
    int (*image_import)(struct lg_engine *g, const struct lg_import *im, lg_progress_fn *fn, void *arg,
                        struct lg_image_info *info, struct lg_err *e);
    int (*image_remove)(struct lg_engine *g, const char *ref,
                        struct lg_err *e); /* absent: 0; in use: LG_CONFLICT */

    /* The tenant's network in the engine, with isolation in force before this returns. remove: absent is 0.
     */
    int (*network_ensure)(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e);
    int (*network_remove)(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e);

    /* create: makes it without starting; a leftover of the same id is checked by its labels and reused if it
     * fits. start: applies limits, address, restart policy again; running already is 0. stop: TERM, then KILL
     * after timeout_s; not running is 0. restart policy must not revive what stop ended. remove: with force
     * also when running; absent is 0. inspect: an absent one is 0 with LG_RUN_ABSENT. */
    int (*create)(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
    int (*start)(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
    int (*stop)(struct lg_engine *g, const char *id, int timeout_s, struct lg_err *e);
    int (*pause)(struct lg_engine *g, const char *id, struct lg_err *e);
    int (*unpause)(struct lg_engine *g, const char *id, struct lg_err *e);
    int (*remove)(struct lg_engine *g, const char *id, bool force, struct lg_err *e);
    int (*inspect)(struct lg_engine *g, const char *id, struct lg_inst_status *st, struct lg_err *e);
    /*
     * New limits on a running instance, without a restart. Of a virtual machine: vCPUs and memory up within
     * their ceilings at once, anything else at its next start (status.pending names it); the root disk grows
     * to vm->disk_bytes, also when it is stopped, and never shrinks (LG_INVALID).
     */
    int (*update)(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
    /*
     * Containers only: the engine started it by itself, by its restart policy. Gives it the limits of the
     * spec (id, cpu_millis, memory_bytes, pids_limit; no more is read) where the engine went back to those it
     * was made with. NULL: this engine does not.
     */
    int (*revived)(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
    /* Virtual machines only: bytes of the root disk as it is, running or not; an update that failed may have
     * grown it. */
    int (*disk_size)(struct lg_engine *g, const struct lg_inst_spec *spec, int64_t *bytes, struct lg_err *e);
    /*
     * Virtual machines only: a running one gets the disks and further cards that the spec has and it lacks,
     * and loses those that the spec has no more; one that does not run is left alone. LG_TIMEOUT: its guest
     * does not let go of something, which stays.
     */
    int (*devices)(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
    int (*usage)(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e);
    /* Containers only, running ones: measures the layer. Takes as long as there are files in it: called by a
     * process that nobody waits for. LG_STATE: it does not run; LG_UNSUPPORTED: the engine keeps it where
     * this host cannot see it. */
    int (*layer)(struct lg_engine *g, const char *id, struct lg_layer *out, struct lg_err *e);

    /*
     * Virtual machines only. suspend: memory to disk, then off (status ASLEEP); asleep already is 0. wake:
     * goes on from there; running already is 0, one that does not sleep is LG_STATE. start wakes as well;
     * stop of a sleeping one throws its memory away. reset: the reset button, of a running one; not
     * idempotent.
     */
    int (*suspend)(struct lg_engine *g, const char *id, struct lg_err *e);
    int (*wake)(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
    int (*reset)(struct lg_engine *g, const char *id, struct lg_err *e);
    /* A descriptor that speaks the console's bytes both ways (RFB without a password, or a terminal), now the
     * caller's. A serial console has one opener at a time, as long as its handle is open: another gets
     * LG_CONFLICT. Not running: LG_STATE.
     */
    int (*console_open)(struct lg_engine *g, const char *id, enum lg_console kind, int *fd, struct lg_err *e);
    /* The screen as a picture into out (its max is the cap); mime gets its type. Not running: LG_STATE. */
    int (*screenshot)(struct lg_engine *g, const char *id, struct lg_buf *out, char mime[32],
                      struct lg_err *e);

    /*
     * Containers only, running ones (LG_STATE otherwise): starts argv (NULL-terminated) on a terminal of its
     * own. *fd, now the caller's, speaks its bytes both ways until it has ended; `ref` is the engine's name
     * of it. It outlives the descriptor: exec_end ends what still runs of it, and is called once it is not
     * wanted any more. Returns its exit code, -1 when the engine does not know it.
     */
    int (*exec_open)(struct lg_engine *g, const char *id, const char *const *argv, int *fd,
                     char ref[LG_REF_LEN], struct lg_err *e);
    int (*exec_size)(struct lg_engine *g, const char *ref, int columns, int rows, struct lg_err *e);
    int (*exec_end)(struct lg_engine *g, const char *ref);

    /* Everything with our site's label. */
    int (*list)(struct lg_engine *g, lg_status_fn *fn, void *arg, struct lg_err *e);

    /* The last `lines` lines of output, both streams mixed as text, into out (its max is the cap). */
    int (*log_tail)(struct lg_engine *g, const char *id, int lines, struct lg_buf *out, struct lg_err *e);
    /*
     * The log (of a virtual machine: its serial console's output) as frames: [1|2, 0, 0, 0, length big-endian
     * u32] payload, 1 stdout, 2 stderr. Writes to `fd` (a socketpair end, blocking) until the log ends,
     * `fd`'s reader is gone, or cancel. follow: stays until the instance ends. tail < 0: everything.
     * since_ms: only lines after it, 0 all. Blocks: called on a process or thread of its own.
     */
    int (*log_stream)(struct lg_engine *g, const char *id, int tail, bool follow, int64_t since_ms, int fd,
                      struct lg_err *e);
    /* Blocks and reports engine events of our site until fn returns non-zero, cancel, or the engine goes
     * away. */
    int (*watch)(struct lg_engine *g, lg_watch_fn *fn, void *arg, struct lg_err *e);

    const struct lg_sandbox_ops *sandbox; /* for strangers' code; NULL: it has none */
    const struct lg_oneshot_ops *oneshot; /* for one command each; NULL: it has none */
};

/* The driver with this name, NULL if none. Tables live in <folder>/<name>.c and are listed in driver.c. */
const struct lg_driver *lg_driver_find(const char *name);
/* The enabled driver that serves an API backend name ("docker", "kvm"), or NULL. */
const struct lg_driver *lg_driver_for_backend(const struct lg_conf *c, const char *backend);
/* Calls fn for each driver enabled by `conf->drivers`; LG_INVALID names an unknown one. */
int lg_driver_each(const struct lg_conf *c, int (*fn)(void *arg, const struct lg_driver *d), void *arg,
                   struct lg_err *e);

/* The one place that looks for a NULL verb: `LG_VERB(driver, pause, &err, engine, id)`. */
#define LG_VERB(d, verb, e, ...)                                                                             \
    ((d)->verb ? (d)->verb(__VA_ARGS__, (e))                                                                 \
               : lg_fail((e), LG_UNSUPPORTED, "%s does not support %s", (d)->backend, #verb))

#endif
