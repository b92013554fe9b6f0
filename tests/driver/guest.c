/* Real guests: what only a machine that boots can show. `driver-guest`, in software, some minutes;
 * `driver-guest NAME` runs one test. */
#include "setup.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"
#include "driver/kvm/engine.h"
#include "driver/network/own.h"
#include "model/cidr.h"

static struct rig rig;
static int next_host = 2;
#define D rig.d
#define G rig.g

static char key[256], pub[1024];
static const char *login = "root";
static const char *keys[] = {pub, NULL};

static int run(const char *const *argv, int ms, struct lg_buf *out)
{
    struct lg_err e = {0};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    return lg_proc_run(&p, ms, out, NULL, &e);
}

static void make_key(void)
{
    char path[300];
    snprintf(key, sizeof key, "%s/key", rig.dir);
    const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, NULL};
    assert_int_equal(run(argv, 10000, NULL), 0);
    snprintf(path, sizeof path, "%s.pub", key);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(pub, sizeof pub, f));
    fclose(f);
    pub[strcspn(pub, "\n")] = 0;
}

/* The exit code of a command in the guest; 255 when ssh does not get there. Its bridge is there: it was made
 * for it. */
static int ssh(const char *address, const char *command, struct lg_buf *out)
{
    char to[64];
    snprintf(to, sizeof to, "%s@%s", login, address);
    const char *const argv[] = {"ssh", "-q",
                                "-i",  key,
                                "-o",  "StrictHostKeyChecking=no",
                                "-o",  "UserKnownHostsFile=/dev/null",
                                "-o",  "ConnectTimeout=2",
                                "-o",  "BatchMode=yes",
                                to,    command,
                                NULL};
    return run(argv, 15000, out);
}

static struct lg_inst_spec spec_of(struct store *s)
{
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, s, NULL);
    s->vm.ssh_keys = keys;
    return spec;
}

static void start(const struct lg_inst_spec *spec)
{
    struct lg_err e = {0};
    ok(&e, D->network_ensure(G, &spec->net, &e));
    ok(&e, D->create(G, spec, &e));
    ok(&e, D->start(G, spec, &e));
}

static void gone(const char *id)
{
    struct lg_err e = {0};
    struct stat st;
    char path[256];
    ok(&e, D->remove(G, id, true, &e));
    assert_int_equal(rig_run(&rig, id), LG_RUN_ABSENT);
    snprintf(path, sizeof path, "%s/vm/inst/%s", rig.dir, id);
    assert_int_not_equal(stat(path, &st), 0);
}

static struct lg_inst_status status(const char *id)
{
    struct lg_inst_status st;
    struct lg_err e = {0};
    ok(&e, D->inspect(G, id, &st, &e));
    return st;
}

static const char *in_guest(const struct store *s, const char *command, struct lg_buf *out)
{
    lg_buf_reset(out);
    if (ssh(s->address, command, out) != 0)
        return "";
    while (out->len && out->data[out->len - 1] == '\n')
        out->data[--out->len] = 0;
    return lg_buf_cstr(out);
}

/* ---- one guest lives through everything ---- */

static void slept(const struct lg_inst_spec *spec, const struct store *s)
{
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf out = {0};
    assert_string_equal(in_guest(s, "echo here > /run/memory; echo ok", &out), "ok");
    int64_t t = lg_clock_mono();
    ok(&e, D->suspend(G, s->id, &e));
    int64_t asleep = lg_clock_mono() - t;
    assert_int_equal(rig_run(&rig, s->id), LG_RUN_ASLEEP);
    t = lg_clock_mono();
    ok(&e, D->wake(G, spec, &e));
    print_message("sleep %lld ms, wake %lld ms\n", (long long)asleep, (long long)(lg_clock_mono() - t));
    until(!strcmp(in_guest(s, "cat /run/memory", &out), "here"));
}

