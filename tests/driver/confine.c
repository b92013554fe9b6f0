/* What works on strangers' files has nothing of ours: `driver-confine`. */
#include "setup.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/confine.h"
#include "driver/container/archive.h"

static struct lg_conf conf;
static const struct lg_driver_ctx ctx = {.conf = &conf};
static char dir[64];

static int look(const struct lg_confine *c, struct lg_buf *said, struct lg_err *e)
{
    static const struct lg_confine_watch w = {.timeout_ms = 20000};
    return lg_confine_run(c, &w, said, e);
}

static struct lg_confine of(const char *const *argv)
{
    return (struct lg_confine){
        .argv = argv, .fd = {-1, -1, -1, -1}, .file_bytes = 1 << 20, .memory_bytes = 1 << 29, .cpu_s = 2};
}

static void says(const struct lg_confine *c, const char *what)
{
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    assert_int_equal(look(c, &said, &e), 0);
    if (!strstr(lg_buf_cstr(&said), what))
        fail_msg("no \"%s\" in \"%s\"", what, lg_buf_cstr(&said));
}

static void test_it_has_nothing(void **state)
{
    (void)state;
    char secret[96], script[400];
    snprintf(secret, sizeof secret, "%s/secret", dir);
    setenv("LODGE_SECRET", "in the environment", 1);
    int fd = open(secret, O_RDWR | O_CREAT | O_TRUNC, 0600); /* not CLOEXEC: somebody may forget */
    assert_true(fd >= 0);
    snprintf(script, sizeof script,
             "id -u; id -G; env | grep -c LODGE_SECRET; cat %s >/dev/null 2>&1 || echo no file; ls /proc/self/fd | "
             "tr '\\n' ' '; grep -c : /proc/net/dev; grep NoNewPrivs /proc/self/status; grep CapEff "
             "/proc/self/status",
             secret);
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct lg_confine c = of(argv);
    /* 3 is /dev/null and 4 what ls reads the folder by; the one interface is lo */
    says(&c, "65534\n65534\n0\nno file\n0 1 2 3 4 1\nNoNewPrivs:\t1\nCapEff:\t0000000000000000\n");
    close(fd);
}

static void test_it_gets_what_it_is_given(void **state)
{
    (void)state;
    char path[96], got[32] = "";
    snprintf(path, sizeof path, "%s/given", dir);
    lg_cleanup_fd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const char *const argv[] = {"sh", "-c", "echo written >&3; grep -c : /proc/net/dev", NULL};
    struct lg_confine c = of(argv);
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    struct lg_err e = {0};
    c.fd[3] = fd;
    c.network = true;
    assert_int_equal(look(&c, &said, &e), 0);
    assert_true(atoi(lg_buf_cstr(&said)) > 1);
    assert_int_equal(pread(fd, got, sizeof got - 1, 0), 8);
    assert_string_equal(got, "written\n");
}

static void test_limits(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    struct lg_err e = {0};
    const char *const loop[] = {"sh", "-c", "while :; do :; done", NULL};
    struct lg_confine c = of(loop);
    c.cpu_s = 1;
    assert_int_equal(look(&c, &said, &e), -LG_INTERNAL); /* by its signal */
    lg_err_clear(&e);
    const struct lg_confine_watch short_one = {.timeout_ms = 300};
    c.cpu_s = 60;
    assert_int_equal(lg_confine_run(&c, &short_one, &said, &e), -LG_TIMEOUT);
    lg_err_clear(&e);
    volatile sig_atomic_t cancel = 1;
    const struct lg_confine_watch ended = {.timeout_ms = 20000, .cancel = &cancel};
    assert_int_equal(lg_confine_run(&c, &ended, &said, &e), -LG_CANCELLED);
    lg_err_clear(&e);
    const char *const nothing[] = {"/nonexistent/program", NULL};
    c = of(nothing);
    assert_int_equal(look(&c, &said, &e), 125);
}

/* Is there a process whose command line holds this? */
static bool somebody_runs(const char *what)
{
    char path[300], line[4096];
    bool found = false;
    DIR *all = opendir("/proc");
    for (const struct dirent *d; all && !found && (d = readdir(all));) {
        snprintf(path, sizeof path, "/proc/%s/cmdline", d->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line);
        found = n > 0 && memmem(line, (size_t)n, what, strlen(what));
        if (fd >= 0)
            close(fd);
    }
    closedir(all);
    return found;
}

/* A daemon of its own making ends with it, and with who asked for it. */
static void test_nothing_outlives_it(void **state)
{
    (void)state;
    char script[96], what[32];
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    snprintf(what, sizeof what, "3071.%d", (int)getpid());
    snprintf(script, sizeof script, "setsid sleep %s >/dev/null 2>&1 & exit 3", what);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct lg_confine c = of(argv);
    assert_int_equal(look(&c, &said, &e), 3);
    until(!somebody_runs(what));
    snprintf(script, sizeof script, "setsid sleep %s & exec sleep %s", what, what);
    pid_t pid = lg_confine_start(&c, &e);
    until(somebody_runs(what));
    lg_confine_end(pid, true);
    until(!somebody_runs(what));
}

