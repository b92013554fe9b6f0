/* Two engines: what one does not answer keeps nobody from seeing the other, nor from working on it. */
#include "job/site.h"

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

#define with_two(fn) cmocka_unit_test_setup_teardown(fn, two_up, two_down)

int main(void)
{
    const struct CMUnitTest tests[] = {with_two(health_of_each_is_told)};
    setenv("LODGE_DRIVERS", "fake,fake-vm", 1);
    setenv("LODGE_ENGINE_TIMEOUT_MS", "600000", 1); /* what hangs does so beyond this test's patience */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
