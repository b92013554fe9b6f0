// links: base
/* Histograms in a file: added to by several processes, read by another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/histogram.h"

static char path[64];

static int up(void **state)
{
    (void)state;
    char dir[] = "/tmp/lodge-histogram-XXXXXX";
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/calls", dir);
    return 0;
}

static int down(void **state)
{
    (void)state;
    unlink(path);
    *strrchr(path, '/') = 0;
    return rmdir(path);
}

struct seen {
    int rows;
    struct lg_histogram_row last;
    char a[64], b[64];
};

static void take(void *arg, const struct lg_histogram_row *r)
{
    struct seen *s = arg;
    s->rows++;
    s->last = *r;
    snprintf(s->a, sizeof s->a, "%s", r->a);
    snprintf(s->b, sizeof s->b, "%s", r->b);
}

static void test_adds_and_reads(void **state)
{
    (void)state;
    struct lg_histogram *h;
    struct lg_err e = {0};
    struct seen s = {0};
    struct stat st;
    assert_int_equal(lg_histogram_read(path, take, &s, &e), 0); /* not there yet: nothing */
    assert_int_equal(s.rows, 0);
    assert_int_equal(lg_histogram_make(&h, path, -1, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    lg_histogram_add(h, "docker", "start", 2500, false);
    lg_histogram_add(h, "docker", "start", 2501, true);
    lg_histogram_add(h, "docker", "start", INT64_MAX, false);
    lg_histogram_add(h, "docker", "start", -5, false);
    lg_histogram_add(NULL, "docker", "start", 1, false);
    assert_int_equal(lg_histogram_read(path, take, &s, &e), 0);
    assert_int_equal(s.rows, 1);
    assert_string_equal(s.b, "start");
    assert_int_equal(s.last.count, 4);
    assert_int_equal(s.last.failed, 1);
    assert_int_equal(s.last.bucket[0], 2);
    assert_int_equal(s.last.bucket[1], 1);
    assert_int_equal(s.last.bucket[LG_HISTOGRAM_STEPS - 1], 1);
}

/* More processes than anybody has, all at once on the same labels: nothing is lost, nothing told twice. */
static void test_many_processes(void **state)
{
    (void)state;
    struct lg_histogram *h;
    struct lg_err e = {0};
    struct seen s = {0};
    int go[2];
    char c;
    assert_int_equal(pipe(go), 0);
    assert_int_equal(lg_histogram_make(&h, path, -1, &e), 0);
    for (int i = 0; i < 8; i++)
        if (!fork()) {
            close(go[1]);
            (void)!read(go[0], &c, 1);
            for (int k = 0; k < 1000; k++)
                lg_histogram_add(h, "docker",
                                 "a call whose name is much longer than a label may be, and so it is cut", k,
                                 k % 10 == 0);
            _exit(0);
        }
    close(go[0]);
    close(go[1]);
    while (wait(NULL) > 0)
        ;
    assert_int_equal(lg_histogram_read(path, take, &s, &e), 0);
    assert_int_equal(s.rows, 1);
    assert_int_equal(s.last.count, 8000);
    assert_int_equal(s.last.failed, 800);
    assert_int_equal(strlen(s.b), LG_HISTOGRAM_LABEL - 1);
}

static void test_full_and_foreign(void **state)
{
    (void)state;
    struct lg_histogram *h;
    struct lg_err e = {0};
    struct seen s = {0};
    char name[16];
    assert_int_equal(lg_histogram_make(&h, path, -1, &e), 0);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "c%d", i);
        lg_histogram_add(h, "docker", name, 1, false);
    }
    assert_int_equal(lg_histogram_read(path, take, &s, &e), 0);
    assert_int_equal(s.rows, 128);
    FILE *f = fopen(path, "we");
    fputs("something else", f);
    fclose(f);
    assert_int_equal(lg_histogram_read(path, take, &s, &e), -LG_INTERNAL);
    assert_int_equal(lg_histogram_make(&h, path, -1, &e), 0); /* a new one takes its place */
    s.rows = 0;
    assert_int_equal(lg_histogram_read(path, take, &s, &e), 0);
    assert_int_equal(s.rows, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_adds_and_reads, up, down),
        cmocka_unit_test_setup_teardown(test_many_processes, up, down),
        cmocka_unit_test_setup_teardown(test_full_and_foreign, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
