#include "compute.h"

#include <sys/wait.h>
#include <unistd.h>

#include "store/flavor.h"
#include "store/operation.h"
#include "store/quota.h"

static const struct lg_key env_key = {{7}};

static void add_and_get(void **state)
{
    struct fixture *f = *state;
    struct lg_instance *in = new_instance("red-id", "web"), got;
    add_tenants(f);
    in->env = calloc(2, sizeof *in->env);
    in->env[0] = (struct lg_env){strdup("A"), strdup("1"), false};
    in->env[1] = (struct lg_env){strdup("PW"), strdup("hush"), true};
    in->env_count = 2;
    in->labels = calloc(1, sizeof *in->labels);
    in->labels[0] = (struct lg_label){"tier", "front"};
    in->label_count = 1;
    in->ports = calloc(1, sizeof *in->ports);
    in->ports[0] = (struct lg_port){18080, 80, "tcp"};
    in->port_count = 1;
    assert_int_equal(in_tx(f, lg_instance_add(f->db, in, &env_key, &f->e)), 0);
    assert_int_equal(in->host_number, LG_NET_FIRST_HOST);
    assert_int_equal(in->net_index, 1);
    assert_int_equal(in->env_count, 2);

    assert_int_equal(lg_instance_get(f->db, "red-id", in->id, &got, &f->e), 0);
    assert_string_equal(got.tenant_slug, "red");
    assert_string_equal(got.owner_name, "bob");
    assert_null(got.reason);
    assert_int_equal(lg_instance_load_parts(f->db, &got, NULL, &f->e), 0);
    assert_string_equal(got.env[0].value, "1");
    assert_string_equal(got.env[1].value, "");
    assert_true(got.env[1].secret);
    assert_int_equal(lg_instance_load_parts(f->db, &got, &env_key, &f->e), 0);
    assert_string_equal(got.env[1].value, "hush");
    assert_string_equal(got.labels[0].value, "front");
    assert_int_equal(got.ports[0].host_port, 18080);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM instance_env WHERE instr(value, 'hush')"), 0);
    const struct lg_key other = {{8}};
    assert_int_equal(lg_instance_load_parts(f->db, &got, &other, &f->e), -LG_INTERNAL);
    lg_instance_done(&got);

    assert_int_equal(lg_instance_get(f->db, "blue-id", in->id, &got, &f->e), -LG_NO_INSTANCE);
    assert_int_equal(lg_instance_get(f->db, "", in->id, &got, &f->e), 0);
    lg_instance_done(&got);
    assert_int_equal(lg_instance_by_name(f->db, "red-id", "web", &got, &f->e), 0);
    lg_instance_done(&got);
    assert_int_equal(lg_instance_by_name(f->db, "blue-id", "web", &got, &f->e), -LG_NO_INSTANCE);
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM event WHERE kind='instance.created' AND tenant_id='red-id' "
                       "AND json_extract(data,'$.address')='10.90.1.2'"),
        1);
    drop_instance(in);
}

/* What it gives back if it fails is nobody else's until it has ended. */
static void update_at_work(void **state)
{
    struct fixture *f = *state;
    static struct lg_operation op = {.kind = "instance.update", .tenant_id = "red-id"};
    lg_cleanup_instance struct lg_instance in = {0};
    lg_cleanup_json json_t *params = NULL;
    char id[LG_ID_LEN];
    int64_t cpu, memory, uses;
    struct lg_amounts used;
    const struct lg_sizes was = {4000, 1 << 30, 0, "small"}, less = {1000, 2 << 20, 0, ""};
    struct lg_sizes got;
    add_tenants(f);
    assert_int_equal(add_named(f, "red-id", "web", id), 0);
    assert_int_equal(lg_instance_get(f->db, "", id, &in, &f->e), 0);
    assert_int_equal(in_tx(f, lg_instance_set_sizes(f->db, &in, &less, NULL, &f->e)), 0);
    memcpy(op.instance_id, id, sizeof op.instance_id);
    lg_update_params(&was, op.params);
    params = lg_json_parse(op.params, strlen(op.params), 4, &f->e);
    assert_true(lg_update_was(params, &got));
    assert_memory_equal(&got, &was, sizeof was);
    assert_int_equal(in_tx(f, lg_operation_add(f->db, &op, false, &f->e)), 0);
    assert_int_equal(lg_instance_admitted(f->db, "", &cpu, &memory, &f->e), 0);
    assert_true(cpu == was.cpu_millis && memory == was.memory_bytes);
    assert_int_equal(lg_instance_admitted(f->db, id, &cpu, &memory, &f->e), 0);
    assert_true(cpu == 0 && memory == 0);
    assert_int_equal(lg_quota_used(f->db, "red-id", &used, &f->e), 0);
    assert_true(used.cpu_millis == was.cpu_millis && used.memory_bytes == was.memory_bytes);
    assert_int_equal(lg_flavor_uses(f->db, "small", &uses, &f->e), 0);
    assert_int_equal(uses, 1);
    assert_int_equal(in_tx(f, lg_operation_end(f->db, &op, "done", NULL, &f->e)), 0);
    assert_int_equal(lg_instance_admitted(f->db, "", &cpu, &memory, &f->e), 0);
    assert_true(cpu == less.cpu_millis && memory == less.memory_bytes);
    assert_int_equal(lg_quota_used(f->db, "red-id", &used, &f->e), 0);
    assert_true(used.cpu_millis == less.cpu_millis && used.memory_bytes == less.memory_bytes);
    assert_int_equal(lg_flavor_uses(f->db, "small", &uses, &f->e), 0);
    assert_int_equal(uses, 0);
}

