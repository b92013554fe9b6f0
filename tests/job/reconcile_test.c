/* What changes behind Lodge's back, what turns up late, and what nobody knows. */
#include <sys/socket.h>

#include "job/site.h"
#include "base/fd.h"

static struct wish made_with(struct site *s, const char *name, const char *config)
{
    struct wish w = wish_create_full(s, name, config, IMAGE, NULL);
    ended(s, w.op, "done");
    return w;
}

static struct wish made(struct site *s, const char *name)
{
    return made_with(s, name, "{\"restartPolicy\":\"no\"}");
}

static void gone_from_the_engine(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    ok(s, s->d->remove(s->g, w.id, true, &s->f->e));
    until(state_of(s, w.id) == LG_ST_ERROR);
    assert_non_null(strstr(reason_of(s, w.id), "engine_lost"));
    ended(s, wish_verb(s, w.id, LG_V_START, NULL, false).op, "done");
    assert_int_equal(engine_status(s, w.id).run, LG_RUN_RUNNING);
}

static void paused_stopped_started_outside(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    ok(s, s->d->pause(s->g, w.id, &s->f->e));
    until(state_of(s, w.id) == LG_ST_PAUSED);
    assert_non_null(strstr(reason_of(s, w.id), "outside Lodge"));
    ok(s, s->d->unpause(s->g, w.id, &s->f->e));
    until(state_of(s, w.id) == LG_ST_RUNNING);
    ok(s, s->d->stop(s->g, w.id, 0, &s->f->e));
    until(state_of(s, w.id) == LG_ST_STOPPED);
}

static void wakes_without_hints(void **state)
{
    struct site *s = *state;
    faults(s, "watch gone\n");
    runner_start(s);
    struct wish w = made(s, "web");
    ok(s, s->d->stop(s->g, w.id, 0, &s->f->e));
    until(state_of(s, w.id) == LG_ST_STOPPED);
}

/* An instance made by Lodge, then forgotten by its database: restored from an older backup. */
static void unknown_is_quarantined(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    char sql[200];
    snprintf(sql, sizeof sql, "DELETE FROM instance WHERE id = '%s'", w.id);
    fixture_raw(s->f, sql);
    until(fixture_int(s->f, "SELECT count(*) FROM quarantine") == 1);
    usleep(700000);
    assert_int_equal(engine_count(s), 1); /* never deleted */
    assert_int_equal(fixture_int(s->f, "SELECT count(*) FROM quarantine"), 1);
    ok(s, s->d->remove(s->g, w.id, true, &s->f->e));
    until(fixture_int(s->f, "SELECT count(*) FROM quarantine") == 0);
}

static void late_arrival_is_removed(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    char sql[300];
    snprintf(sql, sizeof sql,
             "INSERT INTO tombstone (instance_id, tenant_id, backend, deleted_at) SELECT id, tenant_id, "
             "backend, 1 FROM "
             "instance WHERE id = '%s'; DELETE FROM instance WHERE id = '%s'",
             w.id, w.id);
    fixture_raw(s->f, sql);
    until(engine_count(s) == 0);
    assert_int_equal(fixture_int(s->f, "SELECT count(*) FROM quarantine"), 0);
}

static void interrupted_states_settle(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish a = made(s, "a"), b = made(s, "b");
    fixture_raw(s->f, "UPDATE instance SET state = 'stopping' WHERE name = 'a'");
    fixture_raw(s->f, "UPDATE instance SET state = 'deleting', desired = 'absent' WHERE name = 'b'");
    until(state_of(s, a.id) == LG_ST_RUNNING);
    until(state_of(s, b.id) == LG_ST_COUNT);
    assert_int_equal(engine_count(s), 1);
    assert_int_equal(fixture_int(s->f, "SELECT count(*) FROM operation WHERE username = 'system'"), 1);
}

/* As after a reboot of the host: everything exited long ago, nothing revived it. */
static void policy_revives(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish a = made_with(s, "a", "{\"restartPolicy\":\"always\"}"), n = made(s, "n");
    runner_signal(s, SIGTERM);
    ok(s, s->d->stop(s->g, a.id, 0, &s->f->e));
    ok(s, s->d->stop(s->g, n.id, 0, &s->f->e));
    runner_start(s);
    until(state_of(s, n.id) == LG_ST_STOPPED);
    until(state_of(s, a.id) == LG_ST_STOPPED || state_of(s, a.id) == LG_ST_RUNNING);
    until(state_of(s, a.id) == LG_ST_RUNNING && engine_status(s, a.id).run == LG_RUN_RUNNING);
    assert_int_equal(engine_status(s, n.id).run, LG_RUN_EXITED);
}

