#include "fixture.h"

#include <unistd.h>

#include "base/clock.h"
#include "store/identity.h"

static const uint8_t token[LG_DIGEST_BYTES] = {1}, session[LG_DIGEST_BYTES] = {2},
                     nobody[LG_DIGEST_BYTES] = {9};

static void first(struct fixture *f)
{
    assert_int_equal(lg_admin_create(f->db, "ada", "hash", token, "lg_abc", &f->e), 0);
}

/* Bob, member of "red"; and his session. */
static void add_bob(struct fixture *f)
{
    fixture_raw(
        f, "INSERT INTO user VALUES('bob-id','bob','x','user',0,1);"
           "INSERT INTO tenant VALUES('red-id','red','Red',1,1);"
           "INSERT INTO member VALUES('red-id','bob-id','member',5);"
           "INSERT INTO session VALUES(X'0200000000000000000000000000000000000000000000000000000000000000',"
           "'s1','bob-id',NULL,'::1',1,9999999999999,1)");
}

static void every_statement_prepares(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(lg_db_prepare_all(f->db, &f->e), 0);
}

static void first_admin_only_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(lg_user_count(f->db), 0);
    first(f);
    assert_int_equal(lg_user_count(f->db), 1);
    assert_int_equal(lg_admin_create(f->db, "eve", "h", NULL, NULL, &f->e), -LG_CONFLICT);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM audit WHERE action='admin.create'"), 1);
}

static void token_finds_its_user(void **state)
{
    struct fixture *f = *state;
    struct lg_identity id;
    first(f);
    assert_int_equal(lg_auth_token(f->db, nobody, "", &id, &f->e), 0);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 1);
    assert_string_equal(id.username, "ada");
    assert_string_equal(id.tenant_slug, "default");
    assert_true(id.admin && id.owner);
    assert_string_equal(id.session_id, "");
    assert_int_equal(strlen(id.token_id), 36);
    assert_int_equal(lg_auth_token(f->db, token, "default", &id, &f->e), 1);
    assert_int_equal(lg_auth_token(f->db, token, "red", &id, &f->e), -LG_FORBIDDEN);
}

/* A caller who was seen before is not looked up again; what was committed since, and time, count all the
 * same. */
static void known_callers_are_not_believed_for_long(void **state)
{
    struct fixture *f = *state;
    struct lg_identity id;
    char sql[96];
    first(f);
    for (int i = 0; i < 3; i++) {
        lg_db_moment(f->db);
        assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 1);
        assert_string_equal(id.username, "ada");
    }
    fixture_raw(f, "UPDATE user SET username = 'adele'");
    lg_db_moment(f->db);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 1);
    assert_string_equal(id.username, "adele");
    assert_int_equal(lg_auth_token(f->db, token, "red", &id, &f->e), -LG_FORBIDDEN);
    int64_t expires_at = lg_clock_ms() + 3000;
    snprintf(sql, sizeof sql, "UPDATE token SET expires_at = %lld", (long long)expires_at);
    fixture_raw(f, sql);
    lg_db_moment(f->db);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 1);
    while (lg_clock_ms() <= expires_at) /* nobody commits anything */
        usleep(50000);
    lg_db_moment(f->db);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 0);
    fixture_raw(f, "UPDATE token SET expires_at = NULL");
    lg_db_moment(f->db);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 1);
    fixture_raw(f, "UPDATE token SET revoked_at = 1");
    lg_db_moment(f->db);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 0);
    lg_db_moment(f->db);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 0);
    /* What this very connection commits counts as well, even within the moment. */
    fixture_raw(f, "UPDATE token SET revoked_at = NULL");
    lg_db_moment(f->db);
    assert_int_equal(lg_auth_token(f->db, token, NULL, &id, &f->e), 1);
    struct lg_stamp before = lg_db_stamp(f->db);
    assert_int_equal(lg_tx_write(f->db, &f->e), 0);
    assert_int_equal(lg_tx_commit(f->db, &f->e), 0);
    struct lg_stamp after = lg_db_stamp(f->db);
    assert_false(lg_stamp_same(&before, &after));
}