static void resized(struct lg_inst_spec *spec, struct store *s)
{
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf out = {0};
    assert_string_equal(in_guest(s, "grep -c ^processor /proc/cpuinfo", &out), "1");
    spec->cpu_millis = 2000;
    spec->memory_bytes = (int64_t)256 << 20;
    s->vm.disk_bytes = (int64_t)384 << 20;
    ok(&e, D->update(G, spec, &e));
    assert_string_equal(status(s->id).pending, "");
    until(!strcmp(in_guest(s, "ls -d /sys/devices/system/cpu/cpu1 && cat /sys/block/vda/size", &out),
                  "/sys/devices/system/cpu/cpu1\n786432"));
    spec->cpu_millis = 1000; /* never live */
    ok(&e, D->update(G, spec, &e));
    assert_string_equal(status(s->id).pending, "vcpus");
    spec->memory_bytes = (int64_t)512 << 20; /* above what it began with */
    ok(&e, D->update(G, spec, &e));
    assert_string_equal(status(s->id).pending, "vcpus memory");
}

static void measured(const struct store *s)
{
    struct lg_err e = {0};
    struct lg_usage u;
    ok(&e, D->usage(G, s->id, &u, &e));
    assert_true(u.cpu_us > 100000 && u.memory_bytes > (8 << 20) && u.memory_limit_bytes >= (128 << 20));
    assert_true(u.rx_bytes > 0 && u.tx_bytes > 0 && u.disk_bytes > 0);
}

static void test_a_life(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_inst_spec spec = spec_of(&s);
    s.vm.user_data = "#cloud-config\nruncmd:\n  - echo 'ran <&\"> once' >> /root/ran\n";
    int64_t t = lg_clock_mono();
    start(&spec);
    print_message("running after %lld ms\n", (long long)(lg_clock_mono() - t));
    int tries = 0;
    while (strcmp(in_guest(&s, "hostname", &out), "web") && ++tries < 60)
        usleep(200000);
    print_message("SSH after %lld ms\n", (long long)(lg_clock_mono() - t));
    assert_string_equal(lg_buf_cstr(&out), "web");
    struct lg_inst_status st = status(s.id);
    assert_string_equal(st.address, s.address);
    assert_true(st.pid > 1 && st.started_at > lg_clock_ms() - 120000 && st.started_at <= lg_clock_ms());
    assert_true(rig_log_has(&rig, s.id, "tiny: ready as web"));
    until(!strcmp(in_guest(&s, "cat /root/ran", &out), "ran <&\"> once"));
    measured(&s);
    slept(&spec, &s);
    resized(&spec, &s);
    ok(&e, D->stop(G, s.id, 60, &e));
    st = status(s.id);
    assert_int_equal(st.run, LG_RUN_EXITED);
    assert_string_equal(st.why, "the guest powered off");
    ok(&e, D->start(G, &spec,
                    &e)); /* the disk is kept, cloud-init does not run twice, the wishes are fulfilled */
    assert_string_equal(status(s.id).pending, "");
    until(
        !strcmp(in_guest(&s, "cat /root/ran; grep -c ^processor /proc/cpuinfo", &out), "ran <&\"> once\n1"));
    gone(s.id);
}

/* ---- a disk and a card come to a running guest, and go ---- */

static bool described(const char *id, bool next, const char *text)
{
    char uri[LG_VM_URI_LEN], name[64];
    lg_cleanup_buf struct lg_buf out = {0};
    lg_vm_uri(&rig.conf, uri);
    snprintf(name, sizeof name, "lodge-%s", id);
    const char *const argv[] = {"virsh", "-q", "-c", uri, "dumpxml", name, next ? "--inactive" : NULL, NULL};
    assert_int_equal(run(argv, 20000, &out), 0);
    return strstr(lg_buf_cstr(&out), text) != NULL;
}

static void plugged_in(const struct lg_inst_spec *spec, const struct store *s, const char *mac)
{
    struct lg_err e = {0};
    char want[128];
    lg_cleanup_buf struct lg_buf out = {0};
    ok(&e, D->devices(G, spec, &e));
    ok(&e, D->devices(G, spec, &e)); /* what is there does not come twice */
    snprintf(want, sizeof want, "65536\ndata-of-the-test\n%s\n3", mac);
    until(!strcmp(in_guest(s,
                           "cat /sys/block/vdc/size /sys/block/vdc/serial && echo && cat "
                           "/sys/class/net/eth1/address && ls -d /sys/block/vd* | wc -l",
                           &out),
                  want));
    assert_string_equal(in_guest(s, "echo kept > /dev/vdc && sync && echo ok", &out), "ok");
    assert_true(described(s->id, true, "data,&amp;") && described(s->id, true, mac));
}

