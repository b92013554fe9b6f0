/* Faults of engines and of the runner's own processes, cancellation, deadlines. */
#include "job/site.h"

static struct wish made(struct site *s, const char *name)
{
    struct wish w = wish_create(s, name, NULL, NULL);
    ended(s, w.op, "done");
    return w;
}

/* Kills the workers that are at work; returns how many. */
static int kill_workers(struct site *s)
{
    pid_t pid[64];
    int n = runner_children(s, "lodge-job", pid, 64);
    for (int i = 0; i < n; i++)
        kill(pid[i], SIGKILL);
    return n;
}

static void engine_answers_late(void **state)
{
    struct site *s = *state;
    faults(s, "create gone 2\n");
    runner_start(s);
    struct wish w = made(s, "web");
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
    assert_int_equal(operation(s, w.op)->attempts, 1);
}

static void engine_dies_in_the_middle(void **state)
{
    struct site *s = *state;
    faults(s, "create lost 1\nstart lost 1\n");
    runner_start(s);
    struct wish w = made(s, "web");
    assert_int_equal(engine_count(s), 1);
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
}

/* However much one asks for and however long it hangs, another's instance comes up. */
static void hanging_pulls_leave_workers(void **state)
{
    struct site *s = *state;
    static struct lg_operation op;
    char first[LG_ID_LEN] = "";
    runner_start(s);
    made(s, "one"); /* its image is here from now on */
    faults(s, "image_pull slow=600000\n");
    ok(s, lg_tx_write(s->db, &s->f->e));
    for (int i = 0; i < 600; i++) { /* more than one look at the queue sees */
        struct lg_image im = {.kind = "container", .state = "pulling", .source = "pull"};
        snprintf(im.name, sizeof im.name, "registry.test/slow:%d", i);
        snprintf(im.reference, sizeof im.reference, "%s", im.name);
        memset(&op, 0, sizeof op);
        snprintf(op.kind, sizeof op.kind, "image.pull");
        ok(s, lg_image_add(s->db, &im, &s->f->e));
        memcpy(op.image_id, im.id, sizeof op.image_id);
        ok(s, lg_operation_add(s->db, &op, false, &s->f->e));
        if (!*first)
            memcpy(first, op.id, sizeof first);
    }
    ok(s, lg_tx_commit(s->db, &s->f->e));
    at_work(s, first);
    made(s, "web");
}

static void engine_is_gone(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web"), n;
    faults(s, "* gone\n");
    struct wish stop = wish_verb(s, w.id, LG_V_STOP, NULL, false);
    const struct lg_operation *o = ended(s, stop.op, "failed");
    assert_string_equal(o->error_code, "BACKEND_UNAVAILABLE");
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING); /* as it is in truth */
    assert_non_null(strstr(reason_of(s, w.id), "backend_unavailable"));
    n = wish_create(s, "other", NULL, NULL);
    ended(s, n.op, "failed");
    assert_int_equal(state_of(s, n.id), LG_ST_ERROR);
    faults(s, "");
    struct wish start = wish_verb(s, n.id, LG_V_START, NULL, false); /* an error is left by a start */
    ended(s, start.op, "done");
    assert_int_equal(state_of(s, n.id), LG_ST_RUNNING);
}

