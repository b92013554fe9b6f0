/*
 * One tenant's containers reach neither another tenant's nor the host, and cannot pretend to be others. Real
 * containers in networks of two tenants; what each can reach is told by its log.
 */
#include "setup.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "driver/network/isolate.h"

static struct rig rig;
#define D rig.d
#define G rig.g

struct tenant {
    struct lg_net net;
    struct store web, probe;
};
static struct tenant a, b;
static int host_port;
static int listener = -1;

static void new_tenant(struct tenant *t, const struct lg_net *net)
{
    struct lg_err e = {0};
    t->net = *net;
    struct lg_inst_spec spec =
        rig_spec(&rig, &t->net, 2, &t->web, "echo page > /srv/www/index.html; exec httpd -f -h /srv/www");
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
}

/* A listener on every address of the host: what a container must not reach. */
static void open_listener(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t n = sizeof addr;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(listener, 16), 0);
    getsockname(listener, (struct sockaddr *)&addr, &n);
    host_port = ntohs(addr.sin_port);
}

static int run_here(const char *const *argv)
{
    struct lg_err e = {0};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    return lg_proc_run(&p, 20000, NULL, NULL, &e);
}

/* Runs a shell script in a container of the tenant and gives back its output. */
static void in_tenant(struct tenant *t, int host, const char *script, struct lg_buf *out)
{
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf sh = {0};
    lg_buf_fmt(&sh, "%s; echo finished", script);
    struct lg_inst_spec spec = rig_spec(&rig, &t->net, host, &t->probe, lg_buf_cstr(&sh));
    spec.name = "probe";
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    until(rig_run(&rig, t->probe.id) == LG_RUN_EXITED && rig_log_has(&rig, t->probe.id, "finished"));
    ok(&e, D->log_tail(G, t->probe.id, 1000, out, &e));
    ok(&e, D->remove(G, t->probe.id, true, &e));
}

/* "open" or "shut": can the tenant's container connect? */
static bool reaches(struct tenant *t, const char *address, int port)
{
    char script[256];
    lg_cleanup_buf struct lg_buf out = {0};
    snprintf(script, sizeof script, "nc -w 2 %s %d </dev/null >/dev/null 2>&1 && echo open || echo shut",
             address, port);
    in_tenant(t, 20, script, &out);
    assert_true(strstr(lg_buf_cstr(&out), "open") || strstr(lg_buf_cstr(&out), "shut"));
    return strstr(lg_buf_cstr(&out), "open") != NULL;
}

static void test_own_network(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf by_name = {0};
    in_tenant(&a, 20, "wget -q -O - http://web/", &by_name);
    assert_non_null(strstr(lg_buf_cstr(&by_name), "page"));
    assert_true(reaches(&a, a.web.address, 80));
}

static void test_other_tenant(void **state)
{
    (void)state;
    assert_false(reaches(&a, b.web.address, 80));
    assert_false(reaches(&b, a.web.address, 80));
    assert_false(reaches(&a, b.net.gateway, 53));
    assert_false(reaches(&a, b.net.gateway, host_port));
    lg_cleanup_buf struct lg_buf out = {0};
    in_tenant(&a, 20, "nslookup web 2>&1 | grep -A1 Name:", &out); /* the other tenant has a "web" as well */
    assert_non_null(strstr(lg_buf_cstr(&out), a.web.address));
    assert_null(strstr(lg_buf_cstr(&out), b.web.address));
}

/* The host's first address that is neither loopback nor a bridge of ours. */
static bool outer_address(char out[64])
{
    lg_cleanup_buf struct lg_buf b_ = {0};
    struct lg_err e = {0};
    const char *const argv[] = {"ip", "-4", "-o", "addr", "show", "scope", "global", NULL};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    if (lg_proc_run(&p, 10000, &b_, NULL, &e))
        return false;
    for (const char *l = lg_buf_cstr(&b_); l && *l; l = strchr(l, '\n'), l += l != NULL)
        if (!strstr(l, " lg") && sscanf(l, "%*d: %*s inet %63[0-9.]", out) == 1)
            return true;
    return false;
}

static void test_host(void **state)
{
    (void)state;
    char outer[64];
    assert_false(reaches(&a, a.net.gateway, host_port));
    assert_false(reaches(&a, "127.0.0.1", host_port));
    if (outer_address(outer))
        assert_false(reaches(&a, outer, host_port));
    lg_cleanup_buf struct lg_buf out = {0};
    char script[128];
    /* Podman answers names at the gateway, Docker inside the container's own network name space. */
    snprintf(script, sizeof script, "nslookup web %s", *rig.docker.dir ? "127.0.0.11" : a.net.gateway);
    in_tenant(&a, 20, script, &out);
    assert_non_null(strstr(lg_buf_cstr(&out), a.web.address));
}

static void test_link_local_and_ipv6(void **state)
{
    (void)state;
    assert_false(reaches(&a, "169.254.169.254", 80));
    assert_false(reaches(&a, "fe80::1%eth0", host_port));
    assert_false(reaches(&a, "ff02::1%eth0", host_port));
}