/* What flavors there are is a migration's. */
static void flavors(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct lg_sizes sizes;
        bool stays;
    } table[] = {
        {{1000, 1LL << 30, 10LL << 30, "small"}, true},
        {{2000, 1LL << 30, 10LL << 30, "small"}, false},
        {{1000, 1LL << 29, 10LL << 30, "small"}, false},
        {{1000, 1LL << 30, 11LL << 30, "small"}, false},
        {{1000, 1LL << 30, 10LL << 30, "gone"}, false},
        {{1000, 1LL << 30, 10LL << 30, "gpu"}, true}}; /* its GPUs are that flavor's, whatever its sizes */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct lg_sizes s = table[i].sizes;
        assert_int_equal(lg_flavor_keep(f->db, &s, &f->e), 0);
        assert_string_equal(s.flavor, table[i].stays ? table[i].sizes.flavor : "");
    }
}

static void conflicts(void **state)
{
    struct fixture *f = *state;
    add_tenants(f);
    assert_int_equal(add_named(f, "red-id", "web", NULL), 0);
    assert_int_equal(add_named(f, "red-id", "web", NULL), -LG_CONFLICT);
    assert_string_equal(f->e.detail[0].value, "name");
    assert_int_equal(add_named(f, "blue-id", "web", NULL), 0);
    for (int i = 0; i < 2; i++) {
        struct lg_instance *in = new_instance(i ? "blue-id" : "red-id", "port");
        in->ports = calloc(1, sizeof *in->ports);
        in->ports[0] = (struct lg_port){18080, 80, "tcp"};
        in->port_count = 1;
        assert_int_equal(in_tx(f, lg_instance_add(f->db, in, NULL, &f->e)), i ? -LG_CONFLICT : 0);
        drop_instance(in);
    }
    assert_string_equal(f->e.detail[0].value, "config.ports");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM instance"), 3);
    assert_int_equal(fixture_int(f, "SELECT sum(n) FROM instance_count"), 3);
}

static void addresses_end_and_rest(void **state)
{
    struct fixture *f = *state;
    char name[16], first[LG_ID_LEN];
    add_tenants(f);
    for (int i = LG_NET_FIRST_HOST; i <= LG_NET_LAST_HOST; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_named(f, "red-id", name, i == LG_NET_FIRST_HOST ? first : NULL), 0);
    }
    assert_int_equal(fixture_int(f, "SELECT count(DISTINCT host_number) FROM instance"), 253);
    assert_int_equal(add_named(f, "red-id", "more", NULL), -LG_LIMIT);
    struct lg_instance in;
    assert_int_equal(lg_instance_get(f->db, "", first, &in, &f->e), 0);
    assert_int_equal(in_tx(f, lg_instance_remove(f->db, &in, NULL, &f->e)), 0);
    lg_instance_done(&in);
    assert_true(lg_tombstone_exists(f->db, first));
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM event WHERE kind='instance.deleted'"), 1);
    assert_int_equal(add_named(f, "red-id", "more", NULL), -LG_LIMIT);
    fixture_raw(f, "UPDATE host_number_quarantine SET until = 1");
    assert_int_equal(add_named(f, "red-id", "more", NULL), 0);
    assert_int_equal(fixture_int(f, "SELECT host_number FROM instance WHERE name='more'"), LG_NET_FIRST_HOST);
}