/* A "docker save" whose layer is of this size. */
static void put_archive(const char *path, size_t layer)
{
    static const char list[] = "[{\"Config\":\"c.json\",\"RepoTags\":[\"evil/other:1\"],\"Layers\":[\"l.tar\"]}]";
    char *zeros = calloc(1, layer);
    const struct {
        const char *name, *data;
        size_t n;
    } files[] = {{"c.json", "{}", 2}, {"l.tar", zeros, layer}, {"manifest.json", list, sizeof list - 1}};
    struct archive *out = archive_write_new();
    archive_write_set_format_gnutar(out);
    assert_non_null(zeros);
    assert_int_equal(archive_write_open_filename(out, path), ARCHIVE_OK);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct archive_entry *en = archive_entry_new();
        archive_entry_set_pathname(en, files[i].name);
        archive_entry_set_filetype(en, AE_IFREG);
        archive_entry_set_perm(en, 0644);
        archive_entry_set_size(en, (la_int64_t)files[i].n);
        assert_int_equal(archive_write_header(out, en), ARCHIVE_OK);
        assert_int_equal(archive_write_data(out, files[i].data, files[i].n), (la_ssize_t)files[i].n);
        archive_entry_free(en);
    }
    assert_int_equal(archive_write_free(out), ARCHIVE_OK);
    free(zeros);
}

static ssize_t read_on(struct lg_archive *a, struct lg_buf *all)
{
    char tmp[65536];
    ssize_t n;
    while ((n = lg_archive_read(a, tmp, sizeof tmp)) > 0)
        lg_buf_add(all, tmp, (size_t)n);
    return n;
}

static void test_archive(void **state)
{
    (void)state;
    char path[96];
    struct lg_archive *a;
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf all = {.max = 1 << 20};
    snprintf(path, sizeof path, "%s/image.tar", dir);
    put_archive(path, 1000);
    ok(&e, lg_archive_open(&ctx, path, "lodge/x:1", &a, &e));
    assert_true(lg_archive_is_image(a));
    assert_int_equal(read_on(a, &all), 0);
    assert_non_null(memmem(all.data, all.len, "lodge/x:1", 9));
    assert_null(memmem(all.data, all.len, "evil", 4));
    lg_archive_close(a);
}

/* The one child that this process has now. */
static pid_t child(void)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    return atoi(text);
}

/* Half an image must not look like a whole one. */
static void test_archive_of_a_reader_that_dies(void **state)
{
    (void)state;
    char path[96], some[512];
    struct lg_archive *a;
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf all = {.max = 32 << 20};
    snprintf(path, sizeof path, "%s/large.tar", dir);
    put_archive(path, 8 << 20);
    ok(&e, lg_archive_open(&ctx, path, "lodge/x:1", &a, &e));
    assert_int_equal(lg_archive_read(a, some, sizeof some), sizeof some);
    assert_int_equal(kill(child(), SIGKILL), 0);
    assert_int_equal(read_on(a, &all), -1);
    lg_archive_close(a);
}

static void test_no_archive(void **state)
{
    (void)state;
    char path[96];
    struct lg_archive *a;
    struct lg_err e = {0};
    snprintf(path, sizeof path, "%s/none.tar", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "no archive at all", 17), 17);
    close(fd);
    assert_int_equal(lg_archive_open(&ctx, path, "lodge/x:1", &a, &e), -LG_INVALID);
    assert_non_null(strstr(e.msg, "not a complete tar archive"));
    lg_err_clear(&e);
    assert_int_equal(lg_archive_open(&ctx, "/nonexistent", "lodge/x:1", &a, &e), -LG_INVALID);
}

static int remove_dir(void **state)
{
    const char *const argv[] = {"rm", "-rf", dir, NULL};
    (void)state;
    const struct lg_confine c = of(argv); /* nobody may not: so by hand */
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf said = {.max = 256};
    assert_int_not_equal(look(&c, &said, &e), 0);
    static const char *const files[] = {"secret", "given", "image.tar", "large.tar", "none.tar"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    if (geteuid()) {
        print_message("skipped: needs root\n");
        return 0;
    }
    snprintf(dir, sizeof dir, "/tmp/lodge-confine-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(conf.bin_dir, sizeof conf.bin_dir, "%s", LODGE_BIN_DIR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_has_nothing),
        cmocka_unit_test(test_it_gets_what_it_is_given),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_nothing_outlives_it),
        cmocka_unit_test(test_archive),
        cmocka_unit_test(test_archive_of_a_reader_that_dies),
        cmocka_unit_test(test_no_archive),
    };
    return cmocka_run_group_tests_name("confine", tests, NULL, remove_dir);
}