static void test_devices_come_and_go(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    char bridge[16], name[16], mac[18], disk[128], text[8] = "";
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_inst_spec spec = spec_of(&s);
    snprintf(disk, sizeof disk, "%s/data,&'.raw", rig.dir);
    lg_own_bridge(rig.site, 1, bridge);
    lg_own_nic(rig.site, 1, name, mac);
    struct lg_volume_spec v = {.id = "data-of-the-test", .block = true, .source = disk, .target = ""};
    struct lg_nic_spec n = {.bridge = bridge, .mac = mac, .address = "10.5.0.2", .prefix = 24};
    spec.volumes = &v;
    spec.nics = &n;
    int fd = open(disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && !ftruncate(fd, 32 << 20));
    ok(&e, lg_own_network_ensure(&rig.ctx, bridge, &e));
    start(&spec);
    until(!strcmp(in_guest(&s, "hostname", &out), "web"));
    spec.volume_count = spec.nic_count = 1;
    plugged_in(&spec, &s, mac);
    assert_int_equal(pread(fd, text, 4, 0), 4);
    assert_string_equal(text, "kept");
    ok(&e, D->suspend(G, s.id, &e)); /* it sleeps with them, and has them when it wakes */
    ok(&e, D->wake(G, &spec, &e));
    until(!strcmp(in_guest(&s, "head -c 4 /dev/vdc", &out), "kept"));
    spec.volume_count = spec.nic_count = 0;
    ok(&e, D->devices(G, &spec, &e));
    assert_string_equal(in_guest(&s, "ls -d /sys/block/vdc /sys/class/net/eth1 2>/dev/null; echo gone", &out),
                        "gone");
    assert_false(described(s.id, false, mac) || described(s.id, true, mac) || described(s.id, true, "data,"));
    gone(s.id);
    assert_int_equal(D->devices(G, &spec, &e), -LG_NOT_FOUND);
    ok(&e, lg_own_network_remove(&rig.ctx, bridge, true, &e));
    close(fd);
}

/* ---- a real distribution, when somebody has built it: LODGE_TEST_DEBIAN=FILE; minutes without KVM ---- */

static void test_debian(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_image_info info;
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_import im = {.path = getenv("LODGE_TEST_DEBIAN"), .ref = "localhost/debian:12"};
    if (!im.path)
        return;
    ok(&e, D->image_import(G, &im, NULL, NULL, &info, &e));
    struct lg_inst_spec spec = spec_of(&s);
    spec.image = im.ref;
    spec.memory_bytes = (int64_t)512 << 20;
    s.vm.memory_max_bytes = 0;
    s.vm.disk_bytes = (int64_t)3 << 30;
    s.vm.user_data = "#cloud-config\nwrite_files:\n  - path: /etc/lodge-was-here\n    content: here\n";
    login = "debian";
    start(&spec);
    int64_t t = lg_clock_mono();
    while (strcmp(in_guest(&s, "cloud-init status", &out), "status: done") && lg_clock_mono() - t < 600000)
        usleep(1000000);
    print_message("cloud-init is done after %lld s\n", (long long)((lg_clock_mono() - t) / 1000));
    assert_string_equal(lg_buf_cstr(&out), "status: done");
    assert_string_equal(in_guest(&s, "cat /etc/lodge-was-here; hostname", &out), "hereweb");
    until(status(s.id).agent);
    assert_true(atoll(in_guest(&s, "df --output=size -B1M / | tail -n1", &out)) > 2500); /* it has grown */
    login = "root";
    ok(&e, D->stop(G, s.id, 120, &e));
    assert_string_equal(status(s.id).why, "the guest powered off");
    gone(s.id);
}

/* ---- neighbours ---- */