static void changes_tell(void **state)
{
    struct fixture *f = *state;
    char id[LG_ID_LEN];
    struct lg_instance in;
    add_tenants(f);
    add_named(f, "red-id", "web", id);
    assert_int_equal(lg_instance_get(f->db, "", id, &in, &f->e), 0);
    struct lg_reason why = {.code = "exited", .text = "it ended", .exit_code = 3, .log = "last words\n"};
    struct lg_instance_change ch = {
        .state = LG_ST_ERROR, .reason = &why, .started_at = -1, .engine_ref = "abc"};
    assert_int_equal(in_tx(f, lg_instance_change(f->db, &in, &ch, &f->e)), 0);
    assert_int_equal(in.version, 2);
    assert_string_equal(in.engine_ref, "abc");
    assert_string_equal(in.desired, "running");
    assert_non_null(strstr(in.reason, "\"exitCode\":3"));
    assert_int_equal(
        fixture_int(
            f,
            "SELECT count(*) FROM event WHERE kind='instance.state' AND "
            "json_extract(data,'$.previous')='creating' AND json_extract(data,'$.reason.log') LIKE 'last%'"),
        1);
    struct lg_reason clear = {.text = ""};
    ch = (struct lg_instance_change){.state = -1, .reason = &clear, .started_at = 77, .health = "healthy"};
    assert_int_equal(in_tx(f, lg_instance_change(f->db, &in, &ch, &f->e)), 0);
    assert_null(in.reason);
    assert_int_equal(in.started_at, 77);
    assert_int_equal(in.state, LG_ST_ERROR);
    ch = (struct lg_instance_change){.state = -1, .started_at = 0};
    assert_int_equal(in_tx(f, lg_instance_change(f->db, &in, &ch, &f->e)), 0);
    assert_int_equal(in.started_at, 0);
    const struct lg_sizes more = {.cpu_millis = 2000, .memory_bytes = 4 << 20, .flavor = "own"};
    assert_int_equal(in_tx(f, lg_instance_set_sizes(f->db, &in, &more, NULL, &f->e)), 0);
    const struct lg_sizes now = lg_instance_sizes(&in);
    assert_memory_equal(&now, &more, sizeof more);
    const struct lg_label labels[] = {{"a", "1"}, {"b", "2"}};
    assert_int_equal(in_tx(f, lg_instance_set_labels(f->db, &in, labels, 2, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_instance_set_labels(f->db, &in, labels + 1, 1, &f->e)), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM instance_label"), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM event WHERE kind='instance.updated'"), 5);
    assert_int_equal(in_tx(f, lg_instance_remove(f->db, &in, NULL, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_instance_change(f->db, &in, &ch, &f->e)), -LG_NO_INSTANCE);
    lg_instance_done(&in);
}

struct seen {
    int n;
    int64_t last_seq;
    char names[256];
};

static void see(void *arg, struct lg_instance *in)
{
    struct seen *s = arg;
    assert_true(!s->n || in->seq < s->last_seq);
    s->last_seq = in->seq;
    s->n++;
    strncat(s->names, in->name, sizeof s->names - strlen(s->names) - 1);
}

#define filter(st, ...) ((struct lg_instance_filter){.tenant_id = "red-id", .state = (st), __VA_ARGS__})

static const char *any(const char *s)
{
    return s ? s : "";
}

static void expect(struct fixture *f, struct lg_instance_filter want, const char *names, int64_t total)
{
    struct seen s = {0};
    int64_t got = -1;
    want.backend = any(want.backend);
    want.name = any(want.name);
    want.q = any(want.q);
    want.label_key = any(want.label_key);
    want.label_value = any(want.label_value);
    want.limit = want.limit ? want.limit : 50;
    assert_true(lg_instance_each(f->db, &want, &got, see, &s, &f->e) == s.n);
    assert_string_equal(s.names, names);
    assert_int_equal(got, total);
}

static void lists(void **state)
{
    struct fixture *f = *state;
    char id[LG_ID_LEN];
    struct lg_instance in;
    add_tenants(f);
    add_named(f, "red-id", "a", NULL);
    add_named(f, "red-id", "b", id);
    add_named(f, "red-id", "c", NULL);
    add_named(f, "blue-id", "d", NULL);
    lg_instance_get(f->db, "", id, &in, &f->e);
    const struct lg_label label = {"tier", "db"};
    in_tx(f, lg_instance_set_labels(f->db, &in, &label, 1, &f->e));
    struct lg_instance_change ch = {.state = LG_ST_RUNNING, .started_at = -1};
    in_tx(f, lg_instance_change(f->db, &in, &ch, &f->e));
    expect(f, filter(-1, .limit = 50), "cba", 3);
    expect(f, filter(-1, .limit = 1, .offset = 1), "b", 3);
    expect(f, filter(-1, .before_seq = in.seq), "a", 3);
    expect(f, filter(LG_ST_RUNNING, .limit = 50), "b", 1);
    expect(f, filter(LG_ST_PAUSED, .limit = 50), "", 0);
    expect(f, filter(-1, .label_key = "tier"), "b", 1);
    expect(f, filter(-1, .label_key = "tier", .label_value = "db"), "b", 1);
    expect(f, filter(-1, .label_key = "tier", .label_value = "web"), "", 0);
    expect(f, filter(-1, .q = "bAsE"), "cba", 3);
    expect(f, filter(-1, .q = "B:"), "", 0);
    expect(f, filter(LG_ST_CREATING, .name = "c", .backend = "docker"), "c", 1);
    expect(f, filter(-1, .backend = "kvm"), "", 0);
    int64_t cpu, memory;
    assert_int_equal(lg_instance_admitted(f->db, in.id, &cpu, &memory, &f->e), 0);
    assert_int_equal(cpu, 3000);
    lg_instance_done(&in);
}

static void memory_of_the_reconciler(void **state)
{
    struct fixture *f = *state;
    char id[LG_ID_LEN];
    add_tenants(f);
    add_named(f, "red-id", "a", id);
    struct lg_sample s = {.at = 5, .cpu_us = 7, .cpu_percent = 1.5, .disk_bytes = -1}, got;
    memcpy(s.instance_id, id, sizeof s.instance_id);
    assert_int_equal(lg_sample_get(f->db, id, &got, &f->e), 0);
    assert_int_equal(in_tx(f, lg_sample_put(f->db, &s, &f->e)), 0);
    s.at = 6;
    assert_int_equal(in_tx(f, lg_sample_put(f->db, &s, &f->e)), 0);
    assert_int_equal(lg_sample_get(f->db, id, &got, &f->e), 1);
    assert_int_equal(got.at, 6);
    memcpy(s.instance_id, "unknown", 8);
    assert_int_equal(in_tx(f, lg_sample_put(f->db, &s, &f->e)), 0);
    assert_int_equal(lg_sample_get(f->db, "unknown", &got, &f->e), 0);

    struct lg_engine_state es = {.backend = "docker", .type = "fake", .healthy = true, .checked_at = 3}, eg;
    assert_int_equal(lg_engine_state_get(f->db, "docker", &eg, &f->e), 0);
    assert_int_equal(in_tx(f, lg_engine_state_put(f->db, &es, &f->e)), 0);
    es.healthy = false;
    assert_int_equal(in_tx(f, lg_engine_state_put(f->db, &es, &f->e)), 0);
    assert_int_equal(lg_engine_state_get(f->db, "docker", &eg, &f->e), 1);
    assert_false(eg.healthy);

    assert_int_equal(in_tx(f, lg_quarantine_put(f->db, "docker", "ref", "x", &f->e)), 0);
    assert_int_equal(in_tx(f, lg_quarantine_put(f->db, "docker", "ref", "x", &f->e)), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM quarantine"), 1);
    assert_int_equal(in_tx(f, lg_quarantine_clear(f->db, "docker", "ref", &f->e)), 0);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM quarantine"), 0);
}

/* Two processes make instances at once: all that were acknowledged are there, no address twice. */
static void two_writers(void **state)
{
    struct fixture *f = *state;
    add_tenants(f);
    lg_db_close(f->db);
    f->db = NULL;
    pid_t pid[2];
    for (int p = 0; p < 2; p++) {
        if ((pid[p] = fork()))
            continue;
        int bad = lg_db_open(&f->db, &f->conf, &f->e) != 0;
        for (int i = 0; i < 40 && !bad; i++) {
            char name[32];
            snprintf(name, sizeof name, "p%d-%d", p, i);
            struct lg_instance *in = new_instance("red-id", name);
            bad = lg_tx_write(f->db, &f->e) || lg_instance_add(f->db, in, NULL, &f->e) ||
                  lg_tx_commit(f->db, &f->e);
            drop_instance(in);
        }
        lg_db_close(f->db);
        _exit(bad);
    }
    for (int p = 0; p < 2; p++) {
        int status;
        waitpid(pid[p], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM instance"), 80);
    assert_int_equal(fixture_int(f, "SELECT count(DISTINCT host_number) FROM instance"), 80);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM event"), 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_fixture(add_and_get),   with_fixture(conflicts),
                                       with_fixture(changes_tell),  with_fixture(addresses_end_and_rest),
                                       with_fixture(lists),         with_fixture(memory_of_the_reconciler),
                                       with_fixture(two_writers),   with_fixture(flavors),
                                       with_fixture(update_at_work)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