static void hands_off_while_an_operation_runs(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = made(s, "web");
    faults(s, "start slow=1500\n");
    struct wish r = wish_verb(s, w.id, LG_V_RESTART, "{\"force\":true}", false);
    at_work(s, r.op);
    while (!lg_operation_ended(operation(s, r.op))) {
        enum lg_state st = state_of(s, w.id);
        if (lg_operation_ended(operation(s, r.op)))
            break;
        assert_int_equal(st, LG_ST_RESTARTING);
        usleep(50000);
    }
    ended(s, r.op, "done");
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
}

/* ---- streams ---- */

static ssize_t ask(struct site *s, const char *request, char *answer, size_t cap, int *fd)
{
    char path[160];
    snprintf(path, sizeof path, "%s/run/runner-streams.sock", s->f->dir);
    int sock = -1;
    until((sock = lg_unix_connect(path, SOCK_SEQPACKET, &s->f->e)) >= 0);
    assert_int_equal(send(sock, request, strlen(request), 0), strlen(request));
    ssize_t n = lg_recv_fd(sock, answer, cap - 1, fd);
    answer[n > 0 ? n : 0] = 0;
    close(sock);
    return n;
}

static void log_streams(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = wish_create(s, "talker", "echo hello stream; sleep 1; echo bye", NULL);
    ended(s, w.op, "done");
    char request[200], answer[600], frames[4096];
    int fd = -1;
    snprintf(request, sizeof request,
             "{\"kind\":\"logs\",\"instance\":\"%s\",\"tail\":10,\"follow\":true,\"since\":0}", w.id);
    assert_true(ask(s, request, answer, sizeof answer, &fd) > 0);
    assert_string_equal(answer, "{\"ok\":true}");
    assert_true(fd >= 0);
    size_t got = 0;
    ssize_t n;
    while (got < sizeof frames && (n = read(fd, frames + got, sizeof frames - got)) > 0)
        got += (size_t)n;
    close(fd);
    assert_int_equal(frames[0], 1);
    assert_non_null(memmem(frames, got, "hello stream", 12));
    assert_non_null(memmem(frames, got, "bye", 3));
}

static void bad_stream_requests(void **state)
{
    static const struct {
        const char *request, *code;
    } bad[] = {
        {"{", "INVALID_REQUEST"},
        {"{\"kind\":\"shell\"}", "INVALID_REQUEST"},
        {"{\"kind\":\"logs\",\"instance\":\"../x\"}", "INVALID_REQUEST"},
        {"{\"kind\":\"logs\",\"instance\":\"00000000-0000-4000-8000-000000000000\"}", "INSTANCE_NOT_FOUND"}};
    struct site *s = *state;
    runner_start(s);
    char answer[600], request[200];
    int fd;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(ask(s, bad[i].request, answer, sizeof answer, &fd) > 0);
        assert_int_equal(fd, -1);
        if (!strstr(answer, bad[i].code))
            fail_msg("%s was answered %s", bad[i].request, answer);
    }
    faults(s, "create fail\n");
    struct wish w = wish_create(s, "web", NULL, NULL);
    ended(s, w.op, "failed");
    snprintf(request, sizeof request, "{\"kind\":\"logs\",\"instance\":\"%s\"}", w.id);
    assert_true(ask(s, request, answer, sizeof answer, &fd) > 0);
    assert_non_null(strstr(answer, "NOT_FOUND"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_site(gone_from_the_engine),
                                       with_site(paused_stopped_started_outside),
                                       with_site(wakes_without_hints),
                                       with_site(unknown_is_quarantined),
                                       with_site(late_arrival_is_removed),
                                       with_site(interrupted_states_settle),
                                       with_site(policy_revives),
                                       with_site(hands_off_while_an_operation_runs),
                                       with_site(log_streams),
                                       with_site(bad_stream_requests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