static void test_neighbours_and_spoofing(void **state)
{
    (void)state;
    struct store a, b;
    lg_cleanup_buf struct lg_buf out = {0};
    char command[768], other[16], mac[18];
    struct lg_inst_spec one = spec_of(&a), two = spec_of(&b);
    start(&one);
    start(&two);
    until(!strcmp(in_guest(&a, "hostname", &out), "web") && !strcmp(in_guest(&b, "hostname", &out), "web"));
    snprintf(command, sizeof command, "ping -c 1 -W 5 %s >/dev/null && echo reached", b.address);
    until(!strcmp(in_guest(&a, command, &out), "reached"));
    /* Another's address, or a free one of the same network, and nothing answers; its own still works. */
    lg_net_host(&rig.net, 200, other, mac);
    snprintf(command, sizeof command,
             "ip addr add %s/24 dev eth0; ping -I %s -c 2 -W 2 %s >/dev/null || echo stopped; ip addr del "
             "%s/24 dev eth0",
             other, other, b.address, other);
    assert_string_equal(in_guest(&a, command, &out), "stopped");
    /* Address and MAC of a neighbour that exists, together: the pair is a valid one, but not this card's. */
    snprintf(
        command, sizeof command,
        "setsid sh -c 'sleep 1; ip link set eth0 down; ip link set eth0 address %s; ip link set eth0 up; "
        "ip addr add %s/24 dev eth0; ping -I %s -c 2 -W 2 %s && echo through > /root/spoof || "
        "echo stopped > /root/spoof; ip addr del %s/24 dev eth0; ip link set eth0 down; ip link set eth0 "
        "address "
        "%s; ip link set eth0 up; ip addr add %s/24 dev eth0' </dev/null >/dev/null 2>&1 & echo",
        mac, other, other, b.address, other, a.mac, a.address);
    in_guest(&a, command, &out);
    usleep(6000000);
    until(!strcmp(in_guest(&a, "cat /root/spoof", &out), "stopped"));
    /* Rules that somebody flushed come back with the next look at the network. */
    struct lg_err e = {0};
    char table[32];
    snprintf(table, sizeof table, "lodgevm_%.8s", rig.site);
    const char *const flush[] = {"nft", "flush", "table", "bridge", table, NULL};
    const char *const list[] = {"nft", "list", "table", "bridge", table, NULL};
    assert_int_equal(run(flush, 5000, NULL), 0);
    ok(&e, D->network_ensure(G, &one.net, &e));
    lg_buf_reset(&out);
    assert_int_equal(run(list, 5000, &out), 0);
    assert_non_null(strstr(lg_buf_cstr(&out), "@taps jump own"));
    gone(a.id);
    gone(b.id);
}

/* ---- a guest that ends, by itself or by somebody's hand ---- */

struct seen {
    pthread_t thread;
    struct lg_engine *g;
    char id[LG_ID_LEN];
    volatile int64_t die_at; /* mono ms */
    volatile bool closed;
};

static int on_event(void *arg, const char *id, const char *what)
{
    struct seen *s = arg;
    if (!strcmp(id, s->id) && (!strcmp(what, "die") || !strcmp(what, "crash")))
        s->die_at = lg_clock_mono();
    return 0;
}

static void *watch_main(void *arg)
{
    struct seen *s = arg;
    struct lg_err e = {0};
    D->watch(s->g, on_event, s, &e);
    s->closed = true;
    return NULL;
}

static void watch(struct seen *s, const char *id)
{
    struct lg_err e = {0};
    memset(s, 0, sizeof *s);
    snprintf(s->id, sizeof s->id, "%s", id);
    ok(&e, D->open(&rig.ctx, &s->g, &e));
    assert_int_equal(pthread_create(&s->thread, NULL, watch_main, s), 0);
    usleep(500000);
}

static void unwatch(struct seen *s)
{
    rig.cancel = 1;
    pthread_join(s->thread, NULL);
    rig.cancel = 0;
    D->close(s->g);
}

