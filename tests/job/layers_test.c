/* What follows from the size of a container's layer. */
#include "job/site.h"

#include "store/layer.h"

#define MIB ((int64_t)1 << 20)

static struct wish limited(struct site *s, const char *name)
{
    struct wish w = wish_create(s, name, NULL, NULL);
    ended(s, w.op, "done");
    char sql[160];
    snprintf(sql, sizeof sql, "UPDATE instance SET storage_bytes = %lld WHERE id = '%s'",
             (long long)(100 * MIB), w.id);
    fixture_raw(s->f, sql);
    return w;
}

static void size(struct site *s, const char *id, int64_t mib, const char *more)
{
    char path[256], tmp[300];
    snprintf(path, sizeof path, "%s/fake/layer-%s", s->f->dir, id);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    FILE *f = fopen(tmp, "we");
    assert_non_null(f);
    fprintf(f, "%lld%s\n", (long long)(mib * MIB), more);
    fclose(f);
    assert_int_equal(rename(tmp, path), 0);
}

static int64_t measured(struct site *s, const char *id)
{
    struct lg_layer_row l = {.bytes = -1};
    return lg_layer_get(s->db, id, &l, NULL) == 1 ? l.bytes / MIB : -1;
}

static int64_t told(struct site *s, const char *id, const char *level)
{
    char sql[240];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM event WHERE kind = 'instance.storage' AND subject_id = '%s' AND "
             "json_extract(data, '$.level') = '%s'",
             id, level);
    return fixture_int(s->f, sql);
}

static void warned_once_then_stopped(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = limited(s, "web"), other = limited(s, "other");
    size(s, w.id, 89, "");
    until(measured(s, w.id) == 89);
    assert_int_equal(told(s, w.id, "warning"), 0);
    size(s, w.id, 90, "");
    until(told(s, w.id, "warning") == 1);
    size(s, w.id, 95, "");
    until(measured(s, w.id) == 95);
    size(s, w.id, 100, "");
    until(state_of(s, w.id) == LG_ST_STOPPED);
    assert_int_equal(told(s, w.id, "warning"), 1);
    assert_int_equal(told(s, w.id, "full"), 1);
    assert_non_null(strstr(reason_of(s, w.id), "storage_full"));
    assert_non_null(strstr(reason_of(s, w.id), "100.0 MiB of the 100.0 MiB"));
    assert_int_equal(engine_status(s, w.id).run, LG_RUN_EXITED);
    assert_int_equal(state_of(s, other.id), LG_ST_RUNNING);
    struct lg_sample m;
    size(s, other.id, 7, "");
    until(lg_sample_get(s->db, other.id, &m, NULL) == 1 && m.disk_bytes == 7 * MIB);
}

/* Whoever starts it again may make room; whoever goes on filling it is stopped again. */
static void may_come_back_to_make_room(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = limited(s, "web");
    size(s, w.id, 120, "");
    until(state_of(s, w.id) == LG_ST_STOPPED);
    struct wish again = wish_verb(s, w.id, LG_V_START, "{}", false);
    ended(s, again.op, "done");
    size(s, w.id, 121, "");
    until(measured(s, w.id) == 121);
    usleep(600000);
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
    size(s, w.id, 150, "");
    until(state_of(s, w.id) == LG_ST_STOPPED);
    again = wish_verb(s, w.id, LG_V_START, "{}", false);
    ended(s, again.op, "done");
    size(s, w.id, 10, "");
    until(told(s, w.id, "ok") == 1);
    size(s, w.id, 100, ""); /* full anew: no more grace */
    until(state_of(s, w.id) == LG_ST_STOPPED);
    assert_int_equal(told(s, w.id, "warning"), 2);
    assert_int_equal(told(s, w.id, "full"), 3);
}

static void what_the_file_system_keeps_is_not_stopped(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = limited(s, "web"), free_one = wish_create(s, "free", NULL, NULL);
    ended(s, free_one.op, "done");
    size(s, w.id, 100, " hard");
    size(s, free_one.id, 100000, "");
    until(told(s, w.id, "warning") == 1);
    until(measured(s, free_one.id) == 100000);
    usleep(600000);
    assert_int_equal(state_of(s, w.id), LG_ST_RUNNING);
    assert_int_equal(state_of(s, free_one.id), LG_ST_RUNNING);
    assert_int_equal(fixture_int(s->f, "SELECT count(*) FROM event WHERE kind = 'instance.storage'"), 1);
}

/* The measuring process is killed again and again: nothing is told twice, and the end comes. */
static void survives_kills(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w = limited(s, "web");
    size(s, w.id, 92, "");
    until(told(s, w.id, "warning") == 1);
    for (int i = 0; i < 3; i++) {
        pid_t pid, now;
        until(runner_children(s, "lodge-layers", &pid, 1) == 1);
        kill(pid, SIGKILL);
        until(runner_children(s, "lodge-layers", &now, 1) == 0 || now != pid);
    }
    size(s, w.id, 130, "");
    until(state_of(s, w.id) == LG_ST_STOPPED);
    assert_int_equal(told(s, w.id, "warning"), 1);
    assert_int_equal(told(s, w.id, "full"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_site(warned_once_then_stopped),
        with_site(may_come_back_to_make_room),
        with_site(what_the_file_system_keeps_is_not_stopped),
        with_site(survives_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
