/* What goes wrong around real machines, without waiting for any guest to boot: `driver-guest_faults [NAME]`.
 */
#include "setup.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "driver/kvm/engine.h"

static struct rig rig;
static int next_host = 2;
#define D rig.d
#define G rig.g

#define NASTY "a<b>&\"c' ]]>,=\n\t\x01\xff<!--x--><?y?>%s$(reboot)"

static struct lg_inst_spec spec_of(struct store *s)
{
    struct lg_err e = {0};
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, s, NULL);
    ok(&e, D->network_ensure(G, &spec.net, &e));
    return spec;
}

static void made_and_started(const struct lg_inst_spec *spec)
{
    struct lg_err e = {0};
    ok(&e, D->create(G, spec, &e));
    ok(&e, D->start(G, spec, &e));
    assert_int_equal(rig_run(&rig, spec->id), LG_RUN_RUNNING);
}

/* Removed, and nothing of it is left: no domain, no file. */
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

/* ---- bad input ---- */

/* Every string of a spec that reaches libvirt and QEMU, with what XML, QEMU's options and a shell give a
 * meaning. */
static void test_metacharacters(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    static const char *const keys[] = {"ssh-ed25519 AAAA " NASTY, NULL};
    char disk[160], uri[LG_VM_URI_LEN], name[64];
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_inst_spec spec = spec_of(&s);
    snprintf(disk, sizeof disk, "%s/a<b>&\"c' ]]>,=%%s.raw", rig.dir);
    FILE *f = fopen(disk, "we");
    assert_true(f && !ftruncate(fileno(f), 1 << 20));
    fclose(f);
    struct lg_volume_spec v = {.id = "5e4a1d0c", .block = true, .source = disk, .target = ""};
    spec.name = NASTY;
    spec.volumes = &v;
    spec.volume_count = 1;
    s.vm.ssh_keys = keys;
    s.vm.login = NASTY;
    s.vm.user_data = "#cloud-config\nhostname: \"" NASTY "\"\n";
    made_and_started(&spec);
    lg_vm_uri(&rig.conf, uri);
    snprintf(name, sizeof name, "lodge-%s", s.id);
    const char *const argv[] = {"virsh", "-q", "-c", uri, "desc", name, "--title", NULL};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    assert_int_equal(lg_proc_run(&p, 20000, &out, NULL, &e), 0);
    assert_non_null(strstr(lg_buf_cstr(&out), "a<b>&\"c' ]]>,= ")); /* as one piece of text */
    gone(s.id);
    v.id = NASTY; /* a disk's serial: libvirt takes none of them, and says so */
    assert_int_equal(D->create(G, &spec, &e), -LG_BACKEND);
    assert_non_null(strstr(e.msg, "serial"));
    gone(s.id);
    s.vm.gpu = "0000:01:00.0'/><x";
    assert_int_equal(D->create(G, &spec, &e), -LG_INVALID);
    gone(s.id);
}

static void test_large_user_data(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = spec_of(&s);
    char *large = malloc(((size_t)10 << 20) + 1);
    assert_non_null(large);
    memset(large, 'x', (size_t)10 << 20);
    large[(size_t)10 << 20] = 0;
    memcpy(large, "#!/bin/sh\n", 10);
    s.vm.user_data = large;
    assert_int_equal(D->create(G, &spec, &e), -LG_TOO_LARGE);
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ABSENT);
    free(large);
    s.vm.user_data = NULL;
    made_and_started(&spec); /* the failed one is in nobody's way */
    gone(s.id);
}

/* ---- the host ---- */

static void full_disk(const char *format, const char *size)
{
    struct lg_err e = {0};
    struct store s;
    char dir[200];
    struct lg_inst_spec spec = spec_of(&s);
    s.vm.disk_format = format;
    snprintf(dir, sizeof dir, "%s/vm/inst", rig.dir);
    assert_int_equal(mount("tiny", dir, "tmpfs", 0, size), 0);
    int rc = D->create(G, &spec, &e);
    enum lg_run run = rig_run(&rig, s.id);
    struct lg_err removal = {0};
    int removed = D->remove(G, s.id, true, &removal);
    assert_int_equal(umount(dir), 0);
    if (rc != -LG_STORAGE)
        fail_msg("%s: %s", lg_code_name(e.code), e.msg);
    assert_int_equal(run, LG_RUN_ABSENT);
    assert_int_equal(removed, 0);
    gone(s.id);
}

