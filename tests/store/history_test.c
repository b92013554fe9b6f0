/* Usage history: buckets, roll-up, what is forgotten, what becomes of a file that cannot be used. */
#include "fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include "store/history.h"

#define T0 ((int64_t)1700000100000) /* a quarter of an hour begins here, ms */

struct hist {
    struct lg_db *db;
    struct fixture *f;
    struct lg_sample last;
};

static void open_history(struct fixture *f, struct hist *h)
{
    memset(h, 0, sizeof *h);
    h->f = f;
    assert_int_equal(lg_history_open(&h->db, &f->conf, &f->e), 0);
    snprintf(h->last.instance_id, sizeof h->last.instance_id, "one");
    h->last.disk_bytes = -1;
}

/* A sample after `ms` in which counters grew by these. */
static void put(struct hist *h, int64_t ms, int64_t cpu_us, int64_t memory, int64_t rx)
{
    struct lg_sample before = h->last;
    h->last.at += ms;
    h->last.cpu_us += cpu_us;
    h->last.rx_bytes += rx;
    h->last.tx_bytes += rx / 2;
    h->last.memory_bytes = memory;
    h->last.pids = 3;
    assert_int_equal(lg_tx_write(h->db, &h->f->e), 0);
    assert_int_equal(lg_history_add(h->db, &h->last, before.at ? &before : NULL, &h->f->e), 0);
    assert_int_equal(lg_tx_commit(h->db, &h->f->e), 0);
}

static void roll(struct hist *h, int64_t since, int64_t now)
{
    assert_int_equal(lg_tx_write(h->db, &h->f->e), 0);
    assert_int_equal(lg_history_roll(h->db, since, now, &h->f->e), 0);
    assert_int_equal(lg_tx_commit(h->db, &h->f->e), 0);
}

struct points {
    struct lg_history_point at[4000];
    int count;
};

static void take(void *arg, const struct lg_history_point *p)
{
    struct points *s = arg;
    s->at[s->count++] = *p;
}

static const struct points *series(struct hist *h, int tier, int64_t since_ms, int64_t until_ms,
                                   int64_t step_s)
{
    static struct points s;
    s.count = 0;
    assert_int_equal(lg_history_series(h->db, "one", &lg_history_tiers[tier], since_ms / 1000,
                                       until_ms / 1000, step_s, take, &s, &h->f->e),
                     0);
    return &s;
}

static void every_statement_prepares(void **state)
{
    struct hist h;
    open_history(*state, &h);
    assert_int_equal(lg_db_prepare_all(h.db, &h.f->e), 0);
    lg_db_close(h.db);
}

static void samples_join_their_bucket(void **state)
{
    struct hist h;
    open_history(*state, &h);
    h.last.at = T0 - 5000;
    h.last.cpu_us = 1000000;
    put(&h, 5000, 500000, 100, 1000);  /* 10 % of a core */
    put(&h, 5000, 1500000, 300, 3000); /* 30 % */
    put(&h, 5000, 0, 200, 0);
    const struct points *s = series(&h, 0, T0, T0 + 60000, 10);
    assert_int_equal(s->count, 2);
    const struct lg_history_point *p = &s->at[0];
    assert_int_equal(p->at_s, T0 / 1000);
    assert_int_equal(p->samples, 2);
    assert_int_equal(p->span_ms, 10000);
    assert_true(p->cpu_avg > 19.99 && p->cpu_avg < 20.01);
    assert_true(p->cpu_min > 9.99 && p->cpu_min < 10.01 && p->cpu_max > 29.99 && p->cpu_max < 30.01);
    assert_true(p->memory_avg > 199.9 && p->memory_avg < 200.1);
    assert_int_equal(p->memory_min, 100);
    assert_int_equal(p->memory_max, 300);
    assert_int_equal(p->rx_bytes, 4000);
    assert_int_equal(p->tx_bytes, 2000);
    assert_int_equal(p->disk_bytes, -1);
    assert_int_equal(s->at[1].rx_bytes, 0);
    /* Nobody else's. */
    struct points none = {.count = 0};
    assert_int_equal(lg_history_series(h.db, "two", &lg_history_tiers[0], 0, T0, 10, take, &none, &h.f->e),
                     0);
    assert_int_equal(none.count, 0);
    lg_db_close(h.db);
}

