/* http: matching routes, typed fields of a body, the rate limit. */
// links: http store model base
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http/body.h"
#include "http/rate.h"
#include "http/route.h"

static const struct lg_route one[] = {
    {.method = "GET", .pattern = "/api/v1/things"},
    {.method = "POST", .pattern = "/api/v1/things"},
    {.method = "GET|DELETE", .pattern = "/api/v1/things/:id"},
    {.method = "PUT|POST", .pattern = "/api/v1/things/:id/parts/:part/start"},
    {.method = NULL},
};
static const struct lg_route two[] = {{.method = "GET", .pattern = "/api/v1/things/name/:name"},
                                      {.method = NULL}};
static const struct lg_route *const tables[] = {one, two, NULL};

static int find(const char *method, const char *path, struct lg_req *q, struct lg_err *e)
{
    static char scratch[1024];
    *q = (struct lg_req){.method = method, .path = path, .scratch = scratch};
    *e = (struct lg_err){0};
    return lg_route_find(tables, q, e);
}

static void routes_match_whole_paths(void **state)
{
    (void)state;
    struct lg_req q;
    struct lg_err e;
    assert_int_equal(find("GET", "/api/v1/things", &q, &e), 0);
    assert_ptr_equal(q.route, &one[0]);
    assert_int_equal(find("DELETE", "/api/v1/things/42", &q, &e), 0);
    assert_string_equal(q.param[0], "42");
    assert_int_equal(find("POST", "/api/v1/things/a/parts/b/start", &q, &e), 0);
    assert_string_equal(q.param[0], "a");
    assert_string_equal(q.param[1], "b");
    assert_int_equal(find("GET", "/api/v1/things/name/web", &q, &e), 0);
    assert_string_equal(q.param[0], "web");
    assert_int_equal(find("HEAD", "/api/v1/things", &q, &e), 0);
}