static void test_ends_are_seen(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct seen w;
    struct lg_inst_spec spec = spec_of(&s);
    start(&spec);
    watch(&w, s.id);
    int64_t t = lg_clock_mono();
    kill((pid_t)status(s.id).pid, SIGKILL); /* QEMU itself */
    until(w.die_at);
    print_message("its end was seen after %lld ms\n", (long long)(w.die_at - t));
    assert_true(w.die_at - t < 5000); /* of which QEMU's death takes most on a busy host */
    until(rig_run(&rig, s.id) == LG_RUN_EXITED);
    struct lg_inst_status st = status(s.id);
    assert_string_equal(st.why, "the machine crashed");
    assert_int_equal(st.exit_code, 1);
    w.die_at = 0;
    ok(&e, D->start(G, &spec, &e));
    /* Too early for the guest to hear the button: an error, and it is still on; force switches it off. */
    ok(&e, D->pause(G, s.id, &e));
    ok(&e, D->unpause(G, s.id, &e));
    assert_int_equal(D->stop(G, s.id, 1, &e), -LG_TIMEOUT);
    assert_non_null(strstr(e.msg, "with force"));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    t = lg_clock_mono();
    ok(&e, D->stop(G, s.id, 0, &e));
    until(w.die_at);
    assert_string_equal(status(s.id).why, "was switched off");
    unwatch(&w);
    gone(s.id);
}

/* ---- libvirtd killed, hung, stopped ---- */

static void test_guests_outlive_libvirtd(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct seen w;
    struct lg_inst_spec spec = spec_of(&s);
    start(&spec);
    int64_t pid = status(s.id).pid;
    watch(&w, s.id);
    rig_kill_service(&rig);
    until(w.closed); /* the watcher ends, so that it is begun anew */
    struct lg_inst_status st;
    assert_int_equal(D->inspect(G, s.id, &st, &e), -LG_UNAVAILABLE);
    rig_start_service(&rig);
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    assert_int_equal(status(s.id).pid, pid);
    unwatch(&w);
    gone(s.id);
}

/* Hung at each step of create, start and remove: a clear error in time, and afterwards the step can be done
 * again. */
static void hung(int (*step)(const struct lg_inst_spec *s, struct lg_err *e), const struct lg_inst_spec *spec)
{
    struct lg_err e = {0};
    kill(rig.service, SIGSTOP);
    int64_t t = lg_clock_mono();
    int rc = step(spec, &e);
    int64_t took = lg_clock_mono() - t;
    kill(rig.service, SIGCONT);
    assert_int_equal(rc, -LG_UNAVAILABLE);
    assert_true(took < 12000);
    until(!step(spec, &e));
}

static int do_create(const struct lg_inst_spec *s, struct lg_err *e)
{
    return D->create(G, s, e);
}
static int do_start(const struct lg_inst_spec *s, struct lg_err *e)
{
    return D->start(G, s, e);
}
static int do_remove(const struct lg_inst_spec *s, struct lg_err *e)
{
    return D->remove(G, s->id, true, e);
}

static void test_hung_libvirtd(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = spec_of(&s);
    long before = rig.conf.engine_timeout_ms;
    ok(&e, D->network_ensure(G, &spec.net, &e));
    rig.conf.engine_timeout_ms = 4000;
    D->close(G); /* the deadline is a connection's */
    ok(&e, D->open(&rig.ctx, &G, &e));
    hung(do_create, &spec);
    hung(do_start, &spec);
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    hung(do_remove, &spec);
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ABSENT);
    rig.conf.engine_timeout_ms = before;
}

static int threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (const struct dirent *f; d && (f = readdir(d));)
        n += f->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

/* However often it is asked for, one connection is on its way, and it is taken when it comes. */
static void test_a_hung_libvirtd_is_dialled_once(void **state)
{
    (void)state;
    struct lg_err e = {0};
    long before = rig.conf.engine_timeout_ms;
    ok(&e, D->probe(G, NULL, &e));
    rig.conf.engine_timeout_ms = 200;
    D->close(G);
    ok(&e, D->open(&rig.ctx, &G, &e));
    kill(rig.service, SIGSTOP);
    int rc = D->probe(G, NULL, &e), n = threads(), again = 0;
    for (int i = 0; i < 5; i++)
        again |= D->probe(G, NULL, &e) + (int)LG_UNAVAILABLE;
    int then = threads();
    kill(rig.service, SIGCONT);
    assert_int_equal(rc, -LG_UNAVAILABLE);
    assert_int_equal(again, 0);
    assert_int_equal(then, n);
    until(!D->probe(G, NULL, &e));
    until(threads() < n);
    rig.conf.engine_timeout_ms = before;
    D->close(G);
    ok(&e, D->open(&rig.ctx, &G, &e));
}

