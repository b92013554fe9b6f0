/* The template renderer and nginx's quoting. */
// links: base
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "up/template.c"

static const struct lg_var vars[] = {
    {"A", "one"}, {"LONG_NAME2", "two"}, {"EMPTY", ""}, {"NEST", "@A@"}, {NULL, NULL}};

static void expect(const char *text, const char *want)
{
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_err e;
    assert_int_equal(lg_template(text, vars, &out, &e), 0);
    assert_string_equal(lg_buf_cstr(&out), want);
}

static void replaces_names(void **state)
{
    (void)state;
    expect("", "");
    expect("plain", "plain");
    expect("@A@", "one");
    expect("x@A@y@LONG_NAME2@z", "xoneytwoz");
    expect("@A@@A@", "oneone");
    expect("[@EMPTY@]", "[]");
}

static void leaves_other_signs(void **state)
{
    (void)state;
    expect("location @stream {", "location @stream {");
    expect("@", "@");
    expect("@@", "@@");
    expect("a@A", "a@A");
    expect("@A @A@", "@A one");
    expect("@a@", "@a@");
}

static void values_are_not_looked_at_again(void **state)
{
    (void)state;
    expect("@NEST@", "@A@");
}

static void names_what_is_unknown(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf out = {0};
    struct lg_err e;
    assert_int_equal(lg_template("x @MISSING@ y", vars, &out, &e), -(int)LG_INVALID);
    assert_non_null(strstr(e.msg, "@MISSING@"));
}

static void says_when_too_large(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf out = {.max = 8};
    struct lg_err e;
    assert_int_equal(lg_template("@A@@A@@A@@A@", vars, &out, &e), -(int)LG_INTERNAL);
}

static void quotes(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf out = {0};
    lg_nginx_quote(&out, "it's \\ $app \"x\"");
    assert_string_equal(lg_buf_cstr(&out), "it\\'s \\\\ $app \"x\"");
}

static void files_are_written_whole(void **state)
{
    (void)state;
    char dir[] = "/tmp/lodge-template-XXXXXX", path[64], link_path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/f", dir);
    snprintf(link_path, sizeof link_path, "%s/f.new", dir);
    struct lg_err e;
    struct stat st;
    /* A planted link at the temporary name is replaced, not followed. */
    assert_int_equal(symlink("/nonexistent/target", link_path), 0);
    assert_int_equal(lg_write_file(path, "hello", 5, 0600, 1, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    lg_cleanup_buf struct lg_buf out = {0};
    assert_int_equal(lg_read_file(path, 5, &out, &e), 0);
    assert_string_equal(lg_buf_cstr(&out), "hello");
    lg_buf_reset(&out);
    assert_int_equal(lg_read_file(path, 4, &out, &e), -(int)LG_INTERNAL);
    assert_int_equal(lg_write_file("/nonexistent/f", "x", 1, 0600, 0, &e), -(int)LG_INTERNAL);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_names),          cmocka_unit_test(leaves_other_signs),
        cmocka_unit_test(names_what_is_unknown),   cmocka_unit_test(values_are_not_looked_at_again),
        cmocka_unit_test(says_when_too_large),     cmocka_unit_test(quotes),
        cmocka_unit_test(files_are_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