static void test_full_disk(void **state)
{
    (void)state;
    full_disk("raw", "size=4m"); /* in the middle of the copy */
    full_disk("qcow2", "size=16k");
}

/* The template's file, moved out of its folder or back. */
static void move_template(bool away)
{
    char dir[160], from[512], to[512];
    snprintf(dir, sizeof dir, "%s%s", rig.dir, away ? "/vm/images" : "");
    DIR *d = opendir(dir);
    assert_non_null(d);
    const struct dirent *f;
    while ((f = readdir(d)) && (!strstr(f->d_name, ".qcow2") || (!away && strncmp(f->d_name, "moved-", 6))))
        ;
    assert_non_null(f);
    snprintf(from, sizeof from, "%s/%s", dir, f->d_name);
    snprintf(to, sizeof to, away ? "%s/moved-%s" : "%s/vm/images/%s", rig.dir, f->d_name + (away ? 0 : 6));
    closedir(d);
    assert_int_equal(rename(from, to), 0);
}

static void test_template_deleted_under_use(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store a, b;
    struct lg_inst_spec one = spec_of(&a), two = spec_of(&b);
    made_and_started(&one);
    assert_int_equal(D->image_remove(G, BASE_REF, &e), -LG_CONFLICT);
    move_template(true); /* by somebody who did not ask */
    assert_int_equal(rig_run(&rig, a.id), LG_RUN_RUNNING);
    lg_err_clear(&e);
    assert_int_equal(D->create(G, &two, &e), -LG_NOT_FOUND);
    assert_int_equal(rig_run(&rig, b.id), LG_RUN_ABSENT);
    gone(b.id);
    ok(&e, D->stop(G, a.id, 0, &e));
    lg_err_clear(&e);
    assert_true(D->start(G, &one, &e) < 0);
    assert_true(strlen(e.msg) > 20);
    assert_int_equal(rig_run(&rig, a.id), LG_RUN_EXITED);
    move_template(false);
    ok(&e, D->start(G, &one, &e)); /* its disk was kept */
    gone(a.id);
}

/* ---- libvirtd, stopped before each step ---- */

static void stopped(int (*step)(const struct lg_inst_spec *s, struct lg_err *e),
                    const struct lg_inst_spec *spec)
{
    struct lg_err e = {0};
    kill(rig.service, SIGTERM);
    waitpid(rig.service, NULL, 0);
    int64_t t = lg_clock_mono();
    int rc = step(spec, &e);
    if (rc != -LG_UNAVAILABLE)
        fail_msg("%s: %s", lg_code_name(e.code), e.msg);
    assert_true(lg_clock_mono() - t < 15000);
    rig_start_service(&rig);
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
static int do_stop(const struct lg_inst_spec *s, struct lg_err *e)
{
    return D->stop(G, s->id, 0, e);
}
static int do_remove(const struct lg_inst_spec *s, struct lg_err *e)
{
    return D->remove(G, s->id, true, e);
}

static void test_stopped_libvirtd(void **state)
{
    (void)state;
    struct store s;
    struct lg_inst_spec spec = spec_of(&s);
    stopped(do_create, &spec);
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_CREATED);
    stopped(do_start, &spec);
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    stopped(do_stop, &spec);
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_EXITED);
    stopped(do_remove, &spec);
    gone(s.id);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metacharacters),   cmocka_unit_test(test_large_user_data),
        cmocka_unit_test(test_full_disk),        cmocka_unit_test(test_template_deleted_under_use),
        cmocka_unit_test(test_stopped_libvirtd),
    };
    if (!rig_up(&rig, "kvm"))
        return 0;
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests_name("guest faults", tests, NULL, NULL);
    rig_down(&rig);
    return failed;
}
