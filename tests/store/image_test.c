#include "compute.h"

#include "store/image.h"

static int add(struct fixture *f, const char *tenant, const char *name, bool public, char id[LG_ID_LEN])
{
    struct lg_image im = {.is_public = public};
    snprintf(im.tenant_id, sizeof im.tenant_id, "%s", tenant);
    snprintf(im.name, sizeof im.name, "%s", name);
    snprintf(im.reference, sizeof im.reference, "localhost/%s", name);
    memcpy(im.kind, "container", 10);
    memcpy(im.source, "pull", 5);
    memcpy(im.state, "pulling", 8);
    int rc = in_tx(f, lg_image_add(f->db, &im, &f->e));
    memcpy(id, im.id, LG_ID_LEN);
    return rc;
}

static void names_resolve(void **state)
{
    struct fixture *f = *state;
    char host[LG_ID_LEN], own[LG_ID_LEN], hidden[LG_ID_LEN], x[LG_ID_LEN];
    struct lg_image im;
    add_tenants(f);
    assert_int_equal(add(f, "", "nginx:alpine", true, host), 0);
    assert_int_equal(add(f, "", "nginx:alpine", true, x), -LG_CONFLICT);
    assert_string_equal(f->e.detail[0].value, "name");
    assert_int_equal(add(f, "red-id", "nginx:alpine", false, own), 0);
    assert_int_equal(add(f, "", "secret", false, hidden), 0);
    assert_int_equal(lg_image_resolve(f->db, "red-id", "nginx:alpine", "container", &im, &f->e), 0);
    assert_string_equal(im.id, own);
    assert_string_equal(im.tenant_slug, "red");
    assert_int_equal(lg_image_resolve(f->db, "blue-id", "nginx:alpine", "container", &im, &f->e), 0);
    assert_string_equal(im.id, host);
    assert_int_equal(lg_image_resolve(f->db, "blue-id", "secret", "container", &im, &f->e), -LG_NOT_FOUND);
    assert_int_equal(lg_image_resolve(f->db, "blue-id", "nginx:alpine", "vm", &im, &f->e), -LG_NOT_FOUND);
    assert_int_equal(lg_image_resolve(f->db, "red-id", "", "container", &im, &f->e), -LG_NOT_FOUND);
    assert_int_equal(in_tx(f, lg_image_set_default(f->db, host, "container", &f->e)), 0);
    assert_int_equal(in_tx(f, lg_image_set_default(f->db, own, "container", &f->e)), 0);
    assert_int_equal(fixture_int(f, "SELECT sum(is_default) FROM image"), 1);
    assert_int_equal(in_tx(f, lg_image_set_default(f->db, host, "container", &f->e)), 0);
    assert_int_equal(lg_image_resolve(f->db, "red-id", "", "container", &im, &f->e), 0);
    assert_string_equal(im.id, host);
}

static void aliases(void **state)
{
    struct fixture *f = *state;
    char a[LG_ID_LEN], b[LG_ID_LEN];
    struct lg_image im;
    add_tenants(f);
    add(f, "", "base:1", true, a);
    add(f, "", "other:1", true, b);
    const char *const names[] = {"ubuntu:22.04", "base:1", "base"}, *const clash[] = {"base"};
    lg_image_get(f->db, a, &im, &f->e);
    assert_int_equal(in_tx(f, lg_image_set_aliases(f->db, &im, names, 3, &f->e)), 0);
    lg_image_get(f->db, a, &im, &f->e);
    assert_string_equal(im.aliases, "base ubuntu:22.04");
    assert_int_equal(lg_image_resolve(f->db, "red-id", "ubuntu:22.04", "container", &im, &f->e), 0);
    assert_string_equal(im.id, a);
    lg_image_get(f->db, b, &im, &f->e);
    assert_int_equal(in_tx(f, lg_image_set_aliases(f->db, &im, clash, 1, &f->e)), -LG_CONFLICT);
    lg_image_get(f->db, a, &im, &f->e);
    assert_int_equal(in_tx(f, lg_image_set_aliases(f->db, &im, NULL, 0, &f->e)), 0);
    assert_int_equal(lg_image_resolve(f->db, "red-id", "base:1", "container", &im, &f->e), 0);
}

static void see(void *arg, const struct lg_image *im)
{
    (void)im;
    ++*(int *)arg;
}

static void states_and_end(void **state)
{
    struct fixture *f = *state;
    char a[LG_ID_LEN], b[LG_ID_LEN], id[LG_ID_LEN], sql[256];
    struct lg_image im;
    int n = 0;
    add_tenants(f);
    add(f, "red-id", "mine:1", false, a);
    add(f, "", "host:1", true, b);
    assert_int_equal(in_tx(f, lg_image_set_state(f->db, a, "ready", "sha256:1", 99, NULL, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_image_set_state(f->db, a, "error", NULL, -1, "gone", &f->e)), 0);
    lg_image_get(f->db, a, &im, &f->e);
    assert_string_equal(im.digest, "sha256:1");
    assert_int_equal(im.size_bytes, 99);
    assert_string_equal(im.error, "gone");
    assert_int_equal(lg_image_each(f->db, "red-id", see, &n, &f->e), 2);
    assert_int_equal(lg_image_each(f->db, "blue-id", see, &n, &f->e), 1);
    assert_int_equal(in_tx(f, lg_image_set_public(f->db, a, true, &f->e)), 0);
    assert_int_equal(lg_image_each(f->db, "blue-id", see, &n, &f->e), 2);
    assert_int_equal(in_tx(f, lg_image_set_state(f->db, "none", "ready", NULL, 0, NULL, &f->e)),
                     -LG_NOT_FOUND);
    add_named(f, "red-id", "web", id);
    snprintf(sql, sizeof sql, "UPDATE instance SET image_id = '%s'", a);
    fixture_raw(f, sql);
    assert_int_equal(lg_image_users(f->db, a), 1);
    assert_int_equal(lg_image_users(f->db, b), 0);
    assert_int_equal(in_tx(f, lg_image_remove(f->db, b, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_image_remove(f->db, b, &f->e)), -LG_NOT_FOUND);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM event WHERE kind='image.deleted'"), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM event WHERE kind='image.created'"), 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM image_alias"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_fixture(names_resolve), with_fixture(aliases),
                                       with_fixture(states_and_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
