// links: base model
/* What callers say of volumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/volume.h"

static void sizes(void **state)
{
    (void)state;
    struct lg_err e;
    static const int64_t bad[] = {
        INT64_MIN, -1, 0, 4096, LG_VOLUME_MIN_BYTES - 1, LG_VOLUME_MIN_BYTES + 1, LG_VOLUME_MAX_BYTES + 4096,
        INT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(lg_check_volume_size("size", bad[i], &e), -LG_INVALID);
        assert_string_equal(e.detail[0].value, "size");
    }
    assert_int_equal(lg_check_volume_size("size", LG_VOLUME_MIN_BYTES, &e), 0);
    assert_int_equal(lg_check_volume_size("size", LG_VOLUME_MAX_BYTES, &e), 0);
}

static void good_mounts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *host_path, *path;
        bool read_only;
    } good[] = {{"data:/data", "data", "", "/data", false},
                {"/data:/data", "data", "", "/data", false},
                {"/data:/var/lib/x/:ro", "data", "", "/var/lib/x", true},
                {"a-1:/a:rw", "a-1", "", "/a", false},
                {"/srv/shared:/in:ro", "", "/srv/shared", "/in", true},
                {"d:/with space/é", "d", "", "/with space/é", false},
                {"d:/process", "d", "", "/process", false}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct lg_mount m;
        struct lg_err e;
        if (lg_parse_mount("f", good[i].text, &m, &e))
            fail_msg("%s: %s", good[i].text, e.msg);
        assert_string_equal(m.name, good[i].name);
        assert_string_equal(m.host_path, good[i].host_path);
        assert_string_equal(m.path, good[i].path);
        assert_int_equal(m.read_only, good[i].read_only);
    }
}

static void bad_mounts(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ":",
                                      "data",
                                      "data:",
                                      ":/data",
                                      "data:/",
                                      "data:data",
                                      "data:/a:x",
                                      "data:/a:",
                                      "Data:/a",
                                      "../x:/a",
                                      "..:/a",
                                      "/..:/a",
                                      "/:/a",
                                      "a_b:/a",
                                      "-a:/a",
                                      "/a/../b:/x",
                                      "/a//b:/x",
                                      "/a/.:/x",
                                      "data:/proc",
                                      "data:/sys/x",
                                      "data:/dev/",
                                      "data:/a/../b",
                                      "data:/a//b",
                                      "data:/a/./b",
                                      "data:/a\nb",
                                      "data:/a\\b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lg_mount m;
        struct lg_err e;
        if (lg_parse_mount("f", bad[i], &m, &e) != -LG_INVALID)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    char text[1200] = "data:/";
    struct lg_mount m;
    memset(text + 6, 'x', 1000);
    struct lg_err e;
    assert_int_equal(lg_parse_mount("f", text, &m, &e), -LG_INVALID);
}

static void roots(void **state)
{
    (void)state;
    assert_true(lg_path_under("/srv", "/srv/x"));
    assert_true(lg_path_under("/a,/srv/", "/srv"));
    assert_false(lg_path_under("/srv", "/srvx"));
    assert_false(lg_path_under("", "/srv"));
    assert_false(lg_path_under("/", "/srv"));
    assert_false(lg_path_under("srv", "srv/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(good_mounts),
                                       cmocka_unit_test(bad_mounts), cmocka_unit_test(roots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
