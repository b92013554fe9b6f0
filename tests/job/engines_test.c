/* Two engines: what one does not answer keeps nobody from seeing the other, nor from working on it. */
#include "job/site.h"

#include "driver/network/own.h"
#include "store/network.h"

#define DISK "localhost/disk:1"

static struct lg_driver_ctx ctx;
static const struct lg_driver *vm_driver;
static struct lg_engine *machines; /* the test's own look at the engine of virtual machines */

static int two_up(void **state)
{
    char path[160];
    struct lg_image_info info;
    if (site_up(state))
        return -1;
    struct site *s = *state;
    ctx = (struct lg_driver_ctx){.conf = &s->f->conf, .site = lg_db_site(s->db)};
    vm_driver = lg_driver_find("fake-vm");
    ok(s, vm_driver->open(&ctx, &machines, &s->f->e));
    snprintf(path, sizeof path, "%s/disk", s->f->dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), 4096), 0);
    fclose(f);
    const struct lg_import im = {.path = path, .ref = DISK};
    ok(s, vm_driver->image_import(machines, &im, NULL, NULL, &info, &s->f->e));
    return 0;
}

static int two_down(void **state)
{
    vm_driver->close(machines);
    return site_down(state);
}

/* The bridges of real networks go, too, and so do their rules. */
static int networks_down(void **state)
{
    struct site *s = *state;
    char bridge[16];
    int rc = 0;
    if (s->runner)
        runner_signal(s, SIGTERM);
    int64_t n = fixture_int(s->f, "SELECT coalesce(max(number), -1) FROM network");
    for (int64_t i = 0; i <= n; i++) {
        lg_own_bridge(ctx.site, i, bridge);
        rc |= lg_own_network_remove(&ctx, bridge, i == n, NULL);
    }
    return two_down(state) || rc;
}

static struct wish made(struct site *s, struct wish w)
{
    ended(s, w.op, "done");
    return w;
}

static void an_end_is_seen_while_the_other_hangs(void **state)
{
    struct site *s = *state;
    faults_of(s, "fake-vm", "list hang\ninspect hang\nusage hang\n");
    runner_start(s);
    struct wish w = made(s, wish_create(s, "web", NULL, NULL));
    ok(s, s->d->stop(s->g, w.id, 0, &s->f->e));
    until(state_of(s, w.id) == LG_ST_STOPPED);
}

static void the_other_way_round(void **state)
{
    struct site *s = *state;
    faults(s, "list hang\ninspect hang\nusage hang\n");
    runner_start(s);
    struct wish w = made(s, wish_create_vm(s, "box", DISK));
    ok(s, vm_driver->stop(machines, w.id, 0, &s->f->e));
    until(state_of(s, w.id) == LG_ST_STOPPED);
}

static int64_t sampled_at(struct site *s, const char *id)
{
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT max(at) FROM usage_sample WHERE instance_id = '%s'", id);
    return fixture_int(s->f, sql);
}

static void sampling_goes_on(void **state)
{
    static const char *const silent[] = {"usage gone\n", "usage hang\n"};
    struct site *s = *state;
    runner_start(s);
    struct wish web = made(s, wish_create(s, "web", NULL, NULL)),
                box = made(s, wish_create_vm(s, "box", DISK));
    until(sampled_at(s, web.id) > 0 && sampled_at(s, box.id) > 0);
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        faults(s, silent[i]);
        int64_t before = lg_clock_ms();
        until(sampled_at(s, box.id) > before + 1000); /* three rounds later */
        assert_true(sampled_at(s, web.id) < before + 1000);
    }
}

static int64_t healthy(struct site *s, const char *backend)
{
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT healthy FROM engine_state WHERE backend = '%s'", backend);
    return fixture_int(s->f, sql);
}

static void health_of_each_is_told(void **state)
{
    struct site *s = *state;
    runner_start(s);
    until(healthy(s, "docker") == 1 && healthy(s, "kvm") == 1);
    faults_of(s, "fake-vm", "probe hang\n");
    until(healthy(s, "kvm") == 0);
    faults(s, "probe gone\n");
    until(healthy(s, "docker") == 0);
    faults(s, "");
    until(healthy(s, "docker") == 1);
    assert_int_equal(healthy(s, "kvm"), 0);
}

/* While no runner is there to make it without its card. */
static struct wish with_card(struct site *s, const char *name, struct lg_network *n)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct wish w = wish_create_full(s, name, "{}", IMAGE, NULL);
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_instance_get(s->db, "", w.id, &in, &s->f->e));
    ok(s, lg_nic_add(s->db, &in, n, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
    return w;
}

/* The reconciler asks for one with a card first thing; that it gets no answer delays no other's card. */
static void cards_are_made_while_an_engine_is_asked(void **state)
{
    struct site *s = *state;
    struct lg_network n = {.name = "inner", .cidr = "10.0.1.0/24"};
    char path[160];
    struct stat st;
    if (geteuid())
        skip();
    memcpy(n.tenant_id, s->tenant, sizeof n.tenant_id);
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_network_add(s->db, &n, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
    struct wish one = with_card(s, "one", &n), two = with_card(s, "two", &n);
    runner_start(s);
    made(s, one);
    made(s, two);
    made(s, wish_verb(s, two.id, LG_V_STOP, NULL, false));
    runner_signal(s, SIGTERM);
    faults(s, "inspect hang 1\n");
    runner_start(s);
    snprintf(path, sizeof path, "%s/fake/faults", s->f->dir);
    until(!stat(path, &st) && !st.st_size); /* it hangs now */
    made(s, wish_verb(s, two.id, LG_V_START, NULL, false));
    assert_int_equal(state_of(s, one.id), LG_ST_RUNNING);
}

#define with_two(fn) cmocka_unit_test_setup_teardown(fn, two_up, two_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_two(an_end_is_seen_while_the_other_hangs), with_two(the_other_way_round),
        with_two(sampling_goes_on), with_two(health_of_each_is_told),
        cmocka_unit_test_setup_teardown(cards_are_made_while_an_engine_is_asked, two_up, networks_down)};
    setenv("LODGE_DRIVERS", "fake,fake-vm", 1);
    setenv("LODGE_ENGINE_TIMEOUT_MS", "600000", 1); /* what hangs does so beyond this test's patience */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
