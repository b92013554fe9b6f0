#include "setup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/proc.h"
#include "base/route.h"
#include "driver/container/engine.h"
#include "driver/kvm/engine.h"

/* A range that nothing else on this host uses, such as a bridge that a killed run left. */
static const char *free_pool(void)
{
    static const char *const pools[] = {"10.91.0.0/16", "10.92.0.0/16", "10.98.0.0/16", "10.99.0.0/16"};
    char via[IFNAMSIZ];
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++)
        if (!lg_route_elsewhere(pools[i], "none of ours", via))
            return pools[i];
    fail_msg("%s and the others are in use on this host, the last by %s", pools[0], via);
    return NULL;
}

static int run_program(const char *const *argv, struct lg_buf *out)
{
    struct lg_err e = {0};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    return lg_proc_run(&p, 120000, out, NULL, &e);
}

static bool installed(const char *program)
{
    const char *const argv[] = {"which", program, NULL};
    return run_program(argv, NULL) == 0;
}

static void start_podman(struct rig *r)
{
    struct lg_engine_cmd cmd;
    struct lg_err e = {0};
    ok(&e, lg_engine_prepare(&r->conf, &cmd, &e));
    struct lg_proc p = {.argv = cmd.argv,
                        .env = cmd.env,
                        .cwd = r->conf.state_dir, /* containers' monitors leave a file where they are */
                        .stdout_fd = -1,
                        .stderr_fd = getenv("LODGE_TEST_NOISE") ? 2 : -1,
                        .die_with_parent = 1};
    r->service = lg_proc_start(&p, &e);
    assert_true(r->service > 0);
}

static void start_libvirtd(struct rig *r)
{
    struct lg_err e = {0};
    pid_t parent = getpid();
    r->service = fork();
    assert_true(r->service >= 0);
    if (r->service)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (!getenv("LODGE_TEST_NOISE") && (dup2(null, 1) < 0 || dup2(null, 2) < 0))
        _exit(1);
    close_range(3, ~0U, 0);
    lg_vm_engine_exec(&r->conf, &e);
    fprintf(stderr, "%s\n", e.msg);
    _exit(1);
}

void rig_start_service(struct rig *r)
{
    struct lg_err e = {0};
    if (r->vm)
        start_libvirtd(r);
    else if (!*r->docker.dir)
        start_podman(r);
    else if (r->docker.containerd)
        dockerd_revive(&r->docker);
    else
        dockerd_start(&r->docker);
    until(!r->d->probe(r->g, NULL, &e));
}

void rig_kill_service(struct rig *r)
{
    if (*r->docker.dir) {
        dockerd_kill(&r->docker);
        return;
    }
    kill(r->service, SIGKILL);
    waitpid(r->service, NULL, 0);
    r->service = 0;
}

pid_t rig_service(const struct rig *r)
{
    return *r->docker.dir ? r->docker.daemon : r->service;
}

void rig_restart_service(struct rig *r)
{
    if (!rig_service(r))
        return;
    rig_kill_service(r);
    rig_start_service(r);
}