/* What counts from zero again has started anew: its counters are what it used since. */
static void a_restart_is_no_negative_usage(void **state)
{
    struct hist h;
    open_history(*state, &h);
    h.last.at = T0 - 5000;
    h.last.cpu_us = 50000000;
    h.last.rx_bytes = 1 << 20;
    h.last.tx_bytes = 1 << 20;
    put(&h, 5000, -49900000, 100, -(1 << 20) + 700);
    const struct points *s = series(&h, 0, T0, T0 + 10000, 10);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->at[0].rx_bytes, 700);
    assert_true(s->at[0].cpu_avg > 1.99 && s->at[0].cpu_avg < 2.01); /* 100 ms within 5 s */
    /* The very first: nothing is known of before. */
    snprintf(h.last.instance_id, sizeof h.last.instance_id, "two");
    h.last = (struct lg_sample){.at = 0};
    snprintf(h.last.instance_id, sizeof h.last.instance_id, "one");
    put(&h, T0 + 20000, 1000000, 1, 5);
    s = series(&h, 0, T0 + 20000, T0 + 30000, 10);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->at[0].rx_bytes, 5);
    lg_db_close(h.db);
}

static void wider_buckets_hold_the_same(void **state)
{
    struct hist h;
    open_history(*state, &h);
    h.last.at = T0 - 10000;
    for (int i = 0; i < 180; i++) { /* half an hour, rolled each minute as the runner does */
        put(&h, 10000, i * 10000, i, 100);
        if (i % 6 == 5)
            roll(&h, h.last.at - 60000, h.last.at);
    }
    const struct points *s = series(&h, 1, T0, T0 + 1800000, 60);
    assert_int_equal(s->count, 30);
    assert_int_equal(s->at[0].samples, 6);
    assert_int_equal(s->at[29].memory_max, 179);
    assert_int_equal(s->at[29].memory_min, 174);
    s = series(&h, 2, T0, T0 + 1800000, 900);
    assert_int_equal(s->count, 2);
    assert_int_equal(s->at[0].samples + s->at[1].samples, 180);
    assert_int_equal(s->at[0].rx_bytes + s->at[1].rx_bytes, 18000);
    assert_true(s->at[1].memory_avg > 134.4 && s->at[1].memory_avg < 134.6);
    roll(&h, 0, h.last.at); /* once more, over everything: nothing is counted twice */
    s = series(&h, 2, T0, T0 + 1800000, 900);
    assert_int_equal(s->at[0].rx_bytes + s->at[1].rx_bytes, 18000);
    /* Steps of a caller's own. */
    s = series(&h, 1, T0, T0 + 1800000, 300);
    assert_int_equal(s->count, 6);
    assert_int_equal(s->at[5].samples, 30);
    lg_db_close(h.db);
}

static int64_t rows(struct hist *h, int width_s)
{
    char path[256], sql[96];
    sqlite3 *raw;
    sqlite3_stmt *s;
    snprintf(path, sizeof path, "%s/db/samples.db", h->f->dir);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM usage_bucket WHERE width_s = %d", width_s);
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(raw);
    return n;
}

