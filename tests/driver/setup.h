/* What driver tests share: a state directory, settings, an engine of their own, a network and specs. */
#ifndef LG_TEST_DRIVER_SETUP_H
#define LG_TEST_DRIVER_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dockerd.h"
#include "driver/driver.h"
#include "model/net.h"

#define BASE_REF "localhost/lodge-base:1"

struct rig {
    const struct lg_driver *d;
    struct lg_conf conf;
    char site[LG_ID_LEN], dir[64], base_tar[128], socket[128];
    volatile sig_atomic_t cancel;
    struct lg_driver_ctx ctx;
    struct lg_engine *g;
    pid_t service;         /* Podman's; 0 with the others */
    struct dockerd docker; /* with "docker": .daemon is the service */
    bool vm;               /* "kvm": real guests, .service is the private libvirtd */
    bool real;             /* there are containers and processes: the fake has none */
    struct lg_net net;
    const struct lg_net *second; /* removed at the end too, may be NULL */
};

/* Makes everything; false (with a reason printed) when the engine cannot be had here. `engine`: "podman" or
 * "docker", both by the container driver; "kvm", real guests in software; "kvm-test", the same driver on
 * libvirt's test driver, without an image; or the name of a driver. */
bool rig_up(struct rig *r, const char *engine);
void rig_down(struct rig *r);
/* Ends and starts the engine's service; containers stay. */
void rig_restart_service(struct rig *r);
void rig_kill_service(struct rig *r);
void rig_start_service(struct rig *r);
pid_t rig_service(const struct rig *r); /* 0 with the fake */

struct lg_net_spec rig_net(const struct lg_net *n);
/* A spec in network `n` with host number `host`; the strings live in `store`. */
struct store {
    char id[LG_ID_LEN], address[16], mac[18];
    const char *command[8];
    struct lg_vm_spec vm; /* with the drivers of virtual machines; `sh` is then ignored */
    struct lg_port_spec ports[2];
};
struct lg_inst_spec rig_spec(struct rig *r, const struct lg_net *n, int host, struct store *s,
                             const char *sh);

/* Asserts success and shows the engine's sentence when there was none. */
#define ok(e, call)                                                                                          \
    do {                                                                                                     \
        int rc_ = (call);                                                                                    \
        if (rc_)                                                                                             \
            fail_msg("%s: %s (%s)", #call, (e)->msg, lg_code_name((e)->code));                               \
    } while (0)

/* Waits, up to 20 s, until the condition holds; fails with its text otherwise. */
#define until(cond)                                                                                          \
    do {                                                                                                     \
        int tries_ = 400;                                                                                    \
        while (!(cond) && --tries_)                                                                          \
            usleep(50000);                                                                                   \
        if (!tries_)                                                                                         \
            fail_msg("never: %s", #cond);                                                                    \
    } while (0)

enum lg_run rig_run(struct rig *r, const char *id);
/* Does the log hold this text now? */
bool rig_log_has(struct rig *r, const char *id, const char *text);

#endif
