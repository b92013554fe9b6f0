/*
 * What machines are made from: hostile disk images, XML metacharacters, seeds. No guest runs; of libvirt only
 * its test driver, so it takes seconds.
 */
#include "setup.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "driver/kvm/kvm.h"
#include "driver/kvm/spec.h"
#include "driver/kvm/xml.h"

static struct rig rig;
#define D rig.d
#define G rig.g

static int run(const char *const *argv)
{
    struct lg_err e = {0};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    return lg_proc_run(&p, 60000, NULL, NULL, &e);
}

static char *in_dir(const char *name)
{
    static char path[4][160];
    static int n;
    char *p = path[n++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", rig.dir, name);
    return p;
}

static void put(const char *path, off_t at, const void *bytes, size_t n)
{
    lg_cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
}

/* A good qcow2 with 1 MiB of content. */
static const char *good(const char *name)
{
    const char *path = in_dir(name), *raw = in_dir("content");
    char block[512];
    unlink(path);
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 2048; i++)
        put(raw, i * 512, block, sizeof block);
    const char *const argv[] = {"qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, path, NULL};
    assert_int_equal(run(argv), 0);
    return path;
}

static int import(const char *path, const char *ref, const char *format, const char *sha256, struct lg_err *e)
{
    struct lg_image_info info;
    struct lg_import im = {.path = path, .ref = ref, .format = format, .sha256 = sha256};
    lg_err_clear(e);
    return D->image_import(G, &im, NULL, NULL, &info, e);
}

#define REFUSED(path, sentence)                                                                              \
    do {                                                                                                     \
        struct lg_err e_ = {0};                                                                              \
        assert_int_equal(import(path, "localhost/bad:1", NULL, NULL, &e_), -LG_INVALID);                     \
        if (!strstr(e_.msg, sentence))                                                                       \
            fail_msg("%s: %s", sentence, e_.msg);                                                            \
    } while (0)

static int files_in(const char *dir)
{
    char path[256];
    snprintf(path, sizeof path, "%s/vm/images", rig.dir);
    const char *const argv[] = {"sh", "-c", "ls -A \"$1\" | wc -l", "sh", path, NULL};
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    (void)dir;
    lg_proc_run(&p, 5000, &out, NULL, NULL);
    return atoi(lg_buf_cstr(&out));
}

static void test_hostile_images(void **state)
{
    (void)state;
    const unsigned char huge[8] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0};
    const unsigned char data_file[8] = {0, 0, 0, 0, 0, 0, 0, 4}, far[8] = {0, 0, 0x7f, 0, 0, 0, 0, 0};
    const char *p = in_dir("backed.qcow2");
    const char *const backed[] = {"qemu-img",    "create", "-q",  "-u", "-f", "qcow2", "-b",
                                  "/etc/shadow", "-F",     "raw", p,    "1M", NULL};
    assert_int_equal(run(backed), 0);
    REFUSED(p, "backing file");
    put(p = good("huge.qcow2"), 24, huge, 8);
    REFUSED(p, "larger than");
    put(p = good("data.qcow2"), 72, data_file, 8);
    REFUSED(p, "another file");
    put(p = good("crypt.qcow2"), 32, "\0\0\0\1", 4);
    REFUSED(p, "encrypted");
    put(p = good("l1.qcow2"), 40, far, 8);
    REFUSED(p, "cut off");
    put(p = good("version.qcow2"), 4, "\0\0\0\7", 4);
    REFUSED(p, "version");
    assert_int_equal(truncate(p = good("short.qcow2"), 40), 0);
    REFUSED(p, "header");
    assert_int_equal(truncate(p = good("half.qcow2"), 300000),
                     0); /* its header is whole, its clusters are not */
    REFUSED(p, "cannot be used");
    put(p = in_dir("x.vmdk"), 0, "KDMV", 4);
    assert_int_equal(truncate(p, 1024), 0);
    REFUSED(p, "VMDK");
    p = in_dir("odd.raw");
    put(p, 0, "hello", 5);
    REFUSED(p, "neither");
    assert_int_equal(truncate(p, 1 << 20), 0);
    REFUSED(p, "boot sector");
    REFUSED("/nonexistent", "cannot read");
    REFUSED("/dev/zero", "regular");
    assert_int_equal(files_in("images"), 0);
}

