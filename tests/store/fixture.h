/* A freshly migrated database in a folder of its own, for the tests of fcgi/store. */
#ifndef LG_TESTS_STORE_FIXTURE_H
#define LG_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/conf.h"
#include "base/crypto.h"
#include "base/proc.h"
#include "store/db.h"

struct fixture {
    struct lg_conf conf;
    struct lg_db *db;
    sqlite3 *raw; /* a connection of its own, to arrange and to look */
    struct lg_err e;
    char dir[64];
};

static inline void fixture_raw(struct fixture *f, const char *sql)
{
    char *msg = NULL;
    if (sqlite3_exec(f->raw, sql, NULL, NULL, &msg))
        fail_msg("%s: %s", sql, msg);
}

static inline int64_t fixture_int(struct fixture *f, const char *sql)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(f->raw, sql, -1, &s, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(f->raw));
    int64_t v = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : INT64_MIN;
    sqlite3_finalize(s);
    return v;
}

static inline int fixture_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *tmp = getenv("LODGE_TEST_TMP");
    snprintf(f->dir, sizeof f->dir, "%s/lodge-store-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    setenv("LODGE_STATE", f->dir, 1);
    char path[128];
    snprintf(path, sizeof path, "%s/db", f->dir);
    mkdir(path, 0700);
    assert_int_equal(lg_crypto_init(&f->e), 0);
    assert_int_equal(lg_conf_load(&f->conf, &f->e), 0);
    assert_true(lg_db_migrate(&f->conf, &f->e) > 0);
    assert_int_equal(lg_db_open(&f->db, &f->conf, &f->e), 0);
    snprintf(path, sizeof path, "%s/db/lodge.db", f->dir);
    assert_int_equal(sqlite3_open(path, &f->raw), SQLITE_OK);
    sqlite3_busy_timeout(f->raw, 10000); /* a runner may be writing */
    *state = f;
    return 0;
}

static inline int fixture_down(void **state)
{
    struct fixture *f = *state;
    sqlite3_close(f->raw);
    lg_db_close(f->db);
    const char *const argv[] = {"rm", "-rf", f->dir, NULL};
    lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 10000, NULL, NULL, NULL);
    free(f);
    return 0;
}

#define with_fixture(fn) cmocka_unit_test_setup_teardown(fn, fixture_up, fixture_down)

#endif