static void routes_refuse(void **state)
{
    (void)state;
    struct lg_req q;
    struct lg_err e;
    static const char *const none[] = {"",
                                       "/",
                                       "/api/v1/thing",
                                       "/api/v1/things/",
                                       "/api/v1/things//",
                                       "/api/v1/thingsx",
                                       "/api/v1/things/1/2",
                                       "/api/v1/things/1/parts/2/start/"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(find("GET", none[i], &q, &e), -(int)LG_NOT_FOUND);
    assert_int_equal(find("PATCH", "/api/v1/things", &q, &e), -(int)LG_METHOD);
    assert_string_equal(e.detail[0].value, "GET,POST");
    assert_int_equal(find("GE", "/api/v1/things", &q, &e), -(int)LG_METHOD);
    assert_int_equal(find("ET", "/api/v1/things/1", &q, &e), -(int)LG_METHOD);
    char longer[600] = "/api/v1/things/";
    memset(longer + 15, 'a', 500);
    assert_int_equal(find("GET", longer, &q, &e), -(int)LG_NOT_FOUND);
}

struct thing {
    const char *name;
    struct lg_opt_int count;
    struct lg_opt_real share;
    struct lg_opt_bool on;
    const json_t *list, *inner;
};
static const struct lg_field fields[] = {
    {"name", LG_T_STRING, true, 1, 8, offsetof(struct thing, name)},
    {"count", LG_T_INT, false, 0, 10, offsetof(struct thing, count)},
    {"share", LG_T_REAL, false, 0, 1, offsetof(struct thing, share)},
    {"on", LG_T_BOOL, false, 0, 0, offsetof(struct thing, on)},
    {"list", LG_T_STRINGS, false, 0, 2, offsetof(struct thing, list)},
    {"inner", LG_T_OBJECT, false, 0, 0, offsetof(struct thing, inner)},
    {.name = NULL},
};

static int parse(const char *text, bool strict, struct thing *t, struct lg_err *e)
{
    *t = (struct thing){0};
    *e = (struct lg_err){0};
    lg_cleanup_json json_t *j = lg_json_parse(text, strlen(text), 8, e);
    assert_non_null(j);
    return lg_body_fields(j, fields, strict, "in.", t, e);
}

static void bodies_fill_the_struct(void **state)
{
    (void)state;
    struct thing t;
    struct lg_err e;
    assert_int_equal(
        parse("{\"name\":\"x\",\"count\":10,\"share\":1,\"on\":false,\"list\":[\"a\"],\"inner\":{}}", true,
              &t, &e),
        0);
    assert_true(t.count.set && t.count.v == 10 && t.share.set && t.on.set && !t.on.v && t.list && t.inner);
    assert_int_equal(parse("{\"name\":\"x\",\"count\":null}", true, &t, &e), 0);
    assert_false(t.count.set);
    assert_int_equal(parse("{\"name\":\"x\",\"more\":1}", false, &t, &e), 0);
}

static void bodies_name_the_wrong_field(void **state)
{
    (void)state;
    static const struct {
        const char *text, *field;
    } bad[] = {
        {"{}", "in.name"},
        {"{\"name\":null}", "in.name"},
        {"{\"name\":\"\"}", "in.name"},
        {"{\"name\":\"123456789\"}", "in.name"},
        {"{\"name\":1}", "in.name"},
        {"{\"name\":\"a\\u0007\"}", "in.name"},
        {"{\"name\":\"x\",\"count\":11}", "in.count"},
        {"{\"name\":\"x\",\"count\":-1}", "in.count"},
        {"{\"name\":\"x\",\"count\":1.5}", "in.count"},
        {"{\"name\":\"x\",\"count\":\"1\"}", "in.count"},
        {"{\"name\":\"x\",\"share\":true}", "in.share"},
        {"{\"name\":\"x\",\"on\":1}", "in.on"},
        {"{\"name\":\"x\",\"list\":[1]}", "in.list"},
        {"{\"name\":\"x\",\"list\":[\"a\",\"b\",\"c\"]}", "in.list"},
        {"{\"name\":\"x\",\"list\":{}}", "in.list"},
        {"{\"name\":\"x\",\"inner\":[]}", "in.inner"},
        {"{\"name\":\"x\",\"more\":1}", "in.more"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct thing t;
        struct lg_err e;
        assert_int_equal(parse(bad[i].text, true, &t, &e), -(int)LG_INVALID);
        assert_string_equal(e.detail[0].value, bad[i].field);
    }
}

/* --- rate --- */

#define SECOND 1000000LL

static int take(const char *id, int64_t at_us, struct lg_rate *r, struct lg_err *e)
{
    *e = (struct lg_err){0};
    *r = (struct lg_rate){0};
    return lg_rate_take_at(id, at_us, r, e);
}

/* Ten a second, three at once: one table for the life of the process. */
static void a_bucket_empties_and_fills(void **state)
{
    (void)state;
    struct lg_conf c = {.rate_limit = 10, .rate_burst = 3};
    struct lg_rate r;
    struct lg_err e = {0};
    int64_t now = 1000 * SECOND;
    assert_int_equal(lg_rate_start(&c, &e), 0);
    for (int left = 2; left >= 0; left--) {
        assert_int_equal(take("one", now, &r, &e), 0);
        assert_int_equal(r.remaining, left);
        assert_int_equal(r.limit, 3);
    }
    assert_int_equal(take("one", now, &r, &e), -LG_RATE);
    assert_int_equal(r.remaining, 0);
    assert_string_equal(e.detail[0].key, "retryAfter");
    assert_string_equal(e.detail[0].value, "1");
    assert_int_equal(take("two", now, &r, &e), 0); /* not to blame */
    assert_int_equal(take("one", now + SECOND / 10 - 1, &r, &e), -LG_RATE);
    assert_int_equal(take("one", now + SECOND / 10, &r, &e), 0);
    assert_int_equal(take("one", now + SECOND / 10, &r, &e), -LG_RATE);
    assert_int_equal(take("one", now + SECOND, &r, &e), 0); /* full again, and no fuller */
    assert_int_equal(r.remaining, 2);
    assert_int_equal(r.reset_s, 1);
    assert_int_equal(take("one", now + 3600 * SECOND, &r, &e), 0);
    assert_int_equal(r.remaining, 2);
}

/* More callers than there are slots: whoever is idle gives way, and nobody who is at work is let off. */
static void callers_without_number(void **state)
{
    (void)state;
    struct lg_rate r;
    struct lg_err e;
    char id[32];
    int64_t now = 9000 * SECOND;
    for (int i = 0; i < 100000; i++, now += SECOND / 1000) {
        snprintf(id, sizeof id, "caller-%d", i);
        assert_int_equal(take(id, now, &r, &e), 0);
        if (i % 1000)
            continue;
        assert_int_equal(take(id, now, &r, &e), 0);
        assert_int_equal(take(id, now, &r, &e), 0);
        assert_int_equal(take(id, now, &r, &e), -LG_RATE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_match_whole_paths),   cmocka_unit_test(routes_refuse),
        cmocka_unit_test(bodies_fill_the_struct),     cmocka_unit_test(bodies_name_the_wrong_field),
        cmocka_unit_test(a_bucket_empties_and_fills), cmocka_unit_test(callers_without_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