static void test_good_images(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_image_info info;
    const char *p = good("good.qcow2"), *raw = in_dir("disk.raw");
    ok(&e, import(p, "localhost/good:1", NULL, NULL, &e));
    ok(&e, D->image_find(G, "localhost/good:1", &info, &e));
    assert_string_equal(info.format, "qcow2");
    assert_int_equal(info.virtual_bytes, 1 << 20);
    assert_int_equal(strlen(info.id), 71);
    assert_int_equal(import(p, "localhost/other:1", NULL, "00", &e), -LG_INVALID);
    assert_non_null(strstr(e.msg, "checksum"));
    ok(&e, import(p, "localhost/other:1", "qcow2", info.id + 7, &e)); /* same content: kept once */
    assert_int_equal(files_in("images"), 3);
    assert_int_equal(import(p, "localhost/other:1", "raw", NULL, &e), -LG_INVALID);
    put(raw, 510, "\x55\xaa", 2);
    assert_int_equal(truncate(raw, 1 << 20), 0);
    ok(&e, import(raw, "we/ird ../ref:%", NULL, NULL, &e));
    ok(&e, D->image_find(G, "we/ird ../ref:%", &info, &e));
    assert_string_equal(info.format, "raw");
    ok(&e, D->image_remove(G, "we/ird ../ref:%", &e));
    ok(&e, D->image_remove(G, "localhost/good:1", &e));
    ok(&e, D->image_find(G, "localhost/other:1", &info, &e));
    ok(&e, D->image_remove(G, "localhost/other:1", &e));
    ok(&e, D->image_remove(G, "localhost/other:1", &e));
    assert_int_equal(files_in("images"), 0);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct lg_err e = {0};
    char images[200];
    const char *p = good("fits-not.qcow2");
    snprintf(images, sizeof images, "%s/vm/images", rig.dir);
    assert_int_equal(mount("tiny", images, "tmpfs", 0, "size=256k"), 0);
    int rc = import(p, "localhost/full:1", NULL, NULL, &e), left = files_in("images");
    assert_int_equal(umount(images), 0);
    assert_int_equal(rc, -LG_STORAGE);
    assert_non_null(strstr(e.msg, "full"));
    assert_int_equal(left, 0);
}

/* ---- XML ---- */

#define NASTY "a<b>&\"c' ]]>\n\t\x01\xff<!--x--><?y?>"

static void test_xml_escapes(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_xml x = {.out = &out};
    lg_xml_begin(&x, "a");
    lg_xml_attr(&x, "k", NASTY);
    lg_xml_text(&x, NASTY);
    lg_xml_empty(&x, "b", "one", "1", "none", NULL, "two", "2", NULL);
    lg_xml_end(&x);
    assert_string_equal(
        lg_buf_cstr(&out),
        "<a k=\"a&lt;b&gt;&amp;&quot;c&apos; "
        "]]&gt;&#10;&#9;\xef\xbf\xbd\xef\xbf\xbd&lt;!--x--&gt;&lt;?y?&gt;\">"
        "a&lt;b&gt;&amp;&quot;c&apos; ]]&gt;&#10;&#9;\xef\xbf\xbd\xef\xbf\xbd&lt;!--x--&gt;&lt;?y?&gt;"
        "<b one=\"1\" two=\"2\"/></a>");
}

/* Every string of a spec that reaches the description, full of metacharacters: libvirt still takes it for one
 * machine. */
