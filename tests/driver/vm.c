/* What only a virtual machine has, as driver.h says it: `driver-vm [fake-vm|kvm]…`. */
#include "setup.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static struct rig rig;
static int next_host = 2;
#define D rig.d
#define G rig.g

static struct lg_inst_spec born(struct store *s)
{
    struct lg_err e = {0};
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, s, NULL);
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s->id), LG_RUN_RUNNING);
    return spec;
}

static void gone(struct store *s)
{
    struct lg_err e = {0};
    ok(&e, D->remove(G, s->id, true, &e));
    assert_int_equal(rig_run(&rig, s->id), LG_RUN_ABSENT);
}

static void test_sleep(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = born(&s);
    assert_int_equal(D->wake(G, &spec, &e), 0);
    ok(&e, D->suspend(G, s.id, &e));
    ok(&e, D->suspend(G, s.id, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ASLEEP);
    ok(&e, D->wake(G, &spec, &e));
    ok(&e, D->wake(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->suspend(G, s.id, &e));
    ok(&e, D->stop(G, s.id, 0, &e)); /* throws the memory away */
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_EXITED);
    assert_int_equal(D->wake(G, &spec, &e), -LG_STATE);
    assert_int_equal(D->suspend(G, s.id, &e), -LG_STATE);
    assert_int_equal(D->reset(G, s.id, &e), -LG_STATE);
    ok(&e, D->start(G, &spec, &e));
    ok(&e, D->suspend(G, s.id, &e));
    ok(&e, D->start(G, &spec, &e)); /* a start wakes */
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->suspend(G, s.id, &e));
    gone(&s);
}

static void read_some(int fd, const char *text)
{
    lg_cleanup_buf struct lg_buf b = {0};
    char tmp[512];
    while (!strstr(lg_buf_cstr(&b), text)) {
        struct pollfd p = {fd, POLLIN, 0};
        assert_true(poll(&p, 1, 120000) > 0);
        ssize_t n = read(fd, tmp, sizeof tmp);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            lg_buf_char(&b, tmp[i] ? tmp[i] : '.');
    }
}

static void test_consoles(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    int fd = -1;
    char mime[32];
    lg_cleanup_buf struct lg_buf picture = {.max = 4 << 20};
    struct lg_inst_spec spec = born(&s);
    ok(&e, D->console_open(G, s.id, LG_CONSOLE_VNC, &fd, &e));
    read_some(fd, "RFB 003.008\n");
    close(fd);
    ok(&e, D->console_open(G, s.id, LG_CONSOLE_SERIAL, &fd, &e));
    assert_int_equal(write(fd, "\r", 1), 1);
    read_some(fd, "login: ");
    struct lg_engine *other;
    int second = -1;
    ok(&e, D->open(&rig.ctx, &other, &e));
    if (rig.vm)
        assert_int_equal(D->console_open(other, s.id, LG_CONSOLE_SERIAL, &second, &e), -LG_CONFLICT);
    D->close(other);
    close(fd);
    ok(&e, D->screenshot(G, s.id, &picture, mime, &e));
    assert_true(picture.len > 60 && !strncmp(mime, "image/", 6));
    ok(&e, D->stop(G, s.id, 0, &e));
    picture.len = 0;
    assert_int_equal(D->screenshot(G, s.id, &picture, mime, &e), -LG_STATE);
    assert_int_equal(D->console_open(G, s.id, LG_CONSOLE_VNC, &fd, &e), -LG_STATE);
    ok(&e, D->start(G, &spec, &e));
    gone(&s);
}

static void test_reset(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    born(&s);
    ok(&e, D->reset(G, s.id, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    gone(&s);
    assert_int_equal(D->reset(G, s.id, &e), -LG_NOT_FOUND);
}

static void test_disk_grows_and_never_shrinks(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = born(&s);
    int64_t bytes;
    s.vm.disk_bytes += (int64_t)64 << 20;
    ok(&e, D->update(G, &spec, &e));
    ok(&e, D->disk_size(G, &spec, &bytes, &e));
    assert_int_equal(bytes, s.vm.disk_bytes);
    s.vm.disk_bytes -= (int64_t)64 << 20;
    assert_int_equal(D->update(G, &spec, &e), -LG_INVALID);
    gone(&s);
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"", "fake-vm", "kvm"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_consoles),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_disk_grows_and_never_shrinks),
    };
    int failed = 0;
    for (int i = 1; i < (argc > 1 ? argc : 3); i++) {
        if (!rig_up(&rig, argc > 1 ? argv[i] : all[i]))
            continue;
        failed += cmocka_run_group_tests_name(rig.d->name, tests, NULL, NULL);
        rig_down(&rig);
    }
    return failed;
}