static void each_width_has_its_time(void **state)
{
    struct hist h;
    open_history(*state, &h);
    h.last.at = T0 - 60000;
    for (int i = 0; i < 300; i++) {
        put(&h, 60000, 10, 10, 10);
        roll(&h, h.last.at - 60000, h.last.at);
    }
    int64_t now = h.last.at;
    assert_int_equal(rows(&h, 10), 61);
    assert_int_equal(rows(&h, 60), 300);
    assert_int_equal(rows(&h, 900), 20);
    /* A bucket whose parts are gone by half is not made anew from the rest. */
    roll(&h, 0, now);
    const struct points *s = series(&h, 2, T0, now + 1000, 900);
    assert_int_equal(s->count, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(s->at[i].samples, 15);
    roll(&h, now, now + (int64_t)25 * 3600000);
    assert_int_equal(rows(&h, 10), 0);
    assert_int_equal(rows(&h, 60), 0);
    assert_int_equal(rows(&h, 900), 20);
    roll(&h, now, now + (int64_t)32 * 24 * 3600000);
    assert_int_equal(rows(&h, 900), 0);
    lg_db_close(h.db);
}

static void count_ids(void *arg, const char *id)
{
    assert_string_equal(id, "one");
    ++*(int *)arg;
}

static void removed_with_its_instance(void **state)
{
    struct hist h;
    int n = 0;
    open_history(*state, &h);
    h.last.at = T0;
    put(&h, 10000, 1, 1, 1);
    assert_int_equal(lg_history_each(h.db, count_ids, &n, &h.f->e), 0);
    assert_int_equal(n, 1);
    assert_int_equal(lg_tx_write(h.db, &h.f->e), 0);
    assert_int_equal(lg_history_remove(h.db, "one", &h.f->e), 0);
    assert_int_equal(lg_tx_commit(h.db, &h.f->e), 0);
    assert_int_equal(lg_history_each(h.db, count_ids, &n, &h.f->e), 0);
    assert_int_equal(n, 1);
    assert_int_equal(rows(&h, 10), 0);
    lg_db_close(h.db);
}

/* A reader needs no writer beside it, and a killed writer's last transaction is there. */
static void a_killed_writer_loses_nothing(void **state)
{
    struct hist h;
    struct fixture *f = *state;
    pid_t pid = fork();
    if (!pid) {
        open_history(f, &h);
        h.last.at = T0;
        put(&h, 10000, 1, 1, 42);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    open_history(f, &h);
    assert_int_equal(series(&h, 0, 0, T0 + 60000, 10)->count, 1);
    lg_db_close(h.db);
}

static void what_cannot_be_used_is_put_aside(void **state)
{
    struct hist h;
    struct fixture *f = *state;
    char path[256];
    snprintf(path, sizeof path, "%s/db/samples.db", f->dir);
    FILE *out = fopen(path, "we");
    for (int i = 0; i < 4096; i++)
        fputs("no database", out);
    fclose(out);
    assert_int_equal(lg_history_open(&h.db, &f->conf, &f->e), -LG_STORAGE);
    assert_int_equal(lg_db_migrate(&f->conf, &f->e), 0);
    open_history(f, &h);
    h.last.at = T0;
    put(&h, 10000, 1, 1, 1);
    assert_int_equal(rows(&h, 10), 1);
    lg_db_close(h.db);
    snprintf(path, sizeof path, "%s/db/samples.db.unusable", f->dir);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/db/samples.db", f->dir);
    assert_int_equal(unlink(path), 0); /* gone: made anew as well, and the database is as it was */
    assert_int_equal(lg_db_migrate(&f->conf, &f->e), 0);
    open_history(f, &h);
    assert_int_equal(rows(&h, 10), 0);
    lg_db_close(h.db);
}

/* What root opens first stays its owner's: else the owner could only read. */
static void files_beside_are_the_owners(void **state)
{
    struct fixture *f = *state;
    static const char *const ends[] = {"-wal", "-shm"};
    char path[256];
    struct stat st;
    if (geteuid())
        skip();
    lg_db_close(f->db);
    sqlite3_close(f->raw);
    f->raw = NULL;
    snprintf(path, sizeof path, "%s/db/lodge.db", f->dir);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(lg_db_open(&f->db, &f->conf, &f->e), 0);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/db/lodge.db%s", f->dir, ends[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 65534);
        assert_int_equal(st.st_gid, 65534);
    }
    snprintf(path, sizeof path, "%s/db/lodge.db-wal", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(lg_tx_write(f->db, &f->e), 0);
    assert_int_equal(lg_tx_commit(f->db, &f->e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_fixture(every_statement_prepares),       with_fixture(samples_join_their_bucket),
        with_fixture(a_restart_is_no_negative_usage), with_fixture(wider_buckets_hold_the_same),
        with_fixture(each_width_has_its_time),        with_fixture(removed_with_its_instance),
        with_fixture(a_killed_writer_loses_nothing),  with_fixture(what_cannot_be_used_is_put_aside),
        with_fixture(files_beside_are_the_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
