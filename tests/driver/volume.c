/* Volumes' files and places on a file system of their own, without an engine: full disks, losses, leftovers.
 */
#include "setup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc.h"
#include "driver/volume/volume.h"

#define ID       "11111111-2222-4333-8444-555555555555"
#define INSTANCE "99999999-2222-4333-8444-555555555555"
#define MIB      ((int64_t)1 << 20)

static struct lg_conf conf;
static const struct lg_driver_ctx ctx = {.conf = &conf, .site = "aaaaaaaa-2222-4333-8444-555555555555"};

/* A state directory on a tmpfs of that size. */
static void fresh(const char *size)
{
    char options[64];
    snprintf(options, sizeof options, "size=%s", size);
    snprintf(conf.state_dir, sizeof conf.state_dir, "/tmp/lodge-volume-XXXXXX");
    conf.host_path_roots = "";
    assert_non_null(mkdtemp(conf.state_dir));
    assert_int_equal(mount("lodge-test", conf.state_dir, "tmpfs", 0, options), 0);
}

static void gone(void)
{
    struct lg_err e = {0};
    lg_place_drop(&ctx, INSTANCE, -1, &e);
    assert_int_equal(umount2(conf.state_dir, 0), 0); /* nothing may be mounted below */
    rmdir(conf.state_dir);
}

static bool there(bool block, const char *more)
{
    char path[LG_VOLUME_PATH_LEN + 8];
    lg_volume_file(&conf, ID, block, path);
    strncat(path, more, 8);
    return !access(path, F_OK);
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_volume_of v = {.id = ID, .size_bytes = 16 * MIB};
    fresh("32m"); /* less than what is kept free for others */
    assert_int_equal(lg_volume_make(&ctx, &v, &e), -LG_LIMIT);
    assert_false(there(false, "") || there(false, ".new"));
    gone();
    fresh("80m");
    v.size_bytes = INT64_MAX - 4095; /* no file system holds such a file */
    assert_true(lg_volume_make(&ctx, &v, &e) < 0);
    assert_false(there(false, "") || there(false, ".new"));
    gone();
}

static void made_once_and_never_anew(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct stat st;
    char path[LG_VOLUME_PATH_LEN];
    struct lg_volume_of v = {.id = ID, .size_bytes = 16 * MIB},
                        raw = {.id = ID, .block = true, .size_bytes = 16 * MIB};
    fresh("256m");
    ok(&e, lg_volume_make(&ctx, &v, &e));
    assert_int_equal(stat(lg_volume_file(&conf, ID, false, path), &st), 0);
    assert_int_equal(st.st_size, 16 * MIB);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_blocks * 512 < 8 * MIB);
    ok(&e, lg_volume_make(&ctx, &v, &e));
    assert_int_equal(lg_volume_make(&ctx, &raw, &e), -LG_CONFLICT);
    v.made = true;
    unlink(path);
    assert_int_equal(lg_volume_make(&ctx, &v, &e), -LG_NOT_FOUND);
    assert_false(there(false, ""));
    ok(&e, lg_volume_erase(&ctx, ID, &e));
    ok(&e, lg_volume_erase(&ctx, ID, &e));
    v.id = "../../etc/passwd";
    assert_int_equal(lg_volume_make(&ctx, &v, &e), -LG_INVALID);
    assert_int_equal(lg_volume_erase(&ctx, v.id, &e), -LG_INVALID);
    gone();
}

static void write_file(const char *dir, const char *name, const char *text, int wanted)
{
    char path[LG_VOLUME_PATH_LEN + 32];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), wanted);
    if (fd >= 0)
        close(fd);
}

