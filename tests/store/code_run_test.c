/* The history of code runs: whose it is, and how long it gets. */
#include "compute.h"

#include "store/code_run.h"

static int add(struct fixture *f, const char *tenant, int n)
{
    char id[16];
    snprintf(id, sizeof id, "%.3s-%d", tenant, n);
    const struct lg_code_run r = {.id = id,
                                  .tenant_id = tenant,
                                  .user_id = "",
                                  .language = "bash",
                                  .code = "true",
                                  .output = "",
                                  .limit = "",
                                  .error = "",
                                  .exit_code = 0,
                                  .created_at = n};
    return in_tx(f, lg_code_run_add(f->db, &r, &f->e));
}

struct seen {
    int count;
    char ids[256];
};

static void see(void *arg, const struct lg_code_run *r)
{
    struct seen *s = arg;
    s->count++;
    snprintf(s->ids + strlen(s->ids), sizeof s->ids - strlen(s->ids), "%s ", r->id);
}

static struct seen history(struct fixture *f, const char *tenant)
{
    struct seen s = {0};
    int64_t total = 0;
    assert_true(lg_code_run_each(f->db, tenant, INT64_MAX, 100, 0, &total, see, &s, &f->e) >= 0);
    assert_int_equal(total, s.count);
    return s;
}

/* A tenant that runs much takes nothing from one that runs little. */
static void each_tenant_keeps_its_newest(void **state)
{
    struct fixture *f = *state;
    add_tenants(f);
    assert_int_equal(add(f, "blue-id", 1), 0);
    for (int i = 1; i <= 7; i++)
        assert_int_equal(add(f, "red-id", i), 0);
    assert_int_equal(add(f, "blue-id", 2), 0);
    assert_int_equal(in_tx(f, lg_code_run_prune(f->db, 3, &f->e)), 0);
    assert_string_equal(history(f, "red-id").ids, "red-7 red-6 red-5 ");
    assert_string_equal(history(f, "blue-id").ids, "blu-2 blu-1 ");
    assert_int_equal(in_tx(f, lg_code_run_prune(f->db, 0, &f->e)), 0);
    assert_int_equal(history(f, "red-id").count + history(f, "blue-id").count, 0);
}

static void a_tenant_that_is_gone_has_no_history(void **state)
{
    struct fixture *f = *state;
    add_tenants(f);
    assert_int_equal(add(f, "nobody-id", 1), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM code_run"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_fixture(each_tenant_keeps_its_newest),
                                       with_fixture(a_tenant_that_is_gone_has_no_history)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