static void test_xml_of_nasty_specs(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 2, &s, NULL);
    lg_cleanup_buf struct lg_buf xml = {0};
    struct lg_volume_spec v = {.id = NASTY, .block = true, .source = "/" NASTY};
    struct lg_nic_spec n = {.bridge = NASTY, .mac = NASTY, .address = NASTY, .prefix = 24};
    struct lg_vm_place p = {.site = NASTY,
                            .type = "qemu",
                            .disk = NASTY,
                            .disk_format = "qcow2",
                            .seed = NASTY,
                            .console = NASTY,
                            .log = NASTY,
                            .tap = NASTY};
    spec.name = NASTY;
    spec.mac = NASTY;
    spec.net.bridge = NASTY;
    spec.volumes = &v;
    spec.volume_count = 1;
    spec.nics = &n;
    spec.nic_count = 1;
    ok(&e, lg_vm_xml(&spec, &p, &xml, &e));
    assert_null(strstr(lg_buf_cstr(&xml), "<b>"));
    assert_null(strstr(lg_buf_cstr(&xml), "<!--"));
    assert_non_null(strstr(lg_buf_cstr(&xml), "<title>a&lt;b&gt;"));
    spec.vm = NULL; /* libvirt's own parser on the part that its test driver takes */
    ok(&e, D->create(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_CREATED);
    ok(&e, D->remove(G, s.id, true, &e));
    s.vm.gpu = "0000:01:00.0'/><x";
    spec.vm = &s.vm;
    assert_int_equal(lg_vm_xml(&spec, &p, &xml, &e), -LG_INVALID);
}

/* ---- seeds ---- */

static void read_seed(const char *path, const char *name, struct lg_buf *out)
{
    struct archive *a = archive_read_new();
    struct archive_entry *f;
    char tmp[4096];
    archive_read_support_format_iso9660(a);
    assert_int_equal(archive_read_open_filename(a, path, 10240), ARCHIVE_OK);
    while (archive_read_next_header(a, &f) == ARCHIVE_OK)
        if (!strcmp(archive_entry_pathname(f), name))
            for (la_ssize_t n; (n = archive_read_data(a, tmp, sizeof tmp)) > 0;)
                lg_buf_add(out, tmp, (size_t)n);
    archive_read_free(a);
}

static void test_seed(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    static const char *const keys[] = {"ssh-ed25519 AAAA a\"b\\c", NULL};
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 7, &s, NULL);
    lg_cleanup_buf struct lg_buf meta = {0}, user = {0}, net = {0};
    const char *path = in_dir("seed.iso");
    spec.vm = &s.vm;
    s.vm.ssh_keys = keys;
    s.vm.user_data = "#cloud-config\npackages: [htop]\n--==lodge-part==--\n";
    s.vm.meta_data = "{\"role\":\"db\",\"instance-id\":\"forged\"}";
    ok(&e, lg_vm_seed(&spec, path, &e));
    read_seed(path, "meta-data", &meta);
    read_seed(path, "user-data", &user);
    read_seed(path, "network-config", &net);
    lg_cleanup_json json_t *m = lg_json_parse(lg_buf_cstr(&meta), meta.len, 8, &e);
    assert_string_equal(json_string_value(json_object_get(m, "instance-id")), s.id);
    assert_string_equal(json_string_value(json_object_get(m, "local-hostname")), "web");
    assert_string_equal(json_string_value(json_object_get(m, "role")), "db");
    assert_string_equal(json_string_value(json_array_get(json_object_get(m, "public-keys"), 0)), keys[0]);
    int parts = 0;
    for (const char *p = lg_buf_cstr(&user); (p = strstr(p, "\n--==lodge-part==\n")); p++)
        parts++;
    assert_int_equal(parts, 2); /* theirs and ours: text of theirs ends nothing */
    assert_non_null(strstr(lg_buf_cstr(&net), s.mac));
    assert_non_null(strstr(lg_buf_cstr(&net), s.address));
    char *large = calloc(1, (size_t)10 << 20);
    assert_non_null(large);
    memset(large, 'x', ((size_t)10 << 20) - 1);
    memcpy(large, "#!/bin/sh\n", 10);
    s.vm.user_data = large;
    assert_int_equal(lg_vm_seed(&spec, path, &e), -LG_TOO_LARGE);
    free(large);
    s.vm.user_data = "not a header";
    assert_int_equal(lg_vm_seed(&spec, path, &e), -LG_INVALID);
    s.vm.user_data = NULL;
    s.vm.meta_data = "[1]";
    assert_int_equal(lg_vm_seed(&spec, path, &e), -LG_INVALID);
}