static void places_come_and_go(void **state)
{
    (void)state;
    struct lg_err e = {0};
    char place[LG_VOLUME_PATH_LEN], file[LG_VOLUME_PATH_LEN + 32];
    struct lg_volume_of v = {.id = ID, .size_bytes = 16 * MIB};
    struct lg_place p = {.instance = INSTANCE, .number = 1, .volume = &v};
    fresh("256m");
    ok(&e, lg_place_fill(&ctx, &p, &e));
    ok(&e, lg_place_fill(&ctx, &p, &e));
    lg_place_path(&conf, INSTANCE, 1, place);
    snprintf(file, sizeof file, "%s/kept", place);
    write_file(place, "kept", "x", 1);
    umount2(place, 0); /* as after a reboot */
    assert_int_not_equal(access(file, F_OK), 0);
    ok(&e, lg_place_fill(&ctx, &p, &e));
    assert_int_equal(access(file, F_OK), 0);
    /* Detached: the place is there, and nobody can write to it. */
    p.volume = NULL;
    ok(&e, lg_place_fill(&ctx, &p, &e));
    assert_int_not_equal(access(file, F_OK), 0);
    write_file(place, "no", "x", 0);
    p.volume = &v;
    ok(&e, lg_place_fill(&ctx, &p, &e));
    assert_int_equal(access(file, F_OK), 0);
    v.size_bytes = 32 * MIB;
    ok(&e, lg_volume_grow(&ctx, &v, &e)); /* its place goes meanwhile */
    ok(&e, lg_place_fill(&ctx, &p, &e));
    assert_int_equal(access(file, F_OK), 0);
    ok(&e, lg_volume_erase(&ctx, ID, &e)); /* nothing but the host had it */
    assert_false(there(false, ""));
    gone();
}

/* A growth that failed half way has left a longer file: the next one is no larger than it says. */
static void grown_to_what_was_asked(void **state)
{
    (void)state;
    struct lg_err e = {0};
    char path[LG_VOLUME_PATH_LEN];
    struct lg_volume_of v = {.id = ID, .size_bytes = 16 * MIB};
    fresh("256m");
    assert_int_equal(lg_volume_holds(&ctx, &v), 0);
    ok(&e, lg_volume_make(&ctx, &v, &e));
    assert_int_equal(lg_volume_holds(&ctx, &v), 16 * MIB);
    assert_int_equal(truncate(lg_volume_file(&conf, ID, false, path), 64 * MIB), 0);
    assert_int_equal(lg_volume_holds(&ctx, &v), 16 * MIB);
    v.size_bytes = 32 * MIB;
    ok(&e, lg_volume_grow(&ctx, &v, &e));
    assert_int_equal(lg_volume_holds(&ctx, &v), 32 * MIB);
    ok(&e, lg_volume_grow(&ctx, &v, &e));
    ok(&e, lg_volume_erase(&ctx, ID, &e));
    v = (struct lg_volume_of){.id = ID, .block = true, .size_bytes = 16 * MIB};
    ok(&e, lg_volume_make(&ctx, &v, &e));
    v.size_bytes = 32 * MIB;
    ok(&e, lg_volume_grow(&ctx, &v, &e));
    assert_int_equal(lg_volume_holds(&ctx, &v), 32 * MIB);
    ok(&e, lg_volume_erase(&ctx, ID, &e));
    gone();
}

static void host_directories(void **state)
{
    (void)state;
    struct lg_err e = {0};
    char place[LG_VOLUME_PATH_LEN];
    static char root[] = "/tmp/lodge-volume-root-XXXXXX";
    char real[64], link_path[64], state_dir[sizeof conf.state_dir];
    struct lg_place p = {.instance = INSTANCE, .number = 2};
    fresh("80m");
    assert_non_null(mkdtemp(root));
    snprintf(real, sizeof real, "%s/real", root);
    snprintf(link_path, sizeof link_path, "%s/link", root);
    mkdir(real, 0755);
    assert_int_equal(symlink("/etc", link_path), 0);
    p.host_path = real;
    assert_int_equal(lg_place_fill(&ctx, &p, &e), -LG_FORBIDDEN);
    conf.host_path_roots = root;
    ok(&e, lg_place_fill(&ctx, &p, &e));
    write_file(lg_place_path(&conf, INSTANCE, 2, place), "seen", "x", 1);
    assert_int_equal(lg_place_drop(&ctx, INSTANCE, 2, &e), 0);
    p.host_path = link_path; /* a link leads nowhere, even one that somebody put there since */
    assert_true(lg_place_fill(&ctx, &p, &e) < 0);
    conf.host_path_roots = "/tmp";
    memcpy(state_dir, conf.state_dir, sizeof state_dir);
    p.host_path = state_dir; /* never Lodge's own */
    assert_int_equal(lg_place_fill(&ctx, &p, &e), -LG_FORBIDDEN);
    gone();
    static const char *const argv[] = {"rm", "-rf", root, NULL};
    lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 10000, NULL, NULL, NULL);
}

int main(void)
{
    if (geteuid()) {
        printf("1..0 # SKIP volumes need root\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_leaves_nothing), cmocka_unit_test(made_once_and_never_anew),
        cmocka_unit_test(places_come_and_go), cmocka_unit_test(grown_to_what_was_asked),
        cmocka_unit_test(host_directories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
