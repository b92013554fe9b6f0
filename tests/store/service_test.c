/* The service registry: leases, replacement, tenants, and the events of it all. */
#include "compute.h"

#include "base/clock.h"
#include "store/service.h"

static struct lg_service make(const char *tenant, const char *name, const char *id, int64_t ttl_ms)
{
    struct lg_service s = {.port = 80, .status = LG_SERVICE_HEALTHY, .ttl_ms = ttl_ms};
    snprintf(s.tenant_id, sizeof s.tenant_id, "%s", tenant);
    snprintf(s.name, sizeof s.name, "%s", name);
    snprintf(s.id, sizeof s.id, "%s", id);
    snprintf(s.address, sizeof s.address, "10.0.0.1");
    snprintf(s.metadata, sizeof s.metadata, "{\"zone\":\"a\"}");
    return s;
}

static void count(void *arg, const struct lg_service *s)
{
    int *n = arg;
    *n += *s->tenant_id ? 1 : 100;
}

/* Its own are ones, Lodge's are hundreds. */
static int seen(struct fixture *f, const char *tenant, const char *name)
{
    int n = 0;
    assert_true(lg_service_each(f->db, tenant, name, count, &n, &f->e) >= 0);
    return n;
}

static int64_t events(struct fixture *f, const char *kind)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM event WHERE kind = 'service.%s'", kind);
    return fixture_int(f, sql);
}

static void end_lease(struct fixture *f, int64_t lease)
{
    char sql[160];
    snprintf(sql, sizeof sql, "UPDATE service SET expires_at = %lld WHERE lease_id = %lld",
             (long long)lg_clock_ms() - 1, (long long)lease);
    fixture_raw(f, sql);
}

static void lease_is_renewed_and_ends(void **state)
{
    struct fixture *f = *state;
    struct lg_service s, r;
    add_tenants(f);
    s = make("red-id", "billing", "1", 5000);
    assert_int_equal(in_tx(f, lg_service_put(f->db, &s, &f->e)), 0);
    assert_true(s.lease_id > 0 && s.lease_id < (INT64_C(1) << 53));
    assert_int_equal(events(f, "registered"), 1);
    int64_t before = s.expires_at;
    fixture_raw(f, "UPDATE service SET expires_at = expires_at - 2000");
    assert_int_equal(in_tx(f, lg_service_renew(f->db, "red-id", s.lease_id, -1, &r, &f->e)), 0);
    assert_true(r.expires_at >= before);
    assert_int_equal(events(f, "updated"), 0);
    assert_int_equal(in_tx(f, lg_service_renew(f->db, "red-id", s.lease_id, LG_SERVICE_UNHEALTHY, &r, &f->e)),
                     0);
    assert_int_equal(events(f, "updated"), 1);
    assert_int_equal(in_tx(f, lg_service_renew(f->db, "blue-id", s.lease_id, -1, &r, &f->e)), -LG_NOT_FOUND);
    end_lease(f, s.lease_id);
    assert_int_equal(seen(f, "red-id", ""), 0); /* also before anybody sweeps */
    assert_int_equal(in_tx(f, lg_service_renew(f->db, "red-id", s.lease_id, -1, &r, &f->e)), -LG_NOT_FOUND);
    assert_int_equal(lg_service_sweep(f->db, &f->e), 1);
    assert_int_equal(lg_service_sweep(f->db, &f->e), 0);
    assert_int_equal(events(f, "expired"), 1);
}

