/* Engine faults on real containers: the service hangs, dies in the middle of the work, and comes back. */
#include "setup.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static struct rig rig;
#define D rig.d
#define G rig.g

static void test_hung(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 10, &s, "exec httpd -f");
    struct lg_inst_status st;
    ok(&e, D->network_ensure(G, &spec.net, &e));
    long before = rig.conf.engine_timeout_ms;
    rig.conf.engine_timeout_ms = 500;
    kill(rig.service, SIGSTOP);
    assert_int_equal(D->probe(G, NULL, &e), -LG_TIMEOUT);
    assert_int_equal(D->create(G, &spec, &e), -LG_TIMEOUT);
    assert_int_equal(D->inspect(G, s.id, &st, &e), -LG_TIMEOUT);
    rig.cancel = 1;
    assert_int_equal(D->inspect(G, s.id, &st, &e), -LG_CANCELLED);
    rig.cancel = 0;
    kill(rig.service, SIGCONT);
    rig.conf.engine_timeout_ms = before;
    ok(&e, D->create(G, &spec, &e)); /* the unanswered one may have been done meanwhile */
    ok(&e, D->start(G, &spec, &e));
    ok(&e, D->remove(G, s.id, true, &e));
}

static void test_dead(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 10, &s, "exec httpd -f");
    struct lg_inst_status st;
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    kill(rig.service, SIGKILL);
    waitpid(rig.service, NULL, 0);
    assert_int_equal(D->probe(G, NULL, &e), -LG_UNAVAILABLE);
    assert_int_equal(D->stop(G, s.id, 1, &e), -LG_UNAVAILABLE);
    assert_non_null(strstr(e.msg, "podman.sock"));
    rig_start_service(&rig);
    ok(&e, D->inspect(G, s.id, &st, &e));
    assert_int_equal(st.run, LG_RUN_RUNNING); /* it never noticed */
    assert_string_equal(st.address, s.address);
    ok(&e, D->remove(G, s.id, true, &e));
}

/* Kills the service after a while, from a process of its own. */
static pid_t assassin(pid_t victim, int after_ms)
{
    pid_t pid = fork();
    if (!pid) {
        struct timespec t = {after_ms / 1000, after_ms % 1000 * 1000000L};
        nanosleep(&t, NULL);
        kill(victim, SIGKILL);
        _exit(0);
    }
    return pid;
}

static int count(void *arg, const struct lg_inst_status *st)
{
    (void)st;
    ++*(int *)arg;
    return 0;
}

/* Killed at every moment of create and start; tried again it ends in one running container of the right
 * address. */
static void test_dies_in_the_middle(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_net_spec net = rig_net(&rig.net);
    ok(&e, D->network_ensure(G, &net, &e));
    for (int after = 0; after < 160; after += 8) {
        struct store s;
        struct lg_inst_status st;
        int n = 0;
        struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 20 + after / 8, &s, "exec httpd -f");
        pid_t killer = assassin(rig.service, after);
        int rc = D->create(G, &spec, &e);
        if (!rc)
            rc = D->start(G, &spec, &e);
        assert_true(!rc || rc == -LG_UNAVAILABLE || rc == -LG_BACKEND);
        waitpid(killer, NULL, 0);
        waitpid(rig.service, NULL, 0);
        rig_start_service(&rig);
        ok(&e, D->create(G, &spec, &e));
        ok(&e, D->start(G, &spec, &e));
        ok(&e, D->inspect(G, s.id, &st, &e));
        assert_int_equal(st.run, LG_RUN_RUNNING);
        assert_string_equal(st.address, s.address);
        ok(&e, D->list(G, count, &n, &e));
        assert_int_equal(n, 1);
        ok(&e, D->remove(G, s.id, true, &e));
    }
}

static void test_dies_while_removing(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_net_spec net = rig_net(&rig.net);
    ok(&e, D->network_ensure(G, &net, &e));
    for (int after = 0; after < 100; after += 10) {
        struct store s;
        int n = 0;
        struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 60 + after / 10, &s, "exec httpd -f");
        ok(&e, D->create(G, &spec, &e));
        ok(&e, D->start(G, &spec, &e));
        pid_t killer = assassin(rig.service, after);
        int rc = D->remove(G, s.id, true, &e);
        assert_true(!rc || rc == -LG_UNAVAILABLE || rc == -LG_BACKEND);
        waitpid(killer, NULL, 0);
        waitpid(rig.service, NULL, 0);
        rig_start_service(&rig);
        ok(&e, D->remove(G, s.id, true, &e));
        ok(&e, D->list(G, count, &n, &e));
        assert_int_equal(n, 0);
        /* its address is free again */
        struct lg_inst_spec again = rig_spec(&rig, &rig.net, 60 + after / 10, &s, "exec httpd -f");
        ok(&e, D->create(G, &again, &e));
        ok(&e, D->start(G, &again, &e));
        ok(&e, D->remove(G, s.id, true, &e));
    }
}

int main(void)
{
    if (!rig_up(&rig, "podman"))
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hung),
        cmocka_unit_test(test_dead),
        cmocka_unit_test(test_dies_in_the_middle),
        cmocka_unit_test(test_dies_while_removing),
    };
    int failed = cmocka_run_group_tests_name("engine faults", tests, NULL, NULL);
    rig_down(&rig);
    return failed;
}