static bool host_connects(const char *address, int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval t = {.tv_sec = 2};
    lg_cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    inet_pton(AF_INET, address, &addr.sin_addr);
    return !connect(fd, (struct sockaddr *)&addr, sizeof addr);
}

static void test_from_host(void **state)
{
    (void)state;
    until(host_connects(a.web.address, 80)); /* ingress comes from here */
    until(host_connects(b.web.address, 80));
}

static void test_published_port(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    lg_cleanup_fd int busy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t n = sizeof addr;
    inet_pton(AF_INET, rig.conf.publish_address, &addr.sin_addr);
    assert_int_equal(bind(busy, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(busy, 1), 0);
    getsockname(busy, (struct sockaddr *)&addr, &n);
    struct lg_inst_spec spec = rig_spec(&rig, &a.net, 30, &s, "exec httpd -f -h /srv/www");
    s.ports[0] = (struct lg_port_spec){ntohs(addr.sin_port), 80, "tcp"};
    spec.port_count = 1;
    ok(&e, D->create(G, &spec, &e));
    assert_int_equal(D->start(G, &spec, &e), -LG_BACKEND); /* somebody has the port */
    assert_non_null(strstr(e.msg, "in use"));
    lg_fd_close(&busy);
    ok(&e, D->start(G, &spec, &e));
    until(host_connects(rig.conf.publish_address, ntohs(addr.sin_port)));
    assert_false(reaches(&b, rig.conf.publish_address, ntohs(addr.sin_port)));
    ok(&e, D->remove(G, s.id, true, &e));
}

/* A start that fails late leaves the port in the engine's hands; the next one gets it all the same. */
static void test_port_after_failed_start(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = rig_spec(&rig, &a.net, 31, &s, "exec httpd -f -h /srv/www");
    s.ports[0] = (struct lg_port_spec){28931, 80, "tcp"};
    spec.port_count = 1;
    s.command[0] = "/no/such/program";
    ok(&e, D->create(G, &spec, &e));
    assert_int_equal(D->start(G, &spec, &e), -LG_BACKEND);
    assert_non_null(strstr(e.msg, "no such file"));
    s.command[0] = "sh";
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    until(host_connects(rig.conf.publish_address, 28931));
    ok(&e, D->remove(G, s.id, true, &e));
}

static int run_in_netns(struct tenant *t, const char *const *program, struct lg_buf *out)
{
    struct lg_inst_status st;
    struct lg_err e = {0};
    char pid[32];
    const char *argv[16] = {"nsenter", "-t", pid, "-n"};
    ok(&e, D->inspect(G, t->web.id, &st, &e));
    snprintf(pid, sizeof pid, "%lld", (long long)st.pid);
    for (int i = 0; program[i]; i++)
        argv[4 + i] = program[i];
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    return lg_proc_run(&p, 20000, out, NULL, &e);
}

static bool gateway_answers(struct tenant *t, const char *source)
{
    const char *const plain[] = {"busybox", "ping", "-c", "1", "-W", "2", "-I", source, t->net.gateway, NULL};
    return run_in_netns(t, plain, NULL) == 0;
}

/*
 * With the rights of the host inside the container's network name space (a tenant has far less): another
 * address, then another MAC. Nothing comes back, and the neighbour does not believe it either.
 */
static void test_spoofing(void **state)
{
    (void)state;
    char other[16], mac[18], with_len[24];
    lg_net_host(&a.net, 99, other, mac);
    snprintf(with_len, sizeof with_len, "%s/24", other);
    const char *const add[] = {"ip", "addr", "add", with_len, "dev", "eth0", NULL};
    const char *const del[] = {"ip", "addr", "del", with_len, "dev", "eth0", NULL};
    const char *const foreign[] = {"ip", "addr", "add", b.web.address, "dev", "eth0", NULL};
    const char *const no_foreign[] = {"ip", "addr", "del", b.web.address, "dev", "eth0", NULL};
    const char *const wrong_mac[] = {"ip", "link", "set", "eth0", "address", "02:6c:01:02:03:04", NULL};
    const char *const right_mac[] = {"ip", "link", "set", "eth0", "address", a.web.mac, NULL};
    assert_true(gateway_answers(&a, a.web.address));
    assert_int_equal(run_in_netns(&a, add, NULL), 0);
    assert_false(gateway_answers(&a, other));
    assert_int_equal(run_in_netns(&a, del, NULL), 0);
    assert_int_equal(run_in_netns(&a, foreign, NULL), 0);
    assert_false(gateway_answers(&a, b.web.address));
    assert_int_equal(run_in_netns(&a, no_foreign, NULL), 0);
    assert_int_equal(run_in_netns(&a, wrong_mac, NULL), 0);
    assert_false(gateway_answers(&a, a.web.address));
    assert_int_equal(run_in_netns(&a, right_mac, NULL), 0);
    until(gateway_answers(&a, a.web.address));
}

static bool repair(void)
{
    struct lg_net_spec nets[] = {rig_net(&a.net), rig_net(&b.net)};
    struct lg_err e = {0};
    bool repaired;
    ok(&e, lg_network_repair(&rig.ctx, nets, 2, &repaired, &e));
    return repaired;
}

static void nft(const char *script)
{
    const char *const argv[] = {"nft", "-f", "-", NULL};
    struct lg_err e = {0};
    struct lg_proc p = {
        .argv = argv, .input = script, .input_len = strlen(script), .stdout_fd = -1, .stderr_fd = -1};
    assert_int_equal(lg_proc_run(&p, 10000, NULL, NULL, &e), 0);
}

static void test_repair(void **state)
{
    (void)state;
    /* One table, one chain, one set at a time: never the whole ruleset of the host that runs the test. */
    static const char *const damage[] = {
        "delete table inet lodge_%1$.8s",          "delete table bridge lodge_%1$.8s",
        "flush chain inet lodge_%1$.8s forward",   "flush chain inet lodge_%1$.8s out",
        "flush chain bridge lodge_%1$.8s checked", "flush set inet lodge_%1$.8s bridges",
        "flush set bridge lodge_%1$.8s pairs",     "flush map inet lodge_%1$.8s input_of",
        "flush chain inet lodge_%1$.8s %2$s",
    };
    char script[128];
    assert_false(repair());
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        /* the format is one of the constants above */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(script, sizeof script, damage[i], rig.site, a.net.bridge);
#pragma GCC diagnostic pop
        nft(script);
        assert_true(repair());
        assert_false(repair());
    }
    assert_false(reaches(&a, b.web.address, 80));
    assert_false(reaches(&a, a.net.gateway, host_port));
    assert_true(reaches(&a, a.web.address, 80));
}

