#include "fixture.h"

#include "store/audit.h"
#include "store/session.h"
#include "store/tenant.h"
#include "store/token.h"
#include "store/user.h"

#define BEGIN(f) assert_int_equal(lg_tx_write((f)->db, &(f)->e), 0)
#define END(f)   assert_int_equal(lg_tx_commit((f)->db, &(f)->e), 0)

static struct lg_user add_user(struct fixture *f, const char *name, bool admin)
{
    struct lg_user u = {.admin = admin, .password_hash = "x"};
    snprintf(u.username, sizeof u.username, "%s", name);
    BEGIN(f);
    assert_int_equal(lg_user_add(f->db, &u, &f->e), 0);
    END(f);
    return u;
}

static struct lg_tenant add_tenant(struct fixture *f, const char *slug)
{
    struct lg_tenant t = {.name = "T"};
    snprintf(t.slug, sizeof t.slug, "%s", slug);
    BEGIN(f);
    assert_int_equal(lg_tenant_add(f->db, &t, &f->e), 0);
    END(f);
    return t;
}

static void add_token(struct fixture *f, const struct lg_user *u, const struct lg_tenant *t, uint8_t mark,
                      int64_t expires_at, struct lg_token *k)
{
    uint8_t digest[LG_DIGEST_BYTES] = {mark};
    *k = (struct lg_token){.name = "n", .prefix = "lg_p", .expires_at = expires_at};
    memcpy(k->user_id, u->id, LG_ID_LEN);
    memcpy(k->tenant_id, t->id, LG_ID_LEN);
    assert_int_equal(lg_token_add(f->db, k, digest, &f->e), 0);
}

static int64_t events(struct fixture *f, const char *kind)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM event WHERE kind = '%s' AND admin = 1", kind);
    return fixture_int(f, sql);
}

static void names_are_unique(void **state)
{
    struct fixture *f = *state;
    struct lg_user u = add_user(f, "Ada", false), found;
    assert_int_equal(lg_user_by_name(f->db, "aDA", &found, &f->e), 1);
    assert_string_equal(found.id, u.id);
    assert_int_equal(lg_user_by_name(f->db, "eve", &found, &f->e), 0);
    BEGIN(f);
    assert_int_equal(lg_user_add(f->db, &(struct lg_user){.username = "ADA"}, &f->e), -LG_CONFLICT);
    assert_string_equal(f->e.detail[0].value, "username");
    lg_tx_rollback(f->db);
}

static void last_admin_stays(void **state)
{
    struct fixture *f = *state;
    struct lg_user a = add_user(f, "a", true), b = add_user(f, "b", true);
    BEGIN(f);
    b.disabled = true;
    assert_int_equal(lg_user_set(f->db, &b, &f->e), 0);
    assert_int_equal(lg_user_remove(f->db, &a, &f->e), -LG_CONFLICT);
    a.admin = false;
    assert_int_equal(lg_user_set(f->db, &a, &f->e), -LG_CONFLICT);
    assert_int_equal(lg_user_remove(f->db, &b, &f->e), 0);
    END(f);
}