struct killer {
    pthread_t thread;
    int ms;
};

static void *kill_main(void *arg)
{
    struct killer *k = arg;
    usleep((useconds_t)k->ms * 1000);
    kill(rig.service, SIGKILL);
    return NULL;
}

/* Killed at any moment of a create, start and remove: what is done again ends in the same state and leaves
 * nothing. */
static void test_killed_libvirtd(void **state)
{
    (void)state;
    static const int moments_ms[] = {5, 60, 200, 500};
    struct lg_err e = {0};
    for (size_t i = 0; i < sizeof moments_ms / sizeof moments_ms[0]; i++) {
        struct store s;
        struct killer k = {.ms = moments_ms[i]};
        struct lg_inst_spec spec = spec_of(&s);
        ok(&e, D->network_ensure(G, &spec.net, &e));
        pthread_create(&k.thread, NULL, kill_main, &k);
        if (!D->create(G, &spec, &e) && !D->start(G, &spec, &e))
            D->remove(G, s.id, true, &e);
        pthread_join(k.thread, NULL);
        waitpid(rig.service, NULL, 0);
        rig_start_service(&rig);
        until(!D->create(G, &spec, &e));
        /* A machine that was just being started when its daemon died may look up for a moment yet. */
        until(!D->start(G, &spec, &e) && rig_run(&rig, s.id) == LG_RUN_RUNNING);
        gone(s.id);
    }
}

/* ---- strangers ---- */

static int virsh(const char *const *args, const char *input)
{
    char uri[LG_VM_URI_LEN];
    const char *argv[8] = {"virsh", "-q", "-c", uri};
    struct lg_err e = {0};
    lg_vm_uri(&rig.conf, uri);
    for (int i = 0; args[i]; i++)
        argv[4 + i] = args[i];
    struct lg_proc p = {.argv = argv,
                        .input = input,
                        .input_len = input ? strlen(input) : 0,
                        .stdout_fd = -1,
                        .stderr_fd = -1};
    return lg_proc_run(&p, 20000, NULL, NULL, &e);
}

static int count(void *arg, const struct lg_inst_status *st)
{
    (void)st;
    ++*(int *)arg;
    return 0;
}

static void test_foreign_domains(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = spec_of(&s);
    char name[64], xml[512], path[128];
    int n = 0;
    snprintf(name, sizeof name, "lodge-%s", s.id);
    snprintf(xml, sizeof xml,
             "<domain type='qemu'><name>%s</name><memory>65536</memory><os><type>hvm</type></os></domain>",
             name);
    snprintf(path, sizeof path, "%s/foreign.xml", rig.dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(xml, f);
    fclose(f);
    const char *const define[] = {"define", path, NULL}, *const info[] = {"dominfo", name, NULL},
                      *const undefine[] = {"undefine", name, NULL};
    ok(&e, D->network_ensure(G, &spec.net, &e));
    assert_int_equal(virsh(define, NULL), 0);
    assert_int_equal(D->create(G, &spec, &e), -LG_CONFLICT);
    assert_int_equal(D->start(G, &spec, &e), -LG_NOT_FOUND);
    ok(&e, D->remove(G, s.id, true, &e));
    ok(&e, D->list(G, count, &n, &e));
    assert_int_equal(n, 0);
    assert_int_equal(virsh(info, NULL), 0); /* untouched */
    assert_int_equal(virsh(undefine, NULL), 0);
    gone(s.id);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign_domains),     cmocka_unit_test(test_a_life),
        cmocka_unit_test(test_ends_are_seen),       cmocka_unit_test(test_guests_outlive_libvirtd),
        cmocka_unit_test(test_hung_libvirtd),       cmocka_unit_test(test_a_hung_libvirtd_is_dialled_once),
        cmocka_unit_test(test_killed_libvirtd),     cmocka_unit_test(test_neighbours_and_spoofing),
        cmocka_unit_test(test_devices_come_and_go), cmocka_unit_test(test_debian),
    };
    if (!rig_up(&rig, "kvm"))
        return 0;
    make_key();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests_name("guest", tests, NULL, NULL);
    rig_down(&rig);
    return failed;
}
