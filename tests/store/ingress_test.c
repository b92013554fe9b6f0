#include "compute.h"

#include "base/clock.h"
#include "store/ingress.h"

static int add(struct fixture *f, struct lg_instance *in, const char *host, int port)
{
    struct lg_ingress r = {.port = port, .target_port = 80, .access = "public"};
    snprintf(r.host, sizeof r.host, "%s", host);
    return in_tx(f, lg_ingress_add(f->db, in, &r, &f->e));
}

static void count_one(void *arg, const struct lg_ingress *r)
{
    (void)r;
    ++*(int *)arg;
}

static void rules(void **state)
{
    struct fixture *f = *state;
    char a[LG_ID_LEN], b[LG_ID_LEN];
    struct lg_instance red, blue;
    struct lg_route_target t;
    int n = 0;
    add_tenants(f);
    add_named(f, "red-id", "web", a);
    add_named(f, "blue-id", "web", b);
    lg_instance_get(f->db, "", a, &red, &f->e);
    lg_instance_get(f->db, "", b, &blue, &f->e);
    assert_int_equal(add(f, &red, "web", 443), 0);
    assert_int_equal(add(f, &blue, "web", 443), -LG_CONFLICT);
    assert_string_equal(f->e.detail[0].value, "host");
    assert_int_equal(add(f, &red, "other", 443), -LG_CONFLICT);
    assert_string_equal(f->e.detail[0].value, "port");
    assert_int_equal(lg_ingress_each(f->db, "red-id", "", count_one, &n, &f->e), 1);
    assert_int_equal(lg_ingress_each(f->db, "red-id", a, count_one, &n, &f->e), 1);
    assert_int_equal(lg_ingress_each(f->db, "blue-id", a, count_one, &n, &f->e), 0);
    assert_int_equal(lg_ingress_lookup(f->db, "nobody", &t, &f->e), 0);
    assert_int_equal(lg_ingress_lookup(f->db, "web", &t, &f->e), 1);
    assert_string_equal(t.instance_id, a);
    assert_int_equal(t.state, LG_ST_CREATING);
    assert_int_equal(t.net_index, 1);
    assert_int_equal(t.host_number, 2);
    assert_int_equal(t.target_port, 80);
    assert_int_equal(in_tx(f, lg_ingress_remove(f->db, &red, 80, &f->e)), -LG_NOT_FOUND);
    assert_int_equal(in_tx(f, lg_ingress_remove(f->db, &red, 443, &f->e)), 0);
    assert_int_equal(add(f, &blue, "web", 443), 0);
    assert_int_equal(in_tx(f, lg_instance_remove(f->db, &blue, NULL, &f->e)), 0);
    assert_int_equal(lg_ingress_lookup(f->db, "web", &t, &f->e), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM event WHERE kind LIKE 'ingress.%'"), 3);
    lg_instance_done(&red);
    lg_instance_done(&blue);
}

static void codes_work_once(void **state)
{
    struct fixture *f = *state;
    const uint8_t d[LG_DIGEST_BYTES] = {1}, old[LG_DIGEST_BYTES] = {2};
    struct lg_app_code c = {.host = "web",
                            .user_id = "bob-id",
                            .path = "/x",
                            .expires_at = lg_clock_ms() + 30000},
                       late = {.host = "web", .expires_at = lg_clock_ms() - 1}, got;
    assert_int_equal(in_tx(f, lg_app_code_add(f->db, d, &c, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_app_code_add(f->db, old, &late, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_app_code_take(f->db, d, &got, &f->e)), 1);
    assert_string_equal(got.path, "/x");
    assert_int_equal(in_tx(f, lg_app_code_take(f->db, d, &got, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_app_code_take(f->db, old, &got, &f->e)), 0);
}

static void members(void **state)
{
    struct fixture *f = *state;
    add_tenants(f);
    assert_int_equal(lg_app_member(f->db, "bob-id", "red-id", &f->e), 1);
    assert_int_equal(lg_app_member(f->db, "bob-id", "blue-id", &f->e), 0);
    assert_int_equal(lg_app_member(f->db, "eve-id", "red-id", &f->e), 0);
    assert_int_equal(lg_app_member(f->db, "root-id", "red-id", &f->e), 1);
    fixture_raw(f, "UPDATE user SET disabled = 1");
    assert_int_equal(lg_app_member(f->db, "bob-id", "red-id", &f->e), 0);
    assert_int_equal(lg_app_member(f->db, "root-id", "red-id", &f->e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_fixture(rules), with_fixture(codes_work_once),
                                       with_fixture(members)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