/* ---- the driver on libvirt's test driver ---- */

static int count(void *arg, const struct lg_inst_status *st)
{
    int *n = arg;
    n[st->run]++;
    return 0;
}

static void test_life_on_the_test_driver(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_engine_info info;
    int n[LG_RUN_ASLEEP + 1] = {0};
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 3, &s, NULL);
    ok(&e, D->probe(G, &info, &e));
    assert_string_equal(info.type, "test");
    assert_int_equal(D->start(G, &spec, &e), -LG_NOT_FOUND);
    assert_int_equal(D->inspect(G, "../x", &(struct lg_inst_status){0}, &e), -LG_INVALID);
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->create(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_CREATED);
    ok(&e, D->start(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->create(G, &spec, &e)); /* what runs is left alone */
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->pause(G, s.id, &e));
    ok(&e, D->pause(G, s.id, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_PAUSED);
    ok(&e, D->unpause(G, s.id, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->list(G, count, n, &e));
    assert_int_equal(n[LG_RUN_RUNNING], 1); /* and not libvirt's own domain "test" */
    assert_int_equal(D->remove(G, s.id, false, &e), -LG_CONFLICT);
    ok(&e, D->suspend(G, s.id, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ASLEEP);
    ok(&e, D->wake(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->stop(G, s.id, 5, &e));
    ok(&e, D->stop(G, s.id, 5, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_EXITED);
    ok(&e, D->remove(G, s.id, false, &e));
    ok(&e, D->remove(G, s.id, false, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ABSENT);
}

/* A sweep over many machines, which the reconciler does every five seconds, costs next to nothing. */
static void test_two_hundred(void **state)
{
    (void)state;
    enum { MANY = 200, SWEEPS = 10 };
    static struct store s[MANY];
    struct lg_err e = {0};
    struct timespec a, b;
    for (int i = 0; i < MANY; i++) {
        struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 3 + i, &s[i], NULL);
        spec.memory_bytes = 1 << 20;
        ok(&e, D->create(G, &spec, &e));
        ok(&e, D->start(G, &spec, &e));
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (int i = 0; i < SWEEPS; i++) {
        int n[LG_RUN_ASLEEP + 1] = {0};
        ok(&e, D->list(G, count, n, &e));
        assert_int_equal(n[LG_RUN_RUNNING], MANY);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double ms = ((double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6) / SWEEPS;
    print_message("a sweep over %d machines takes %.1f ms: %.2f %% of a core\n", MANY, ms, ms / 50);
    assert_true(ms < 250); /* with sanitizers; a fifth without */
    for (int i = 0; i < MANY; i++)
        ok(&e, D->remove(G, s[i].id, true, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_escapes), cmocka_unit_test(test_xml_of_nasty_specs),
        cmocka_unit_test(test_seed),        cmocka_unit_test(test_life_on_the_test_driver),
        cmocka_unit_test(test_two_hundred),
    };
    const struct CMUnitTest as_root[] = {
        cmocka_unit_test(test_hostile_images),
        cmocka_unit_test(test_good_images),
        cmocka_unit_test(test_disk_full),
    };
    if (!rig_up(&rig, "kvm-test"))
        return 0;
    int failed = cmocka_run_group_tests_name("machine", tests, NULL, NULL);
    if (!geteuid())
        failed += cmocka_run_group_tests_name("image", as_root, NULL, NULL);
    rig_down(&rig);
    return failed;
}
