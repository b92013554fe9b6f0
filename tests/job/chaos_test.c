/* Fifty parallel creates and deletes while processes are killed: nothing lost, nothing twice, nothing
 * orphaned. */
#include "job/site.h"

#define COUNT 50

static unsigned seed = 1;

static int dice(int n)
{
    return (int)((unsigned)rand_r(&seed) % (unsigned)n);
}

static void kill_one_worker(struct site *s)
{
    pid_t pid[64];
    int n = runner_children(s, "lodge-job", pid, 64);
    if (n)
        kill(pid[dice(n)], SIGKILL);
}

static void kill_helper(struct site *s)
{
    static const char *const names[] = {"lodge-reconcile", "lodge-keeper", "lodge-watch"};
    pid_t pid;
    if (runner_children(s, names[dice(3)], &pid, 1))
        kill(pid, SIGKILL);
}

static int64_t open_operations(struct site *s)
{
    return fixture_int(s->f, "SELECT count(*) FROM operation WHERE status IN ('queued','running')");
}

/* What a busy host makes slow is hit again and again; one that has died four times is rightly given up. */
static bool hit_enough(struct site *s)
{
    return fixture_int(s->f, "SELECT coalesce(max(attempts), 0) FROM operation WHERE status = 'running'") >=
           3;
}

/* Kills while there is work, at most `kills` times; a worker more often than the master. */
static void havoc(struct site *s, int kills)
{
    while (kills-- > 0 && open_operations(s)) {
        usleep((useconds_t)(20000 + dice(150000)));
        switch (dice(6)) {
        case 0:
            runner_signal(s, SIGKILL);
            runner_start(s);
            break;
        case 1:
            kill_helper(s);
            break;
        default:
            if (!hit_enough(s))
                kill_one_worker(s);
        }
    }
}

static void all_settled(struct site *s)
{
    until(open_operations(s) == 0);
    until(fixture_int(s->f,
                      "SELECT count(*) FROM instance WHERE state NOT IN ('running','stopped','error')") == 0);
}

static void round_of(struct site *s, int round)
{
    struct wish w[COUNT], rm[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "r%d-%d", round, i);
        w[i] = wish_create(s, name, NULL, NULL);
        rm[i] = (struct wish){0};
        if (i % 2 && i > 4) /* forced, while the create may be at work */
            rm[i - 4] = wish_verb(s, w[i - 4].id, LG_V_DELETE, "{\"force\":true}", true);
    }
    havoc(s, 15);
    all_settled(s);
    for (int i = 0; i < COUNT; i++) {
        if (*rm[i].op) {
            assert_int_equal(state_of(s, w[i].id), LG_ST_COUNT);
            continue;
        }
        if (state_of(s, w[i].id) == LG_ST_COUNT)
            fail_msg("an acknowledged instance is missing");
        rm[i] = wish_verb(s, w[i].id, LG_V_DELETE, "{\"force\":true}", true);
        assert_true(*rm[i].op);
    }
    havoc(s, 15);
    all_settled(s);
}

/* How many operations ended otherwise than done or cancelled; says how. */
static int tell_failures(struct site *s)
{
    sqlite3_stmt *st;
    int n = 0;
    assert_int_equal(sqlite3_prepare_v2(s->f->raw,
                                        "SELECT kind, error_code, error_text, log FROM operation WHERE "
                                        "error_code NOT IN ('', 'CANCELLED')",
                                        -1, &st, NULL),
                     SQLITE_OK);
    for (; sqlite3_step(st) == SQLITE_ROW; n++)
        print_error("%s: %s %s\n%s\n", sqlite3_column_text(st, 0), sqlite3_column_text(st, 1),
                    sqlite3_column_text(st, 2), sqlite3_column_text(st, 3));
    sqlite3_finalize(st);
    return n;
}

static void nothing_is_lost(void **state)
{
    struct site *s = *state;
    const char *given = getenv("LODGE_TEST_SEED");
    seed = given ? (unsigned)atoi(given) : (unsigned)lg_clock_ms();
    print_message("LODGE_TEST_SEED=%u\n", seed);
    faults(s, "create slow=30\nstart slow=30\nremove slow=20\n");
    runner_start(s);
    for (int round = 0; round < 2; round++)
        round_of(s, round);
    assert_int_equal(fixture_int(s->f, "SELECT count(*) FROM instance"), 0);
    until(engine_count(s) == 0);
    assert_int_equal(fixture_int(s->f, "SELECT count(*) FROM quarantine"), 0);
    assert_int_equal(fixture_int(s->f, "SELECT count(*) FROM instance_port"), 0);
    assert_int_equal(tell_failures(s), 0);
}

/* The engine's service dies again and again, answers get lost, and still everything comes up once. */
static void weak_engine(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct wish w[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "e%d", i);
        w[i] = wish_create(s, name, NULL, NULL);
    }
    while (open_operations(s)) {
        faults(s, dice(2) ? "* gone 6\n" : "create lost 3\nstart lost 3\ninspect gone 2\n");
        usleep((useconds_t)(50000 + dice(200000)));
    }
    faults(s, "");
    all_settled(s);
    until(engine_count(s) == fixture_int(s->f, "SELECT count(*) FROM instance WHERE state = 'running'"));
    for (int i = 0; i < COUNT; i++)
        assert_int_not_equal(state_of(s, w[i].id), LG_ST_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_site(nothing_is_lost), with_site(weak_engine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