static void token_dies(void **state)
{
    static const struct {
        const char *by, *undo;
    } ways[] = {
        {"UPDATE token SET revoked_at=1", "UPDATE token SET revoked_at=NULL"},
        {"UPDATE token SET expires_at=1", "UPDATE token SET expires_at=NULL"},
        {"UPDATE user SET disabled=1", "UPDATE user SET disabled=0"},
        {"UPDATE user SET role='user'; DELETE FROM member", "UPDATE user SET role='admin'"},
    };
    struct fixture *f = *state;
    struct lg_identity id;
    first(f);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        fixture_raw(f, ways[i].by);
        assert_int_equal(lg_auth_token(f->db, token, "", &id, &f->e), 0);
        fixture_raw(f, ways[i].undo);
        assert_int_equal(lg_auth_token(f->db, token, "", &id, &f->e), 1);
    }
}

static void use_is_noted_once_a_minute(void **state)
{
    struct fixture *f = *state;
    struct lg_identity id;
    first(f);
    assert_int_equal(lg_auth_token(f->db, token, "", &id, &f->e), 1);
    int64_t at = fixture_int(f, "SELECT last_used_at FROM token");
    assert_true(at > 0);
    fixture_raw(f, "UPDATE token SET last_used_at = last_used_at - 30000");
    assert_int_equal(lg_auth_token(f->db, token, "", &id, &f->e), 1);
    assert_int_equal(fixture_int(f, "SELECT last_used_at FROM token"), at - 30000);
    fixture_raw(f, "UPDATE token SET last_used_at = last_used_at - 60000");
    assert_int_equal(lg_auth_token(f->db, token, "", &id, &f->e), 1);
    assert_true(fixture_int(f, "SELECT last_used_at FROM token") >= at);
}

static void session_chooses_a_tenant(void **state)
{
    struct fixture *f = *state;
    struct lg_identity id;
    first(f);
    add_bob(f);
    assert_int_equal(lg_auth_session(f->db, session, "", &id, &f->e), 1);
    assert_string_equal(id.tenant_slug, "red");
    assert_int_equal(id.net_index, 1);
    assert_false(id.owner || id.admin);
    assert_string_equal(id.session_id, "s1");
    assert_int_equal(lg_auth_session(f->db, session, "default", &id, &f->e), -LG_FORBIDDEN);
    assert_string_equal(id.user_id, "");
    fixture_raw(f, "INSERT INTO member SELECT id,'bob-id','owner',9 FROM tenant WHERE slug='default'");
    assert_int_equal(lg_auth_session(f->db, session, "default", &id, &f->e), 1);
    assert_true(id.owner);
    assert_int_equal(lg_auth_session(f->db, session, "", &id, &f->e), 1);
    assert_string_equal(id.tenant_slug, "red"); /* the first membership */
    fixture_raw(f, "UPDATE session SET tenant_id=(SELECT id FROM tenant WHERE slug='default')");
    assert_int_equal(lg_auth_session(f->db, session, "", &id, &f->e), 1);
    assert_string_equal(id.tenant_slug, "default"); /* the chosen one */
    fixture_raw(f, "DELETE FROM member WHERE user_id='bob-id'");
    assert_int_equal(lg_auth_session(f->db, session, "", &id, &f->e), 1);
    assert_string_equal(id.tenant_id, "");
}

static void session_ends(void **state)
{
    struct fixture *f = *state;
    struct lg_identity id;
    add_bob(f);
    fixture_raw(f, "UPDATE session SET expires_at=1");
    assert_int_equal(lg_auth_session(f->db, session, "", &id, &f->e), 0);
    fixture_raw(f, "UPDATE session SET expires_at=9999999999999; UPDATE user SET disabled=1");
    assert_int_equal(lg_auth_session(f->db, session, "", &id, &f->e), 0);
}

static void admin_chooses_every_tenant(void **state)
{
    struct fixture *f = *state;
    struct lg_identity id;
    first(f);
    add_bob(f);
    fixture_raw(f, "UPDATE session SET user_id=(SELECT id FROM user WHERE username='ada')");
    assert_int_equal(lg_auth_session(f->db, session, "red", &id, &f->e), 1);
    assert_true(id.owner);
    assert_int_equal(lg_auth_session(f->db, session, "none", &id, &f->e), -LG_FORBIDDEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_fixture(every_statement_prepares),
        with_fixture(first_admin_only_once),
        with_fixture(token_finds_its_user),
        with_fixture(known_callers_are_not_believed_for_long),
        with_fixture(token_dies),
        with_fixture(use_is_noted_once_a_minute),
        with_fixture(session_chooses_a_tenant),
        with_fixture(session_ends),
        with_fixture(admin_chooses_every_tenant),
    };
    return cmocka_run_group_tests_name("store/identity", tests, NULL, NULL);
}
