/* A full disk under the database: nothing is lost, and all goes on by itself when there is room again. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "job/site.h"

/* A small file system for the state, in a mount namespace of this test's own: nothing is left behind. */
static bool small_disk(const char *dir)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           !mount("tmpfs", dir, "tmpfs", 0, "size=24m");
}

static void fill(struct site *s, char path[160])
{
    static char block[4096];
    fixture_raw(s->f, "PRAGMA wal_checkpoint(TRUNCATE)"); /* else commits fit in what the log has already */
    snprintf(path, 160, "%s/ballast", s->f->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

/* The end of a create cannot be written: it is kept by its worker until it can. */
static void end_waits_for_room(void **state)
{
    struct site *s = *state;
    char path[160];
    char hold[160], asked[160];
    struct stat st;
    snprintf(hold, sizeof hold, "%s/fake/hold", s->f->dir);
    snprintf(asked, sizeof asked, "%s/fake/faults", s->f->dir);
    assert_int_equal(close(open(hold, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    faults(s, "start held 1\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    until(!stat(asked, &st) && !st.st_size); /* the start is at work */
    fill(s, path);
    assert_int_equal(unlink(hold), 0);
    usleep(3000000);
    assert_false(lg_operation_ended(operation(s, w.op)));
    assert_int_equal(unlink(path), 0);
    ended(s, w.op, "done");
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
    assert_int_equal(operation(s, w.op)->attempts, 1);
}

static void queued_ones_wait_for_room(void **state)
{
    struct site *s = *state;
    char path[160];
    struct wish w = wish_create(s, "web", NULL, NULL);
    fill(s, path);
    runner_start(s);
    usleep(2000000);
    assert_false(lg_operation_ended(operation(s, w.op)));
    assert_int_equal(unlink(path), 0);
    ended(s, w.op, "done");
    struct lg_engine_state e;
    until(lg_engine_state_get(s->db, "docker", &e, NULL) == 1 && e.healthy);
}

/* The engine's own files lie elsewhere: its disk is not full. */
static void engine_folder(struct site *s, char path[160])
{
    snprintf(path, 160, "%s/fake", s->f->dir);
}

static int disk_up(void **state)
{
    char path[160];
    if (site_up(state))
        return -1;
    engine_folder(*state, path);
    return mount("tmpfs", path, "tmpfs", 0, "size=2m");
}

static int disk_down(void **state)
{
    struct site *s = *state;
    char path[160];
    if (s->runner)
        runner_signal(s, SIGTERM);
    engine_folder(s, path);
    umount2(path, MNT_DETACH);
    return site_down(state);
}

static char mount_point[] = "/tmp/lodge-disk-XXXXXX";

static int on_small_disk(void **state)
{
    (void)state;
    if (!mkdtemp(mount_point) || !small_disk(mount_point)) {
        print_message("no small file system can be mounted here\n");
        return -1;
    }
    setenv("LODGE_TEST_TMP", mount_point, 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(end_waits_for_room, disk_up, disk_down),
        cmocka_unit_test_setup_teardown(queued_ones_wait_for_room, disk_up, disk_down)};
    if (geteuid()) {
        print_message("needs root for a small file system: skipped\n");
        return 0;
    }
    int rc = cmocka_run_group_tests(tests, on_small_disk, NULL);
    umount2(mount_point, MNT_DETACH);
    rmdir(mount_point);
    return rc;
}