static void settings(struct rig *r, bool docker)
{
    struct lg_err e = {0};
    char socket[96];
    snprintf(r->dir, sizeof r->dir, "/tmp/lodge-driver-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(chmod(r->dir, 0755), 0); /* guests' processes run as somebody else */
    setenv("LODGE_STATE", r->dir, 1);
    setenv("LODGE_SUBNET_POOL", free_pool(), 1);
    setenv("LODGE_ENGINE_TIMEOUT_MS", "20000", 0);
    setenv("LODGE_VM_ACCELERATOR", "tcg", 1); /* a KVM that opens may still hang every guest */
    snprintf(socket, sizeof socket, "%s/docker.sock", r->dir);
    setenv("LODGE_ENGINE_SOCKET", docker ? socket : "", 1);
    if (docker)
        memcpy(r->docker.dir, r->dir, sizeof r->docker.dir);
    ok(&e, lg_conf_load(&r->conf, &e));
    snprintf(r->conf.bin_dir, sizeof r->conf.bin_dir, "%s", LODGE_BIN_DIR);
    lg_id_new(r->site);
    r->ctx = (struct lg_driver_ctx){&r->conf, r->site, &r->cancel};
}

/* A number of a network that nobody on this host uses: tests may run side by side. */
static void own_network(struct rig *r, struct lg_net *n, int number)
{
    struct lg_err e = {0};
    ok(&e, lg_net_of(r->conf.subnet_pool, r->site, number, n, &e));
}

/* Why this engine cannot be had here; NULL: it can. */
static const char *lacks(const struct rig *r, bool docker)
{
    if (!r->real)
        return NULL;
    if (geteuid())
        return "needs root";
    if (!installed("nft"))
        return "nft is not installed";
    if (r->vm && (!installed("/usr/sbin/libvirtd") || !installed("qemu-system-x86_64")))
        return "libvirtd or QEMU is not installed";
    if (r->vm)
        return NULL;
    if (docker)
        return dockerd_installed() ? NULL : "dockerd or containerd is not installed";
    return installed("podman") ? NULL : "podman is not installed";
}

/* The base image, or the tiny machine, which is built once on this host. */
static void build_image(struct rig *r)
{
    snprintf(r->base_tar, sizeof r->base_tar, "%s/%s", r->dir, r->vm ? "tiny.qcow2" : "base.tar");
    const char *const base[] = {"fcgi/driver/images/base/build", r->base_tar, NULL};
    const char *const tiny[] = {"env", "LODGE_IMAGE_CACHE=/var/tmp/lodge-images",
                                "fcgi/driver/images/tiny/build", r->base_tar, NULL};
    assert_int_equal(run_program(r->vm ? tiny : base, NULL), 0);
}

bool rig_up(struct rig *r, const char *engine)
{
    struct lg_err e = {0};
    memset(r, 0, sizeof *r);
    bool docker = !strcmp(engine, "docker"), test = !strcmp(engine, "kvm-test");
    r->vm = !strcmp(engine, "kvm");
    r->real = docker || r->vm || !strcmp(engine, "podman");
    r->d = lg_driver_find(test ? "kvm" : r->real && !r->vm ? "container" : engine);
    assert_non_null(r->d);
    const char *why = lacks(r, docker);
    if (why) {
        print_message("skipped %s: %s\n", engine, why);
        return false;
    }
    setenv("LODGE_LIBVIRT_URI", test ? "test:///default" : "", 1);
    ok(&e, lg_crypto_init(&e));
    settings(r, docker);
    own_network(r, &r->net, 1 + (int)(lg_clock_mono_us() % 100));
    ok(&e, r->d->open(&r->ctx, &r->g, &e));
    if (r->real)
        rig_start_service(r);
    if (test)
        return true;
    build_image(r);
    struct lg_image_info info;
    struct lg_import im = {.path = r->base_tar, .ref = BASE_REF};
    ok(&e, r->d->image_import(r->g, &im, NULL, NULL, &info, &e));
    return true;
}

static int remove_one(void *arg, const struct lg_inst_status *st)
{
    struct rig *r = arg;
    struct lg_engine *g;
    struct lg_err e = {0};
    ok(&e, r->d->open(&r->ctx, &g, &e));
    ok(&e, r->d->remove(g, st->id, true, &e));
    r->d->close(g);
    return 0;
}

static void remove_dir(const char *dir)
{
    const char *const argv[] = {"rm", "-rf", "--one-file-system", dir, NULL};
    run_program(argv, NULL);
}

/* Nothing of ours may be left on the host. */
static void check_left(struct rig *r)
{
    lg_cleanup_buf struct lg_buf out = {0};
    const char *const links[] = {"ip", "-br", "link", NULL}, *const tables[] = {"nft", "list", "tables",
                                                                                NULL};
    const char *const processes[] = {"ps", "-eo", "args", NULL};
    run_program(links, &out);
    run_program(tables, &out);
    run_program(processes, &out);
    char site8[9], prefix[16];
    snprintf(site8, sizeof site8, "%.8s", r->site);
    snprintf(prefix, sizeof prefix, "lg%.4sn", r->site);
    assert_null(strstr(lg_buf_cstr(&out), site8));
    assert_null(strstr(lg_buf_cstr(&out), prefix));
    assert_null(strstr(lg_buf_cstr(&out), r->dir));
}

void rig_down(struct rig *r)
{
    struct lg_err e = {0};
    char path[256], run_dir[64];
    r->cancel = 0;
    ok(&e, r->d->list(r->g, remove_one, r, &e));
    struct lg_net_spec net = rig_net(&r->net);
    ok(&e, r->d->network_remove(r->g, &net, &e));
    if (r->second) {
        net = rig_net(r->second);
        ok(&e, r->d->network_remove(r->g, &net, &e));
    }
    r->d->close(r->g);
    if (*r->docker.dir)
        dockerd_stop(&r->docker);
    else if (r->service)
        rig_kill_service(r);
    lg_engine_run_dir(&r->conf, run_dir, sizeof run_dir);
    snprintf(path, sizeof path, "%s/engine/storage/overlay", r->dir);
    umount2(path, MNT_DETACH); /* the engine's own mount point */
    until((check_left(r), true));
    remove_dir(r->dir);
    remove_dir(run_dir);
    lg_vm_run_dir(&r->conf, run_dir, sizeof run_dir);
    remove_dir(run_dir);
}

struct lg_net_spec rig_net(const struct lg_net *n)
{
    return (struct lg_net_spec){n->name, n->bridge, n->subnet, n->gateway};
}

struct lg_inst_spec rig_spec(struct rig *r, const struct lg_net *n, int host, struct store *s, const char *sh)
{
    memset(s, 0, sizeof *s);
    lg_id_new(s->id);
    lg_net_host(n, host, s->address, s->mac);
    if (sh) {
        s->command[0] = "sh";
        s->command[1] = "-c";
        s->command[2] = sh;
    }
    bool vm = !strcmp(r->d->backend, "kvm");
    s->vm.disk_bytes = (int64_t)256 << 20;
    s->vm.vcpus_max = 2;
    s->vm.memory_max_bytes = (int64_t)256 << 20;
    static const char *const env[] = {"GREETING=hello=world\nsecond line", NULL};
    return (struct lg_inst_spec){.id = s->id,
                                 .name = "web",
                                 .image = BASE_REF,
                                 .command = s->command,
                                 .env = env,
                                 .ports = s->ports,
                                 .cpu_millis = vm ? 1000 : 500,
                                 .memory_bytes = (vm ? 192 : 64) << 20,
                                 .pids_limit = 64,
                                 .net = rig_net(n),
                                 .address = s->address,
                                 .mac = s->mac,
                                 .vm = vm ? &s->vm : NULL};
}

enum lg_run rig_run(struct rig *r, const char *id)
{
    struct lg_inst_status st;
    struct lg_err e = {0};
    ok(&e, r->d->inspect(r->g, id, &st, &e));
    return st.run;
}

bool rig_log_has(struct rig *r, const char *id, const char *text)
{
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf b = {0};
    ok(&e, r->d->log_tail(r->g, id, 1000, &b, &e));
    return strstr(lg_buf_cstr(&b), text) != NULL;
}
