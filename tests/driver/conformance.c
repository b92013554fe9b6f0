/* The contract of driver.h, the same cases for every driver: `conformance fake`, `conformance container`. */
#include "setup.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;
#define D rig.d
#define G rig.g

static void test_probe(void **state)
{
    (void)state;
    struct lg_engine_info info = {0};
    struct lg_err e = {0};
    ok(&e, D->probe(G, &info, &e));
    assert_true(*info.type && *info.version);
}

static void test_life(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec =
        rig_spec(&rig, &rig.net, 10, &s, "echo \"$GREETING\"; echo oops >&2; exec httpd -f");
    struct lg_inst_status st;
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->network_ensure(G, &spec.net, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ABSENT);
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->create(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_CREATED);
    ok(&e, D->start(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    ok(&e, D->inspect(G, s.id, &st, &e));
    assert_int_equal(st.run, LG_RUN_RUNNING);
    assert_string_equal(st.id, s.id);
    assert_string_equal(st.address, s.address);
    assert_true(st.started_at > 0 && st.pid > 0 && *st.ref);
    until(rig_log_has(&rig, s.id, "hello=world\nsecond line\n") && rig_log_has(&rig, s.id, "oops"));
    ok(&e, D->stop(G, s.id, 1, &e));
    ok(&e, D->stop(G, s.id, 1, &e));
    ok(&e, D->inspect(G, s.id, &st, &e));
    assert_int_equal(st.run, LG_RUN_EXITED);
    assert_true(st.finished_at >= st.started_at && !st.pid && !*st.address && !st.oom_killed);
    ok(&e, D->remove(G, s.id, false, &e));
    ok(&e, D->remove(G, s.id, false, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ABSENT);
}

int main(int argc, char **argv)
{
    if (!rig_up(&rig, argc > 1 ? argv[1] : "fake"))
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_life),
    };
    int failed = cmocka_run_group_tests_name(rig.d->name, tests, NULL, NULL);
    rig_down(&rig);
    return failed;
}
