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

/* As another tenant's: creates of images that are not here, in a row. */
static void creates_of(struct site *s, const char *tenant, const char *slug, int count)
{
    char own[LG_ID_LEN], name[32], image[64];
    memcpy(own, s->tenant, sizeof own);
    snprintf(s->tenant, sizeof s->tenant, "%s", tenant);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s-%d", slug, i);
        snprintf(image, sizeof image, "registry.test/%s:%d", slug, i);
        wish_create_full(s, name, "{}", image, NULL);
    }
    memcpy(s->tenant, own, sizeof own);
}

/* One tenant's creates pull, another's wait for an image of the catalogue that is on its way. */
static void creates_that_wait_leave_a_worker(void **state)
{
    static const char red[] = "10000000-0000-4000-8000-000000000001",
                      blue[] = "20000000-0000-4000-8000-000000000002";
    struct site *s = *state;
    struct lg_image im = {.name = "late",
                          .kind = "container",
                          .state = "pulling",
                          .source = "pull",
                          .reference = "registry.test/blue:0"};
    char sql[400];
    snprintf(sql, sizeof sql, "INSERT INTO tenant VALUES('%s','red','Red',101,1),('%s','blue','Blue',102,1)",
             red, blue);
    fixture_raw(s->f, sql);
    setenv("LODGE_OPERATION_TIMEOUT_S", "600", 1);
    runner_start(s);
    struct wish one = made(s, "one");
    runner_signal(s, SIGTERM);
    faults(s, "image_pull slow=600000\n");
    creates_of(s, red, "red", 6);
    creates_of(s, blue, "blue", 6);
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_image_add(s->db, &im, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
    snprintf(
        sql, sizeof sql,
        "UPDATE instance SET image_id = '%s' WHERE tenant_id = '%s'; UPDATE operation SET image_id = '%s' "
        "WHERE tenant_id = '%s'",
        im.id, blue, im.id, blue);
    fixture_raw(s->f, sql);
    runner_start(s);
    setenv("LODGE_OPERATION_TIMEOUT_S", "60", 1);
    until(fixture_int(s->f, "SELECT count(*) FROM operation WHERE status = 'running'") >= 5);
    ended(s, wish_verb(s, one.id, LG_V_STOP, NULL, false).op, "done");
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

/* As lodge-api asks for other limits: written ahead of the engine, with what they were. */
static struct wish wish_memory(struct site *s, const char *id, int64_t bytes)
{
    static struct lg_operation op;
    struct wish w = {0};
    lg_cleanup_instance struct lg_instance in = {0};
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_instance_get(s->db, "", id, &in, &s->f->e));
    struct lg_sizes sizes = lg_instance_sizes(&in);
    op = (struct lg_operation){.kind = "instance.update", .username = "tester"};
    memcpy(op.tenant_id, s->tenant, sizeof op.tenant_id);
    memcpy(op.instance_id, id, sizeof op.instance_id);
    lg_update_params(&sizes, op.params);
    ok(s, lg_operation_add_after(s->db, &op, &s->f->e));
    sizes.memory_bytes = bytes;
    ok(s, lg_instance_set_sizes(s->db, &in, &sizes, op.id, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
    memcpy(w.id, id, sizeof w.id);
    memcpy(w.op, op.id, sizeof w.op);
    return w;
}

static int64_t memory_of(struct site *s, const char *id)
{
    lg_cleanup_instance struct lg_instance in = {0};
    ok(s, lg_instance_get(s->db, "", id, &in, &s->f->e));
    return in.memory_bytes;
}

/* No worker sees it, and what it wrote ahead is taken back all the same. */
static void cancelled_behind_another(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    faults(s, "pause hang 1\n");
    struct wish pause = wish_verb(s, w.id, LG_V_PAUSE, NULL, false);
    at_work(s, pause.op);
    struct wish update = wish_memory(s, w.id, 8 << 20);
    assert_int_equal(memory_of(s, w.id), 8 << 20);
    cancel(s, update.op);
    ended(s, update.op, "cancelled");
    assert_int_equal(memory_of(s, w.id), 64 << 20);
    assert_int_equal(operation(s, update.op)->attempts, 0);
    assert_false(lg_operation_ended(operation(s, pause.op)));
    cancel(s, pause.op);
    ended(s, pause.op, "cancelled");
}

/* Whoever looks at the engine for it dies. */
static void update_without_end(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    faults(s, "inspect die\n");
    struct wish update = wish_memory(s, w.id, 8 << 20);
    const struct lg_operation *o = ended(s, update.op, "failed");
    assert_non_null(strstr(o->error_text, "died"));
    assert_int_equal(memory_of(s, w.id), 64 << 20);
    faults(s, "");
    ended(s, wish_memory(s, w.id, 8 << 20).op, "done");
    assert_int_equal(memory_of(s, w.id), 8 << 20);
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
                                       with_site(creates_that_wait_leave_a_worker),
                                       with_site(failed_create_leaves_nothing),
                                       with_site(failed_verb_keeps_the_truth),
                                       with_site(worker_dies_before_or_after),
                                       with_site(worker_that_always_dies),
                                       with_site(killed_workers),
                                       with_site(cancel_running),
                                       with_site(cancel_queued),
                                       with_site(cancelled_behind_another),
                                       with_site(update_without_end),
                                       with_site(force_supersedes),
                                       with_site(forced_stop_of_a_create),
                                       with_site(deadline),
                                       with_site(master_killed),
                                       with_site(stop_while_at_work),
                                       with_site(helpers_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