static void again_replaces(void **state)
{
    struct fixture *f = *state;
    struct lg_service a, b, r;
    add_tenants(f);
    a = make("red-id", "billing", "1", 5000);
    in_tx(f, lg_service_put(f->db, &a, &f->e));
    b = make("red-id", "billing", "1", 5000);
    assert_int_equal(in_tx(f, lg_service_put(f->db, &b, &f->e)), 0);
    assert_int_not_equal(a.lease_id, b.lease_id);
    assert_int_equal(events(f, "updated"), 0); /* it says nothing new */
    assert_int_equal(in_tx(f, lg_service_renew(f->db, "red-id", a.lease_id, -1, &r, &f->e)), -LG_NOT_FOUND);
    assert_int_equal(in_tx(f, lg_service_renew(f->db, "red-id", b.lease_id, -1, &r, &f->e)), 0);
    b.port = 81;
    assert_int_equal(in_tx(f, lg_service_put(f->db, &b, &f->e)), 0);
    assert_int_equal(events(f, "updated"), 1);
    assert_int_equal(seen(f, "red-id", "billing"), 1);
    end_lease(f, b.lease_id); /* a gap is told even when nobody has swept */
    assert_int_equal(in_tx(f, lg_service_put(f->db, &b, &f->e)), 0);
    assert_int_equal(events(f, "expired"), 1);
    assert_int_equal(events(f, "registered"), 2);
}

static void names_belong_to_a_tenant(void **state)
{
    struct fixture *f = *state;
    struct lg_service red, blue, own;
    add_tenants(f);
    red = make("red-id", "billing", "1", 5000);
    blue = make("blue-id", "billing", "1", 5000);
    own = make("", "lodge-api", "local", 0);
    in_tx(f, lg_service_put(f->db, &red, &f->e));
    in_tx(f, lg_service_put(f->db, &blue, &f->e));
    assert_int_equal(in_tx(f, lg_service_put(f->db, &own, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_service_put(f->db, &own, &f->e)), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM event WHERE tenant_id = '*'"), 1);
    assert_int_equal(seen(f, "red-id", ""), 101);
    assert_int_equal(in_tx(f, lg_service_remove(f->db, "red-id", "billing", "1", &f->e)), 1);
    assert_int_equal(in_tx(f, lg_service_remove(f->db, "red-id", "billing", "1", &f->e)), 0);
    assert_int_equal(in_tx(f, lg_service_remove(f->db, "red-id", "lodge-api", "local", &f->e)), 0);
    assert_int_equal(seen(f, "red-id", ""), 100);
    assert_int_equal(seen(f, "blue-id", "billing"), 1);
    assert_int_equal(in_tx(f, lg_service_remove(f->db, "", "lodge-api", "local", &f->e)), 1);
    assert_int_equal(seen(f, "blue-id", ""), 1);
    assert_int_equal(events(f, "deregistered"), 2);
}

static void a_tenant_has_a_limit(void **state)
{
    struct fixture *f = *state;
    struct lg_service s;
    add_tenants(f);
    fixture_raw(f,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO "
                "service SELECT i, 'red-id', 'many', i, 'x', 1, 'Healthy', '{}', '', 1000, 1, 9e15 FROM n");
    s = make("red-id", "billing", "1", 5000);
    assert_int_equal(in_tx(f, lg_service_put(f->db, &s, &f->e)), -LG_LIMIT);
    s = make("red-id", "many", "7", 5000); /* again is no more than before */
    assert_int_equal(in_tx(f, lg_service_put(f->db, &s, &f->e)), 0);
    s = make("blue-id", "billing", "1", 5000);
    assert_int_equal(in_tx(f, lg_service_put(f->db, &s, &f->e)), 0);
    fixture_raw(f, "UPDATE service SET expires_at = 5");
    assert_int_equal(lg_service_sweep(f->db, &f->e), 1001);
}

static void words(void **state)
{
    struct lg_err e;
    (void)state;
    assert_int_equal(lg_service_status_of("Healthy"), LG_SERVICE_HEALTHY);
    assert_int_equal(lg_service_status_of("healthy"), -1);
    static const char *const good[] = {"a", "billing-api", "A_b.c:8080", "0"};
    static const char *const bad[] = {"", "-a", "a/b", "a b", "ä", "a\n", "../x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(lg_check_service_name("name", good[i], &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lg_check_service_name("name", bad[i], &e), -LG_INVALID);
    assert_true(lg_service_name_reserved("container-api") && lg_service_name_reserved("lodge-x"));
    assert_false(lg_service_name_reserved("lodger") || lg_service_name_reserved("container-api2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_fixture(lease_is_renewed_and_ends), with_fixture(again_replaces),
                                       with_fixture(names_belong_to_a_tenant),
                                       with_fixture(a_tenant_has_a_limit), cmocka_unit_test(words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
