/* The history of code runs: whose it is, and how long it gets. Containers for one command, and whether code
 * has a network. */
#include "compute.h"

#include "store/code_network.h"
#include "store/code_run.h"
#include "store/oneshot.h"

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

static int64_t told(struct fixture *f, const char *kind)
{
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM event WHERE kind = 'container.%s'", kind);
    return fixture_int(f, sql);
}

static struct lg_oneshot ask(struct fixture *f)
{
    struct lg_oneshot o = {.command = strdup("[]")};
    snprintf(o.tenant_id, sizeof o.tenant_id, "red-id");
    snprintf(o.image, sizeof o.image, "alpine");
    snprintf(o.image_ref, sizeof o.image_ref, "docker.io/library/alpine:latest");
    assert_int_equal(in_tx(f, lg_oneshot_add(f->db, &o, &f->e)), 0);
    lg_oneshot_done(&o);
    return o;
}

/* One that nobody comes for, and one whose runner died, end once and are told once. */
static void a_container_that_is_forgotten_ends(void **state)
{
    struct fixture *f = *state;
    add_tenants(f);
    struct lg_oneshot lost = ask(f), forgotten = ask(f), fresh = ask(f), got;
    assert_int_equal(in_tx(f, lg_oneshot_claim(f->db, lost.id, "red-id", &got, &f->e)), 1);
    lg_oneshot_done(&got);
    char sql[160];
    snprintf(sql, sizeof sql, "UPDATE oneshot SET created_at = created_at - 60000 WHERE id IN ('%s', '%s')",
             forgotten.id, lost.id);
    fixture_raw(f, sql);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lg_oneshot_sweep(f->db, &f->e), 0);
        assert_int_equal(told(f, "ended"), 1);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lg_oneshot_lost(f->db, &f->e), 0);
        assert_int_equal(told(f, "ended"), 2);
    }
    assert_int_equal(told(f, "created"), 3);
    assert_int_equal(told(f, "running"), 1);
    assert_int_equal(in_tx(f, lg_oneshot_claim(f->db, forgotten.id, "red-id", &got, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_oneshot_claim(f->db, fresh.id, "blue-id", &got, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_oneshot_claim(f->db, fresh.id, "red-id", &got, &f->e)), 1);
    lg_oneshot_done(&got);
}

/* Asked at the moment a container is made: a tenant that may, and an address that no instance has. */
static void code_gets_an_address_where_it_may(void **state)
{
    struct fixture *f = *state;
    int index = -1;
    bool allowed = true;
    add_tenants(f);
    assert_int_equal(lg_code_network_place(f->db, "red-id", 239, &index, &f->e), -LG_FORBIDDEN);
    assert_int_equal(in_tx(f, lg_code_network_set(f->db, "red-id", true, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_code_network_set(f->db, "red-id", true, &f->e)), 0);
    assert_int_equal(lg_code_network_place(f->db, "red-id", 239, &index, &f->e), 0);
    assert_int_equal(index, 1);
    assert_int_equal(lg_code_network_place(f->db, "blue-id", 239, &index, &f->e), -LG_FORBIDDEN);
    assert_int_equal(lg_code_network_place(f->db, "nobody", 239, &index, &f->e), -LG_FORBIDDEN);
    fixture_raw(f, "INSERT INTO host_number_quarantine VALUES('red-id', 239, 9000000000000)");
    assert_int_equal(lg_code_network_place(f->db, "red-id", 239, &index, &f->e), -LG_CONFLICT);
    assert_int_equal(in_tx(f, lg_code_network_set(f->db, "red-id", false, &f->e)), 0);
    assert_int_equal(lg_code_network_allowed(f->db, "red-id", &allowed, &f->e), 0);
    assert_false(allowed);
}

/* Nine ask for eight addresses; whoever ends gives one back. */
static void containers_share_the_addresses(void **state)
{
    struct fixture *f = *state;
    struct lg_oneshot got;
    int index, host[9] = {0};
    char first[LG_ID_LEN] = "";
    add_tenants(f);
    assert_int_equal(in_tx(f, lg_code_network_set(f->db, "red-id", true, &f->e)), 0);
    for (int i = 0; i < 9; i++) {
        if (i == 8)
            assert_int_equal(lg_oneshot_end(f->db, first, 0, "", &f->e), 0);
        struct lg_oneshot o = ask(f);
        if (!i)
            memcpy(first, o.id, sizeof first);
        assert_int_equal(in_tx(f, lg_oneshot_claim(f->db, o.id, "red-id", &got, &f->e)), 1);
        assert_int_equal(in_tx(f, lg_oneshot_place(f->db, &got, &index, &f->e)), 0);
        host[i] = got.host_number;
        lg_oneshot_done(&got);
        assert_true(host[i] >= 247 && host[i] <= 254 && (!i || i == 8 || host[i] > host[i - 1]));
    }
    assert_int_equal(host[8], host[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_fixture(each_tenant_keeps_its_newest), with_fixture(a_tenant_that_is_gone_has_no_history),
        with_fixture(a_container_that_is_forgotten_ends), with_fixture(code_gets_an_address_where_it_may),
        with_fixture(containers_share_the_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