static void failed_create_leaves_nothing(void **state)
{
    struct site *s = *state;
    faults(s, "start fail\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    ended(s, w.op, "failed");
    assert_int_equal(state_of(s, w.id), LG_ST_ERROR);
    assert_non_null(strstr(reason_of(s, w.id), "create_failed"));
    assert_int_equal(engine_count(s), 0);
}

static void failed_verb_keeps_the_truth(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    faults(s, "stop fail 1\n");
    struct wish stop = wish_verb(s, w.id, LG_V_STOP, NULL, false);
    ended(s, stop.op, "failed");
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
    assert_non_null(strstr(reason_of(s, w.id), "stop_failed"));
    faults(s, "remove fail 1\n");
    struct wish rm = wish_verb(s, w.id, LG_V_DELETE, "{\"force\":true}", true);
    ended(s, rm.op, "failed");
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
}

static void worker_dies_before_or_after(void **state)
{
    struct site *s = *state;
    faults(s, "create die 1\n");
    runner_start(s);
    struct wish a = made(s, "before");
    faults(s, "create die-after 1\nstart die-after 1\n");
    struct wish b = made(s, "after");
    assert_int_equal(operation(s, a.op)->attempts, 2);
    assert_int_equal(operation(s, b.op)->attempts, 3);
    assert_int_equal(engine_count(s), 2);
    faults(s, "remove die-after 1\n");
    struct wish rm = wish_verb(s, a.id, LG_V_DELETE, "{\"force\":true}", true);
    ended(s, rm.op, "done");
    assert_int_equal(engine_count(s), 1);
}

static void worker_that_always_dies(void **state)
{
    struct site *s = *state;
    faults(s, "create die\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    const struct lg_operation *o = ended(s, w.op, "failed");
    assert_non_null(strstr(o->error_text, "died 3 times"));
    assert_int_equal(state_of(s, w.id), LG_ST_ERROR);
    faults(s, "");
    made(s, "next"); /* the workers are back */
}

static void killed_workers(void **state)
{
    struct site *s = *state;
    faults(s, "create slow=300\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    at_work(s, w.op);
    until(kill_workers(s) > 0);
    ended(s, w.op, "done");
    assert_int_equal(engine_count(s), 1);
}

static void cancel_running(void **state)
{
    struct site *s = *state;
    faults(s, "start hang\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    at_work(s, w.op);
    cancel(s, w.op);
    ended(s, w.op, "cancelled");
    assert_int_equal(state_of(s, w.id), LG_ST_ERROR);
    assert_non_null(strstr(reason_of(s, w.id), "cancelled"));
    assert_int_equal(engine_count(s), 0);
}

static void cancel_queued(void **state)
{
    struct site *s = *state;
    struct wish w = wish_create(s, "web", NULL, NULL);
    cancel(s, w.op);
    runner_start(s);
    ended(s, w.op, "cancelled");
    assert_int_equal(state_of(s, w.id), LG_ST_ERROR);
    assert_int_equal(operation(s, w.op)->attempts, 0);
}

static void force_supersedes(void **state)
{
    struct site *s = *state;
    faults(s, "start hang\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    at_work(s, w.op);
    assert_string_equal(wish_verb(s, w.id, LG_V_DELETE, NULL, false).op, "");
    struct wish rm = wish_verb(s, w.id, LG_V_DELETE, "{\"force\":true}", true);
    ended(s, w.op, "cancelled");
    ended(s, rm.op, "done");
    assert_int_equal(state_of(s, w.id), LG_ST_COUNT);
    assert_int_equal(engine_count(s), 0);
}

static void forced_stop_of_a_create(void **state)
{
    struct site *s = *state;
    faults(s, "start hang 1\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    at_work(s, w.op);
    struct wish stop = wish_verb(s, w.id, LG_V_STOP, "{\"force\":true}", true);
    ended(s, w.op, "cancelled");
    ended(s, stop.op, "done");
    assert_int_equal(state_of(s, w.id), LG_ST_STOPPED);
    usleep(700000); /* two sweeps: the reconciler agrees */
    assert_int_equal(state_of(s, w.id), LG_ST_STOPPED);
    faults(s, "");
    ended(s, wish_verb(s, w.id, LG_V_START, NULL, false).op, "done");
}

static void deadline(void **state)
{
    struct site *s = *state;
    setenv("LODGE_OPERATION_TIMEOUT_S", "5", 1);
    runner_start(s);
    struct wish w = made(s, "web");
    faults(s, "restart hang\nstop hang\n");
    struct wish p = wish_verb(s, w.id, LG_V_PAUSE, NULL, false);
    ended(s, p.op, "done");
    faults(s, "unpause hang\n");
    struct wish u = wish_verb(s, w.id, LG_V_UNPAUSE, NULL, false);
    const struct lg_operation *o = ended(s, u.op, "failed");
    setenv("LODGE_OPERATION_TIMEOUT_S", "60", 1);
    assert_string_equal(o->error_code, "TIMEOUT");
    assert_int_equal(state_of(s, w.id), LG_ST_PAUSED);
    faults(s, "");
    ended(s, wish_verb(s, w.id, LG_V_UNPAUSE, NULL, false).op, "done");
}

static void master_killed(void **state)
{
    struct site *s = *state;
    faults(s, "create slow=400\n");
    runner_start(s);
    struct wish w[8];
    for (int i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        w[i] = wish_create(s, name, NULL, NULL);
    }
    at_work(s, w[0].op);
    runner_signal(s, SIGKILL);
    runner_start(s); /* waits for the children of the killed one */
    for (int i = 0; i < 8; i++) {
        ended(s, w[i].op, "done");
        assert_int_equal(state_of(s, w[i].id), LG_ST_RUNNING);
    }
    assert_int_equal(engine_count(s), 8);
}

static void stop_while_at_work(void **state)
{
    struct site *s = *state;
    faults(s, "create hang\n");
    runner_start(s);
    struct wish w = wish_create(s, "web", NULL, NULL);
    at_work(s, w.op);
    runner_signal(s, SIGTERM);
    assert_false(lg_operation_ended(operation(s, w.op)));
    faults(s, "");
    runner_start(s);
    ended(s, w.op, "done");
}

static void helpers_come_back(void **state)
{
    static const char *const names[] = {"lodge-reconcile", "lodge-keeper", "lodge-streams", "lodge-watch"};
    struct site *s = *state;
    runner_start(s);
    made(s, "web");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pid_t before, after;
        until(runner_children(s, names[i], &before, 1) == 1);
        kill(before, SIGKILL);
        until(runner_children(s, names[i], &after, 1) == 1 && after != before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_site(engine_answers_late),
                                       with_site(engine_dies_in_the_middle),
                                       with_site(engine_is_gone),
                                       with_site(hanging_pulls_leave_workers),
                                       with_site(failed_create_leaves_nothing),
                                       with_site(failed_verb_keeps_the_truth),
                                       with_site(worker_dies_before_or_after),
                                       with_site(worker_that_always_dies),
                                       with_site(killed_workers),
                                       with_site(cancel_running),
                                       with_site(cancel_queued),
                                       with_site(force_supersedes),
                                       with_site(forced_stop_of_a_create),
                                       with_site(deadline),
                                       with_site(master_killed),
                                       with_site(stop_while_at_work),
                                       with_site(helpers_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