static void sessions_end(void **state)
{
    struct fixture *f = *state;
    struct lg_user u = add_user(f, "u", false);
    char id[3][LG_ID_LEN];
    BEGIN(f);
    for (uint8_t i = 0; i < 3; i++)
        assert_int_equal(
            lg_session_add(f->db, u.id, (uint8_t[LG_DIGEST_BYTES]){i}, "::1", 60000, id[i], &f->e), 0);
    assert_int_equal(lg_user_set_password(f->db, u.id, "new", id[1], &f->e), 0);
    END(f);
    assert_int_equal(events(f, "session.ended"), 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM session"), 1);
    BEGIN(f);
    assert_int_equal(lg_session_end(f->db, id[0], u.id, &f->e), 0); /* again: nothing happens */
    END(f);
    assert_int_equal(events(f, "session.ended"), 2);
}

static void sessions_are_capped(void **state)
{
    struct fixture *f = *state;
    struct lg_user u = add_user(f, "u", false);
    char id[LG_ID_LEN];
    BEGIN(f);
    for (uint8_t i = 0; i < 60; i++)
        assert_int_equal(lg_session_add(f->db, u.id, (uint8_t[LG_DIGEST_BYTES]){i}, "::1", 60000, id, &f->e),
                         0);
    END(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM session"), 50);
}

static void sweep_ends_what_expired(void **state)
{
    struct fixture *f = *state;
    struct lg_user u = add_user(f, "u", false);
    struct lg_tenant t = add_tenant(f, "t");
    struct lg_token dead, live;
    char id[LG_ID_LEN];
    BEGIN(f);
    add_token(f, &u, &t, 1, 5, &dead);
    add_token(f, &u, &t, 2, 0, &live);
    assert_int_equal(lg_session_add(f->db, u.id, (uint8_t[LG_DIGEST_BYTES]){1}, "::1", -1, id, &f->e), 0);
    END(f);
    assert_int_equal(lg_session_sweep(f->db, &f->e), 0);
    assert_int_equal(lg_session_sweep(f->db, &f->e), 0);
    assert_int_equal(events(f, "session.ended"), 1);
    assert_int_equal(events(f, "token.revoked"), 1);
    assert_int_equal(lg_token_get(f->db, dead.id, &dead, &f->e), 0);
    assert_int_equal(lg_token_get(f->db, live.id, &live, &f->e), 0);
    assert_true(dead.revoked_at && !live.revoked_at);
}

static int64_t wait_of(struct fixture *f, const char *user, const char *address)
{
    int64_t ms = -1;
    assert_int_equal(lg_sign_in_wait(f->db, user, address, 2, &ms, &f->e), 0);
    return ms;
}

static void failures(struct fixture *f, const char *user, const char *address, int n)
{
    BEGIN(f);
    while (n--)
        assert_int_equal(lg_sign_in_failed(f->db, user, address, &f->e), 0);
    END(f);
}

static void failed_sign_ins_are_counted(void **state)
{
    struct fixture *f = *state;
    failures(f, "Eve", "10.0.0.1", 1);
    assert_int_equal(wait_of(f, "eve", "10.0.0.1"), 0);
    failures(f, "eve", "10.0.0.2", 2);
    assert_in_range(wait_of(f, "eve", "10.0.0.2"), 1, 60000);
    assert_int_equal(wait_of(f, "eve", "10.0.0.9"), 0); /* one address alone shuts nobody out */
    for (int i = 3; i < 10; i++) {
        char from[16];
        snprintf(from, sizeof from, "10.0.0.%d", i);
        failures(f, "eve", from, 1);
    }
    assert_in_range(wait_of(f, "EVE", "10.0.0.99"), 1, 60000); /* the user, from anywhere */
    assert_int_equal(wait_of(f, "bob", "10.0.0.1"), 0);
    failures(f, "bob", "10.0.0.1", 1);
    assert_in_range(wait_of(f, "carl", "10.0.0.1"), 1, 60000); /* the address, for anybody */
    BEGIN(f);
    assert_int_equal(lg_sign_in_good(f->db, "eve", &f->e), 0);
    END(f);
    assert_int_equal(wait_of(f, "eve", "10.0.0.9"), 0);
    assert_in_range(wait_of(f, "eve", "10.0.0.1"), 1, 60000);
    fixture_raw(f, "UPDATE sign_in_attempt SET window_at = window_at - 60000");
    assert_int_equal(wait_of(f, "eve", "10.0.0.1"), 0);
    failures(f, "eve", "10.0.0.1", 1); /* a new window */
    assert_int_equal(wait_of(f, "eve", "10.0.0.1"), 0);
}

static void ipv6_counts_by_network(void **state)
{
    struct fixture *f = *state;
    failures(f, "a", "2001:db8:1:2::1", 1);
    failures(f, "b", "2001:db8:1:2:ffff::9", 1);
    assert_in_range(wait_of(f, "c", "2001:db8:1:2:3:4:5:6"), 1, 60000);
    assert_int_equal(wait_of(f, "c", "2001:db8:1:3::1"), 0);
}

static void tenants_take_the_lowest_free_network(void **state)
{
    struct fixture *f = *state;
    struct lg_tenant t[3] = {add_tenant(f, "a"), add_tenant(f, "b"), add_tenant(f, "c")};
    for (int i = 0; i < 3; i++)
        assert_int_equal(t[i].net_index, i);
    char sql[256];
    snprintf(sql, sizeof sql, "INSERT INTO host_number_quarantine VALUES('%s', 7, 99)", t[1].id);
    fixture_raw(f, sql);
    BEGIN(f);
    assert_int_equal(lg_tenant_remove(f->db, &t[1], &f->e), 0);
    END(f);
    /* While an engine may still hold the network, its number is nobody's. */
    int released[4];
    assert_int_equal(add_tenant(f, "x").net_index, 3);
    assert_int_equal(lg_network_release_list(f->db, released, 4, &f->e), 1);
    assert_int_equal(released[0], 1);
    BEGIN(f);
    assert_int_equal(lg_network_release_clear(f->db, 1, &f->e), 0);
    END(f);
    struct lg_tenant next = add_tenant(f, "d");
    assert_int_equal(next.net_index, 1);
    snprintf(sql, sizeof sql, "SELECT host_number FROM host_number_quarantine WHERE tenant_id = '%s'",
             next.id);
    assert_int_equal(fixture_int(f, sql), 7);
    assert_int_equal(add_tenant(f, "e").net_index, 4);
}

static void members_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct lg_user o = add_user(f, "o", false), m = add_user(f, "m", false);
    struct lg_tenant t = add_tenant(f, "t");
    struct lg_token k;
    BEGIN(f);
    assert_int_equal(lg_member_put(f->db, t.id, o.id, "owner", &f->e), 0);
    assert_int_equal(lg_member_put(f->db, t.id, m.id, "member", &f->e), 0);
    add_token(f, &m, &t, 1, 0, &k);
    assert_int_equal(lg_member_put(f->db, t.id, o.id, "member", &f->e), -LG_CONFLICT);
    assert_int_equal(lg_member_remove(f->db, t.id, o.id, &f->e), -LG_CONFLICT);
    assert_int_equal(lg_member_remove(f->db, t.id, m.id, &f->e), 0);
    assert_int_equal(lg_member_remove(f->db, t.id, m.id, &f->e), -LG_NOT_FOUND);
    END(f);
    assert_int_equal(events(f, "member.removed"), 1);
    assert_int_equal(events(f, "token.revoked"), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM token WHERE revoked_at IS NULL"), 0);
}

static void full_tenants_stay(void **state)
{
    struct fixture *f = *state;
    struct lg_tenant t = add_tenant(f, "t");
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO instance (id,tenant_id,name,type,backend,state,desired,image,image_ref,config,cpu_"
             "millis,memory_bytes,host_number,owner_id,created_at,updated_at)"
             "VALUES('i','%s','n','container','docker','stopped','stopped','','','{}',0,0,2,'',1,1)",
             t.id);
    fixture_raw(f, sql);
    BEGIN(f);
    assert_int_equal(lg_tenant_remove(f->db, &t, &f->e), -LG_CONFLICT);
    lg_tx_rollback(f->db);
}

static void tokens_are_capped(void **state)
{
    struct fixture *f = *state;
    struct lg_user u = add_user(f, "u", false);
    struct lg_tenant t = add_tenant(f, "t");
    struct lg_token k;
    BEGIN(f);
    for (int i = 0; i < LG_TOKENS_MAX; i++)
        add_token(f, &u, &t, (uint8_t)i, 0, &k);
    assert_int_equal(lg_token_add(f->db, &k, (uint8_t[LG_DIGEST_BYTES]){255, 1}, &f->e), -LG_LIMIT);
    lg_tx_rollback(f->db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_fixture(names_are_unique),
        with_fixture(last_admin_stays),
        with_fixture(sessions_end),
        with_fixture(sessions_are_capped),
        with_fixture(sweep_ends_what_expired),
        with_fixture(failed_sign_ins_are_counted),
        with_fixture(ipv6_counts_by_network),
        with_fixture(tenants_take_the_lowest_free_network),
        with_fixture(members_come_and_go),
        with_fixture(full_tenants_stay),
        with_fixture(tokens_are_capped),
    };
    return cmocka_run_group_tests_name("store/access", tests, NULL, NULL);
}
