#include "compute.h"

#include "base/clock.h"
#include "store/operation.h"

static struct lg_operation *make(const char *kind, const char *instance)
{
    struct lg_operation *op = calloc(1, sizeof *op);
    snprintf(op->kind, sizeof op->kind, "%s", kind);
    snprintf(op->tenant_id, sizeof op->tenant_id, "red-id");
    snprintf(op->instance_id, sizeof op->instance_id, "%s", instance);
    snprintf(op->subject_name, sizeof op->subject_name, "web");
    snprintf(op->username, sizeof op->username, "bob");
    return op;
}

static int64_t events(struct fixture *f, const char *kind)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM event WHERE kind='%s'", kind);
    return fixture_int(f, sql);
}

static void a_life(void **state)
{
    struct fixture *f = *state;
    struct lg_operation *op = make("instance.start", "i1"), got;
    assert_int_equal(in_tx(f, lg_operation_add(f->db, op, false, &f->e)), 0);
    assert_string_equal(op->status, "queued");
    assert_true(op->seq > 0 && op->created_at > 0 && op->progress < 0);
    assert_int_equal(in_tx(f, lg_operation_claim(f->db, op->id, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_operation_progress(f->db, op, "pulling", 0.5, "one\ntwo", &f->e)), 0);
    assert_int_equal(in_tx(f, lg_operation_progress(f->db, op, "pulling", -1, "three", &f->e)), 0);
    assert_int_equal(lg_operation_get(f->db, op->id, &got, &f->e), 0);
    assert_string_equal(got.log, "one\ntwo\nthree\n");
    assert_true(got.progress < 0);
    assert_int_equal(got.attempts, 1);
    struct lg_err why = {.code = LG_BACKEND, .msg = "no"};
    assert_int_equal(in_tx(f, lg_operation_end(f->db, op, "failed", &why, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_operation_end(f->db, op, "done", NULL, &f->e)), 0);
    assert_int_equal(lg_operation_get(f->db, op->id, &got, &f->e), 0);
    assert_string_equal(got.status, "failed");
    assert_string_equal(got.error_code, "BACKEND_ERROR");
    assert_true(lg_operation_ended(&got));
    assert_int_equal(events(f, "operation.created"), 1);
    assert_int_equal(events(f, "operation.progress"), 3);
    assert_int_equal(events(f, "operation.done"), 1);
    assert_int_equal(fixture_int(f, "SELECT op_done FROM event WHERE kind='operation.done' AND "
                                    "json_extract(data,'$.operation.error.message')='no'"),
                     1);
    assert_int_equal(in_tx(f, lg_operation_claim(f->db, op->id, &f->e)), -LG_STATE);
    assert_int_equal(in_tx(f, lg_operation_cancel(f->db, op->id, &f->e)), -LG_STATE);
    assert_int_equal(lg_operation_get(f->db, "nothing", &got, &f->e), -LG_NOT_FOUND);
    assert_int_equal(in_tx(f, lg_operation_prune(f->db, lg_clock_ms() + 1, &f->e)), 0);
    assert_int_equal(lg_operation_get(f->db, op->id, &got, &f->e), -LG_NOT_FOUND);
    free(op);
}

static void one_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct lg_operation *a = make("instance.start", "i1"), *b = make("instance.stop", "i1"), got;
    assert_int_equal(in_tx(f, lg_operation_add(f->db, a, false, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_operation_add(f->db, b, false, &f->e)), -LG_CONFLICT);
    assert_string_equal(f->e.detail[0].value, a->id);
    assert_int_equal(in_tx(f, lg_operation_add(f->db, b, true, &f->e)), 0);
    assert_int_equal(lg_operation_open_of(f->db, "i1", &got, &f->e), 1);
    assert_string_equal(got.id, a->id);
    assert_true(got.cancel);
    assert_int_equal(lg_operation_get(f->db, b->id, &got, &f->e), 0);
    assert_false(got.cancel);
    assert_int_equal(in_tx(f, lg_operation_end(f->db, a, "cancelled", NULL, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_operation_claim(f->db, b->id, &f->e)), 0);
    assert_int_equal(in_tx(f, lg_operation_requeue(f->db, b->id, &f->e)), 0);
    assert_int_equal(lg_operation_get(f->db, b->id, &got, &f->e), 0);
    assert_string_equal(got.status, "queued");
    assert_int_equal(got.attempts, 1);
    for (int i = 0; i < 2; i++) { /* those without an instance never meet */
        struct lg_operation *c = make("image.pull", "");
        assert_int_equal(in_tx(f, lg_operation_add(f->db, c, false, &f->e)), 0);
        free(c);
    }
    free(a);
    free(b);
}

static void count_one(void *arg, const struct lg_operation *op)
{
    (void)op;
    ++*(int *)arg;
}

static void lists(void **state)
{
    struct fixture *f = *state;
    struct lg_operation *op[3];
    int n = 0;
    int64_t total;
    for (int i = 0; i < 3; i++) {
        op[i] = make("instance.start", i == 2 ? "i2" : i ? "i1" : "i0");
        assert_int_equal(in_tx(f, lg_operation_add(f->db, op[i], false, &f->e)), 0);
    }
    in_tx(f, lg_operation_end(f->db, op[0], "done", NULL, &f->e));
    assert_int_equal(lg_operation_each(f->db, "red-id", "", "", 0, 50, 0, count_one, &n, &f->e), 3);
    assert_int_equal(lg_operation_each(f->db, "red-id", "", "", op[2]->seq, 50, 1, count_one, &n, &f->e), 1);
    assert_int_equal(lg_operation_each(f->db, "red-id", "i1", "queued", 0, 50, 0, count_one, &n, &f->e), 1);
    assert_int_equal(lg_operation_each(f->db, "red-id", "i1", "done", 0, 50, 0, count_one, &n, &f->e), 0);
    assert_int_equal(lg_operation_each(f->db, "blue-id", "i1", "", 0, 50, 0, count_one, &n, &f->e), 0);
    assert_int_equal(lg_operation_open_each(f->db, 50, count_one, &n, &f->e), 2);
    assert_int_equal(lg_operation_count(f->db, "red-id", "", "queued", &total, &f->e), 0);
    assert_int_equal(total, 2);
    for (int i = 0; i < 3; i++)
        free(op[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_fixture(a_life), with_fixture(one_at_a_time),
                                       with_fixture(lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
