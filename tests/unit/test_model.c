/* model: the table of states and verbs, names, ports, addresses. */
// links: model base
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "model/dialect.h"
#include "model/image_ref.h"
#include "model/net.h"
#include "model/ssh_key.h"
#include "model/state.h"
#include "model/validate.h"

static void every_name_is_found_again(void **state)
{
    (void)state;
    for (int s = 0; s < LG_ST_COUNT; s++)
        assert_int_equal(lg_state_of(lg_state_name((enum lg_state)s)), s);
    for (int v = 0; v < LG_V_COUNT; v++)
        assert_int_equal(lg_verb_of(lg_verb_name((enum lg_verb)v)), v);
    assert_int_equal(lg_state_of("nonsense"), -1);
}

static void verbs_are_legal_where_the_table_says(void **state)
{
    (void)state;
    const struct {
        enum lg_verb v;
        enum lg_state s;
        bool force, legal;
    } cases[] = {
        {LG_V_START, LG_ST_STOPPED, false, true},   {LG_V_START, LG_ST_RUNNING, false, false},
        {LG_V_START, LG_ST_RUNNING, true, false},   {LG_V_STOP, LG_ST_RUNNING, false, true},
        {LG_V_STOP, LG_ST_CREATING, false, false},  {LG_V_STOP, LG_ST_CREATING, true, true},
        {LG_V_DELETE, LG_ST_RUNNING, false, false}, {LG_V_DELETE, LG_ST_RUNNING, true, true},
        {LG_V_DELETE, LG_ST_STOPPED, false, true},  {LG_V_DELETE, LG_ST_DELETING, true, false},
        {LG_V_PAUSE, LG_ST_STOPPED, true, false},   {LG_V_UNPAUSE, LG_ST_PAUSED, false, true},
        {LG_V_CREATE, LG_ST_RUNNING, true, false},  {LG_V_RESET, LG_ST_STOPPED, false, false},
        {LG_V_RESET, LG_ST_RUNNING, false, true},   {LG_V_SUSPEND, LG_ST_RUNNING, false, true},
        {LG_V_SUSPEND, LG_ST_ASLEEP, true, false},  {LG_V_WAKE, LG_ST_ASLEEP, false, true},
        {LG_V_WAKE, LG_ST_STOPPED, false, false},   {LG_V_STOP, LG_ST_ASLEEP, false, false},
        {LG_V_STOP, LG_ST_ASLEEP, true, true},      {LG_V_UPDATE, LG_ST_ASLEEP, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lg_err e = {0};
        int rc = lg_verb_allowed(cases[i].v, cases[i].s, cases[i].force, &e);
        assert_int_equal(rc, cases[i].legal ? 0 : -(int)LG_STATE);
        assert_true(cases[i].legal || strstr(e.msg, lg_state_name(cases[i].s)));
    }
}

static void no_state_is_a_trap(void **state)
{
    (void)state;
    for (int s = 0; s < LG_ST_COUNT; s++)
        if (s != LG_ST_DELETING)
            assert_int_equal(lg_verb_allowed(LG_V_DELETE, (enum lg_state)s, true, NULL), 0);
}

static void dialects_have_a_word_for_every_state(void **state)
{
    (void)state;
    static const char *const tenant[] = {"creating", "running", "stopped", "restarting", "deleting", "error"};
    for (int s = 0; s < LG_ST_COUNT; s++) {
        const char *word = lg_dialect_status(LG_DIALECT_TENANT, (enum lg_state)s);
        bool found = false;
        for (size_t i = 0; i < sizeof tenant / sizeof tenant[0]; i++)
            found |= !strcmp(word, tenant[i]);
        assert_true(found);
        word = lg_dialect_status(LG_DIALECT_CLOUD, (enum lg_state)s);
        assert_true(!strcmp(word, "running") || !strcmp(word, "stopped") || !strcmp(word, "error"));
    }
}

static void dialects_take_verbs_in_their_own_words(void **state)
{
    (void)state;
    const struct {
        enum lg_dialect d;
        enum lg_verb asked;
        enum lg_state s;
        int verb; /* of the model; -1: refused */
        bool force;
    } cases[] = {
        {LG_DIALECT_TENANT, LG_V_RESTART, LG_ST_STOPPED, LG_V_START, false},
        {LG_DIALECT_TENANT, LG_V_RESTART, LG_ST_RUNNING, -1, false},
        {LG_DIALECT_TENANT, LG_V_START, LG_ST_PAUSED, LG_V_UNPAUSE, false},
        {LG_DIALECT_TENANT, LG_V_START, LG_ST_ERROR, -1, false},
        {LG_DIALECT_TENANT, LG_V_STOP, LG_ST_RUNNING, LG_V_STOP, false},
        {LG_DIALECT_TENANT, LG_V_STOP, LG_ST_STOPPING, -1, false},
        {LG_DIALECT_TENANT, LG_V_DELETE, LG_ST_PAUSED, LG_V_DELETE, true},
        {LG_DIALECT_TENANT, LG_V_DELETE, LG_ST_STOPPING, -1, false},
        {LG_DIALECT_TENANT, LG_V_DELETE, LG_ST_DELETING, -1, false},
        {LG_DIALECT_TENANT, LG_V_PAUSE, LG_ST_RUNNING, -1, false},
        {LG_DIALECT_CLOUD, LG_V_START, LG_ST_ERROR, LG_V_START, false},
        {LG_DIALECT_CLOUD, LG_V_START, LG_ST_CREATING, -1, false},
        {LG_DIALECT_CLOUD, LG_V_DELETE, LG_ST_RUNNING, LG_V_DELETE, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lg_err e = {0};
        struct lg_dialect_act act = {0};
        int rc = lg_dialect_verb(cases[i].d, cases[i].asked, cases[i].s, &act, &e);
        assert_int_equal(!rc, cases[i].verb >= 0);
        assert_true(rc ? *e.msg : (int)act.verb == cases[i].verb && act.force == cases[i].force);
    }
}

static void ssh_keys(void **state)
{
    (void)state;
    static const char good[] =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    struct lg_ssh_key k;
    struct lg_err e = {0};
    char text[128];
    assert_int_equal(lg_ssh_key_parse(good, &k, &e), 0);
    assert_string_equal(k.text, good);
    snprintf(text, sizeof text, "%s someone@somewhere\r\n", good);
    assert_int_equal(lg_ssh_key_parse(text, &k, &e), 0);
    assert_string_equal(k.text, good);
    for (size_t n = 0; n < sizeof good - 1; n++) { /* no part of a key is one */
        snprintf(text, sizeof text, "%.*s", (int)n, good);
        assert_int_equal(lg_ssh_key_parse(text, &k, &e), -(int)LG_INVALID);
    }
}

static void names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "web-1", "0", "a-b-c",
                                       "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvwxy"};
    static const char *const bad[] = {
        "",     "-a",  "a-",  "A", "a_b", "a.b",
        "../x", "a/b", "a b", "ä", "a\n", "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvwxyz"};
    struct lg_err e;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(lg_check_name("name", good[i], &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(lg_check_name("name", bad[i], &e), -(int)LG_INVALID);
        assert_string_equal(e.detail[0].value, "name");
    }
}

static void image_references(void **state)
{
    (void)state;
    struct lg_err e;
    assert_int_equal(lg_check_image_ref("image", "nginx:alpine", &e), 0);
    assert_int_equal(lg_check_image_ref("image", "127.0.0.1:5000/a/b@sha256:00ff", &e), 0);
    static const char *const bad[] = {"", "/etc/passwd", "../x", "a//b", "a b", "$(id)", "-x", "a\"b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lg_check_image_ref("image", bad[i], &e), -(int)LG_INVALID);
}

static void environment_and_labels(void **state)
{
    (void)state;
    struct lg_err e;
    assert_int_equal(lg_check_env("env", "A=1", &e), 0);
    assert_int_equal(lg_check_env("env", "A_B=", &e), 0);
    assert_int_equal(lg_check_env("env", "A=b=c\nd", &e), 0);
    static const char *const bad[] = {"", "=", "=x", "A", "1A=x", "A B=x", "A-B=x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lg_check_env("env", bad[i], &e), -(int)LG_INVALID);
    assert_int_equal(lg_check_label("labels", "app", "web", &e), 0);
    assert_int_equal(lg_check_label("labels", "lodge.site", "x", &e), -(int)LG_INVALID);
}

static void ports(void **state)
{
    (void)state;
    struct lg_err e;
    struct lg_port p;
    assert_int_equal(lg_parse_port("ports", "8080:80", &p, &e), 0);
    assert_int_equal(p.host_port, 8080);
    assert_int_equal(p.instance_port, 80);
    assert_string_equal(p.protocol, "tcp");
    assert_int_equal(lg_parse_port("ports", "53:53/udp", &p, &e), 0);
    assert_string_equal(p.protocol, "udp");
    static const char *const bad[] = {"",
                                      "80",
                                      ":80",
                                      "80:",
                                      "0:80",
                                      "65536:80",
                                      "80:80/sctp",
                                      "80:80:80",
                                      "-1:80",
                                      "+1:80",
                                      " 1:80",
                                      "1:80 ",
                                      "99999999999999999999:1",
                                      "1e3:80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lg_parse_port("ports", bad[i], &p, &e), -(int)LG_INVALID);
}

static void networks(void **state)
{
    (void)state;
    struct lg_err e;
    struct lg_net n;
    char address[16], mac[18];
    assert_int_equal(lg_net_capacity("10.90.0.0/16", &e), 256);
    assert_int_equal(lg_net_of("10.90.7.9/16", "abcdef01-2345", 3, &n, &e), 0);
    assert_string_equal(n.subnet, "10.90.3.0/24");
    assert_string_equal(n.gateway, "10.90.3.1");
    assert_string_equal(n.bridge, "lgabcdn3");
    assert_string_equal(n.name, "lodge-abcdef01-3");
    lg_net_host(&n, 254, address, mac);
    assert_string_equal(address, "10.90.3.254");
    assert_string_equal(mac, "02:6c:0a:5a:03:fe");
    assert_int_equal(lg_net_of("10.90.0.0/16", "abcdef01", 256, &n, &e), -(int)LG_LIMIT);
    static const char *const bad[] = {"", "10.90.0.0", "10.90.0.0/7", "10.90.0.0/25", "x/16", "::/16"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lg_net_capacity(bad[i], &e), -(int)LG_INVALID);
}

static void references_are_made_whole(void **state)
{
    (void)state;
    struct lg_err e;
    char out[64];
    static const char *const whole[][2] = {
        {"nginx", "docker.io/library/nginx:latest"},
        {"nginx:alpine", "docker.io/library/nginx:alpine"},
        {"deadbeef", "docker.io/library/deadbeef:latest"}, /* never a content id */
        {"a/b", "docker.io/a/b:latest"},
        {"ghcr.io/a/b:1", "ghcr.io/a/b:1"},
        {"reg:5000/x", "reg:5000/x:latest"},
        {"localhost:5000/x:1", "localhost:5000/x:1"},
        {"a@sha256:00", "docker.io/library/a@sha256:00"},
    };
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        assert_int_equal(lg_image_ref_full(whole[i][0], out, sizeof out, &e), 0);
        assert_string_equal(out, whole[i][1]);
    }
    assert_int_equal(lg_image_ref_full("localhost/lodge/x:latest", out, sizeof out, &e), -(int)LG_NOT_FOUND);
    assert_int_equal(lg_image_ref_full("sha256:00", out, sizeof out, &e), -(int)LG_NOT_FOUND);
    assert_int_equal(lg_image_ref_full("../x", out, sizeof out, &e), -(int)LG_INVALID);
    assert_int_equal(lg_image_ref_full("nginx", out, 8, &e), -(int)LG_INVALID);
    static const char *const inner[] = {
        "localhost:5000/x",   "LOCALHOST:5000/x", "localhost.:5000/x",  "ip6-localhost:1/x",
        "a.LocalHost:5000/x", "127.0.0.1:5000/x", "127.0.0.1.:5000/x",  "127.1/x",
        "0:5000/x",           "0.0.0.0/x",        "2130706433:80/x",    "0x7f.1/x",
        "0177.0.0.1/x",       "10.0.0.9/x",       "192.168.1.1:5000/x", "169.254.169.254/x",
        "172.16.0.1.:5000/x", "nas:5000/x",       "nas.local/x",        "vault.internal:443/x"};
    static const char *const outer[] = {"localhost.example/x", "8.8.8.8:5000/x", "ghcr.io/a/b",
                                        "127.0.0.1",           "library/nginx",  "nginx:1.25",
                                        "local.example/x"};
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        assert_true(lg_image_ref_inner(inner[i]));
    for (size_t i = 0; i < sizeof outer / sizeof outer[0]; i++)
        assert_false(lg_image_ref_inner(outer[i]));
    assert_int_equal(lg_image_ref_full("Localhost/lodge/x:latest", out, sizeof out, &e), -(int)LG_NOT_FOUND);
}

static void images_of_listed_registries(void **state)
{
    (void)state;
    static const char list[] = "docker.io/library, ghcr.io/us/,10.0.0.9:5000,quay.io/a/b";
    static const struct {
        const char *ref;
        bool allowed;
    } refs[] = {{"nginx", true},
                {"docker.io/library/nginx", true},
                {"Docker.IO/library/nginx:1", true},
                {"evil/nginx", false},
                {"docker.io/libraryx/y", false},
                {"ghcr.io/us/app@sha256:00", true},
                {"ghcr.io/usx/a", false},
                {"ghcr.io.evil.test/us/a", false},
                {"10.0.0.9:5000/x", true},
                {"10.0.0.9/x", false},
                {"quay.io/a/b:1", true},
                {"quay.io/a/bc", false},
                {"localhost/x", false},
                {"../x", false}};
    for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++)
        if (lg_image_ref_allowed(refs[i].ref, list) != refs[i].allowed)
            fail_msg("%s", refs[i].ref);
    assert_true(lg_image_ref_allowed("ghcr.io/a/b", ""));
    assert_false(lg_image_ref_allowed("127.1/x", ""));
    assert_false(lg_image_ref_allowed("nginx", ","));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_made_whole),
        cmocka_unit_test(images_of_listed_registries),
        cmocka_unit_test(every_name_is_found_again),
        cmocka_unit_test(verbs_are_legal_where_the_table_says),
        cmocka_unit_test(no_state_is_a_trap),
        cmocka_unit_test(dialects_have_a_word_for_every_state),
        cmocka_unit_test(dialects_take_verbs_in_their_own_words),
        cmocka_unit_test(ssh_keys),
        cmocka_unit_test(names),
        cmocka_unit_test(image_references),
        cmocka_unit_test(environment_and_labels),
        cmocka_unit_test(ports),
        cmocka_unit_test(networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
