/* Every verb of an instance, as wished, run and told. */
#include "job/site.h"

static struct wish made(struct site *s, const char *name, const char *command)
{
    struct wish w = wish_create(s, name, command, NULL);
    ended(s, w.op, "done");
    return w;
}

static struct wish did(struct site *s, const char *id, enum lg_verb v, const char *params, bool force)
{
    struct wish w = wish_verb(s, id, v, params, force);
    if (!*w.op)
        fail_msg("%s was refused: %s", lg_verb_name(v), s->f->e.msg);
    ended(s, w.op, "done");
    return w;
}

static void create_runs(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web", NULL);
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
    assert_int_equal(engine_status(s, w.id).run, LG_RUN_RUNNING);
    lg_cleanup_instance struct lg_instance in = {0};
    ok(s, lg_instance_get(s->db, "", w.id, &in, &s->f->e));
    assert_true(in.started_at > 0);
    assert_string_equal(in.engine_ref, engine_status(s, w.id).ref);
    assert_null(in.reason);
    const struct lg_operation *o = operation(s, w.op);
    assert_true(o->started_at && o->ended_at);
    assert_int_equal(o->attempts, 1);
    assert_non_null(strstr(o->log, "started at 10.93."));
}

static void create_needs_two_commits(void **state)
{
    struct site *s = *state;
    runner_start(s);
    made(s, "warm", NULL);
    struct wish w = made(s, "web", NULL);
    /* claim; then end, state and log lines: all events of the second have the same time and follow each other
     */
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT max(id) - min(id) FROM event WHERE operation_id = '%s' AND (op_done = 1 OR (kind = "
             "'instance.state' AND "
             "data LIKE '%%\"running\"%%'))",
             w.op);
    assert_in_range(fixture_int(s->f, sql), 1, 2);
}

static void create_without_start(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = wish_create(s, "cold", NULL, "{\"start\":false}");
    ended(s, w.op, "done");
    assert_int_equal(state_of(s, w.id), LG_ST_STOPPED);
    assert_int_equal(engine_status(s, w.id).run, LG_RUN_CREATED);
    did(s, w.id, LG_V_START, NULL, false);
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
}

static void life(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web", NULL);
    static const struct {
        enum lg_verb v;
        enum lg_state after;
        enum lg_run run;
    } steps[] = {{LG_V_PAUSE, LG_ST_PAUSED, LG_RUN_PAUSED},     {LG_V_UNPAUSE, LG_ST_RUNNING, LG_RUN_RUNNING},
                 {LG_V_RESTART, LG_ST_RUNNING, LG_RUN_RUNNING}, {LG_V_UPDATE, LG_ST_RUNNING, LG_RUN_RUNNING},
                 {LG_V_STOP, LG_ST_STOPPED, LG_RUN_EXITED},     {LG_V_START, LG_ST_RUNNING, LG_RUN_RUNNING}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        did(s, w.id, steps[i].v, "{\"timeout\":1}", false);
        assert_int_equal(state_of(s, w.id), steps[i].after);
        assert_int_equal(engine_status(s, w.id).run, steps[i].run);
        if (steps[i].v == LG_V_STOP)
            assert_non_null(strstr(reason_of(s, w.id), "stopped_by_user"));
    }
    assert_string_equal(reason_of(s, w.id), "");
    did(s, w.id, LG_V_DELETE, "{\"force\":true}", true);
    assert_int_equal(state_of(s, w.id), LG_ST_COUNT);
    assert_true(lg_tombstone_exists(s->db, w.id));
    assert_int_equal(engine_count(s), 0);
}

static void exits_at_once(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = wish_create(s, "bad", "echo last words; exit 3", NULL);
    const struct lg_operation *o = ended(s, w.op, "failed");
    assert_string_equal(o->error_code, "BACKEND_ERROR");
    assert_non_null(strstr(o->error_text, "code 3"));
    assert_int_equal(state_of(s, w.id), LG_ST_ERROR);
    const char *r = reason_of(s, w.id);
    assert_non_null(strstr(r, "\"exited\""));
    assert_non_null(strstr(r, "\"exitCode\":3"));
    assert_non_null(strstr(r, "last words"));
    did(s, w.id, LG_V_DELETE, NULL, false);
    w = wish_create(s, "short", "echo fine; exit 0", NULL);
    ended(s, w.op, "done");
    assert_int_equal(state_of(s, w.id), LG_ST_STOPPED);
    assert_non_null(strstr(reason_of(s, w.id), "\"exitCode\":0"));
    w = wish_create(s, "greedy", "oom", NULL);
    ended(s, w.op, "failed");
    assert_non_null(strstr(reason_of(s, w.id), "oom_killed"));
}

static void exits_later(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "brief", "echo hello; sleep 4; exit 7");
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
    until(state_of(s, w.id) == LG_ST_STOPPED);
    const char *r = reason_of(s, w.id);
    assert_non_null(strstr(r, "\"exitCode\":7"));
    assert_non_null(strstr(r, "hello"));
}

static void image_missing(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = wish_create_full(s, "none", "{}", "registry.test/missing:1", NULL);
    ended(s, w.op, "failed");
    assert_int_equal(state_of(s, w.id), LG_ST_ERROR);
    assert_non_null(strstr(reason_of(s, w.id), "image_missing"));
    assert_int_equal(engine_count(s), 0);
    w = wish_create_full(s, "local", "{}", "localhost/never-built:1", NULL);
    ended(s, w.op, "failed");
    assert_non_null(strstr(reason_of(s, w.id), "image_missing"));
}

static void one_at_a_time(void **state)
{
    struct site *s = *state;
    struct wish w = wish_create(s, "web", NULL, NULL);
    struct wish second = wish_verb(s, w.id, LG_V_UPDATE, NULL, false);
    assert_string_equal(second.op, "");
    runner_start(s);
    ended(s, w.op, "done");
}

static void usage_is_sampled(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web", NULL);
    struct lg_sample m;
    until(lg_sample_get(s->db, w.id, &m, NULL) == 1);
    did(s, w.id, LG_V_DELETE, "{\"force\":true}", true);
    assert_int_equal(lg_sample_get(s->db, w.id, &m, NULL), 0);
}

static void engine_health_is_told(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct lg_engine_state e;
    until(lg_engine_state_get(s->db, "docker", &e, NULL) == 1 && e.healthy);
    assert_string_equal(e.type, "fake");
    faults(s, "probe gone\n");
    until(lg_engine_state_get(s->db, "docker", &e, NULL) == 1 && !e.healthy);
    assert_true(*e.reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_site(create_runs),          with_site(create_needs_two_commits),
                                       with_site(create_without_start), with_site(life),
                                       with_site(exits_at_once),        with_site(exits_later),
                                       with_site(image_missing),        with_site(one_at_a_time),
                                       with_site(usage_is_sampled),     with_site(engine_health_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
