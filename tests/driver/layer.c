/* Parts of the container driver that need no engine: sizes of trees, quotas of mounts, names of calls. */
#include "setup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "driver/calls.h"
#include "driver/container/layer.h"
#include "driver/container/walk.h"

static char dir[64];

static int up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/var/tmp/lodge-layer-XXXXXX"); /* a file system of blocks, not of memory */
    return mkdtemp(dir) ? 0 : -1;
}

static int down(void **state)
{
    (void)state;
    const char *const argv[] = {"rm", "-rf", dir, NULL};
    return lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 60000, NULL, NULL,
                       NULL);
}

static void write_kib(int at, const char *name, int kib)
{
    char block[1024];
    memset(block, 'x', sizeof block);
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (kib--)
        assert_int_equal(write(fd, block, sizeof block), sizeof block);
    assert_int_equal(fsync(fd), 0);
    close(fd);
}

static int64_t kib(void)
{
    struct lg_err e = {0};
    int64_t n = -1;
    ok(&e, lg_walk_bytes(dir, NULL, &n, &e));
    return n / 1024;
}

static void test_links_and_strangers(void **state)
{
    (void)state;
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    write_kib(at, "a", 1000);
    assert_in_range(kib(), 1000, 1020);
    assert_int_equal(linkat(at, "a", at, "b", 0), 0);
    assert_int_equal(symlinkat("/usr", at, "usr"), 0);
    assert_int_equal(symlinkat(".", at, "loop"), 0);
    assert_int_equal(mkfifoat(at, "fifo", 0600), 0);
    assert_in_range(kib(), 1000, 1040);
    assert_int_equal(mkdirat(at, "proc", 0700), 0); /* a hole takes no room */
    int fd = openat(at, "hole", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    assert_in_range(kib(), 1000, 1040);
    close(at);
}

/* Deeper than any path may be long: nothing hides there. */
static void test_depth(void **state)
{
    (void)state;
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    int64_t empty = kib();
    write_kib(at, "hidden", 2000);
    close(at);
    assert_in_range(kib() - empty, 2000, 2020);
}

static void test_wide(void **state)
{
    (void)state;
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        write_kib(at, name, i % 50 == 0);
    }
    close(at);
    assert_in_range(kib(), 60, 1000);
}

static void test_absent_and_cancelled(void **state)
{
    (void)state;
    struct lg_err e = {0};
    int64_t n;
    volatile sig_atomic_t cancel = 1;
    assert_int_equal(lg_walk_bytes("/nowhere/at/all", NULL, &n, &e), -LG_NOT_FOUND);
    assert_int_equal(lg_walk_bytes("/etc/hostname", NULL, &n, &e), -LG_INTERNAL);
    assert_int_equal(lg_walk_bytes(dir, &cancel, &n, &e), -LG_CANCELLED);
}

/* A file without a name, held by another process. */
static void test_unlinked(void **state)
{
    (void)state;
    static struct lg_unlinked seen;
    int ready[2], at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char c;
    assert_int_equal(pipe(ready), 0);
    write_kib(at, "held", 500);
    pid_t pid = fork();
    if (!pid) {
        int fd = openat(at, "held", O_RDONLY), again = dup(fd);
        unlinkat(at, "held", 0);
        (void)!write(ready[1], "x", 1);
        for (;;)
            pause();
        close(again);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    struct stat root, here;
    assert_int_equal(stat("/", &root) | fstat(at, &here), 0);
    lg_walk_unlinked(pid, &seen);
    lg_walk_unlinked(pid, &seen);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(at);
    if (root.st_dev == here.st_dev)
        assert_in_range(seen.bytes / 1024, 500, 520);
}

static void test_quota_mounts(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool hard;
        const char *at;
    } lines[] = {
        {"36 35 98:0 / /var/lib rw,noatime shared:1 - xfs /dev/sda rw,attr2,inode64,prjquota\n", true,
         "/var/lib"},
        {"36 35 98:0 / /data rw - xfs /dev/sda rw,pquota,inode64\n", true, "/data"},
        {"36 35 98:0 / /data rw master:2 propagate_from:1 - xfs /dev/sda rw,pqnoenforce\n", false, "/data"},
        {"36 35 98:0 / /data rw - xfs /dev/sda rw,inode64,noquota\n", false, "/data"},
        {"36 35 98:0 / /prjquota rw,prjquota - xfs /dev/sda rw\n", false, "/prjquota"},
        {"36 35 98:0 / / rw - ext4 /dev/sda rw,prjquota\n", false, "/"},
        {"nonsense", false, NULL},
        {"", false, NULL},
    };
    char at[64];
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        at[0] = 0;
        assert_int_equal(lg_layer_mount(lines[i].line, at, sizeof at), lines[i].hard);
        if (lines[i].at)
            assert_string_equal(at, lines[i].at);
    }
}

static void test_names_of_calls(void **state)
{
    (void)state;
    static const char *const names[][3] = {
        {"GET", "/_ping", "GET /_ping"},
        {"GET", "/containers/json?all=1&filters=x/y", "GET /containers/json"},
        {"POST", "/containers/create?name=lodge-1", "POST /containers/create"},
        {"GET", "/containers/lodge-1/json", "GET /containers/{id}/json"},
        {"POST", "/containers/lodge-1/stop?t=3", "POST /containers/{id}/stop"},
        {"DELETE", "/containers/lodge-1?v=true", "DELETE /containers/{id}"},
        {"POST", "/v4.3.0/libpod/containers/lodge-1/update", "POST /containers/{id}/update"},
        {"GET", "/images/localhost/base:1/json", "GET /images/{id}/json"},
        {"DELETE", "/images/registry.test/a/b/start-me:1", "DELETE /images/{id}"},
        {"DELETE", "/images/json", "DELETE /images/json"},
        {"POST", "/networks/create", "POST /networks/create"},
        {"GET", "/networks/lodge-x-1", "GET /networks/{id}"},
        {"GET", "/events?filters=a", "GET /events"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lg_calls_name(names[i][0], names[i][1], out, sizeof out);
        assert_string_equal(out, names[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_links_and_strangers, up, down),
        cmocka_unit_test_setup_teardown(test_depth, up, down),
        cmocka_unit_test_setup_teardown(test_wide, up, down),
        cmocka_unit_test_setup_teardown(test_absent_and_cancelled, up, down),
        cmocka_unit_test_setup_teardown(test_unlinked, up, down),
        cmocka_unit_test(test_quota_mounts),
        cmocka_unit_test(test_names_of_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