static bool has_bridge(const struct lg_net *n)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/class/net/%s", n->bridge);
    return !access(path, F_OK);
}

static void test_remove_one(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_net_spec spec = rig_net(&b.net);
    assert_int_equal(D->network_remove(G, &spec, &e), -LG_CONFLICT); /* in use */
    assert_false(repair());
    ok(&e, D->remove(G, b.web.id, true, &e));
    ok(&e, D->network_remove(G, &spec, &e));
    ok(&e, D->network_remove(G, &spec, &e));
    until(!has_bridge(&b.net));
    assert_true(reaches(&a, a.web.address, 80));
    assert_false(reaches(&a, a.net.gateway, host_port));
}

/* A range that somebody else's interface has is refused by name: packets would leave there. */
static void test_taken_range(void **state)
{
    (void)state;
    struct lg_net net;
    struct lg_err e = {0};
    char here[24];
    ok(&e, lg_net_of(rig.conf.subnet_pool, rig.site, 121, &net, &e));
    snprintf(here, sizeof here, "%s/28", net.gateway);
    const char *const add[] = {"ip", "link", "add", "lgfortest", "type", "bridge", NULL};
    const char *const give[] = {"ip", "addr", "add", here, "dev", "lgfortest", NULL};
    const char *const up[] = {"ip", "link", "set", "lgfortest", "up", NULL};
    const char *const del[] = {"ip", "link", "del", "lgfortest", NULL};
    assert_int_equal(run_here(add), 0);
    assert_int_equal(run_here(give), 0);
    assert_int_equal(run_here(up), 0);
    struct lg_net_spec spec = rig_net(&net);
    int rc = D->network_ensure(G, &spec, &e);
    assert_int_equal(run_here(del), 0);
    assert_int_equal(rc, -LG_CONFLICT);
    assert_non_null(strstr(e.msg, "lgfortest"));
    ok(&e, D->network_ensure(G, &spec, &e));
    ok(&e, D->network_remove(G, &spec, &e));
}

/* One engine after the other; what the first left in the host's rules would show in the second. */
static int isolation(const char *engine)
{
    struct lg_net second;
    struct lg_err e = {0};
    if (!rig_up(&rig, engine))
        return 0;
    ok(&e, lg_net_of(rig.conf.subnet_pool, rig.site, 120, &second, &e));
    rig.second = &second;
    new_tenant(&a, &rig.net);
    new_tenant(&b, &second);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_network),
        cmocka_unit_test(test_other_tenant),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_link_local_and_ipv6),
        cmocka_unit_test(test_from_host),
        cmocka_unit_test(test_published_port),
        cmocka_unit_test(test_port_after_failed_start),
        cmocka_unit_test(test_spoofing),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_remove_one),
        cmocka_unit_test(test_taken_range),
    };
    int failed = cmocka_run_group_tests_name(engine, tests, NULL, NULL);
    rig_down(&rig);
    return failed;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"", "podman", "docker"};
    int failed = 0;
    open_listener();
    for (int i = 1; i < (argc > 1 ? argc : 3); i++)
        failed += isolation(argc > 1 ? argv[i] : all[i]);
    lg_fd_close(&listener);
    return failed;
}
