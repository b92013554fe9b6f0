/* The pool's lists, with one sandbox whose lodge-box is the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "box/wire.h"
#include "sandbox/pool.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER  "22222222-2222-4222-8222-222222222222"

struct lone {
    struct lg_conf conf;
    struct lg_runner runner;
    struct lg_pool_state *p;
    struct lg_box *box;
    struct lg_repl *session;
    char id[LG_ID_LEN]; /* of the session */
    int far;            /* lodge-box' end */
    char dir[64];
    struct lg_err e;
};

static void lists(struct lg_pool_state *p)
{
    TAILQ_INIT(&p->runs);
    TAILQ_INIT(&p->tenants);
    TAILQ_INIT(&p->sessions);
    TAILQ_INIT(&p->done);
    p->scribe = -1;
    p->pace_ms = 100;
}

/* What the kernel counts for the sandbox. */
static void has_used(struct lone *l, long long cpu_us)
{
    char path[128];
    snprintf(path, sizeof path, "%s/cpu.stat", l->dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "usage_usec %lld\n", cpu_us);
    fclose(f);
}

static void ready_box(struct lone *l)
{
    int pair[2];
    struct lg_sandbox meta = {.cgroup2 = true};
    struct lg_pool_state *p = l->p;
    snprintf(meta.cpu, sizeof meta.cpu, "%s", l->dir);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    l->far = pair[1];
    l->box = &p->box[0];
    *l->box = (struct lg_box){.pool = p,
                              .state = LG_BOX_MAKING,
                              .class = &p->class[0],
                              .stream.fd = -1,
                              .text.max = 1 << 17,
                              .out.max = 1 << 20};
    lg_box_started(l->box, pair[0], -1, &meta);
}

/* As the engine passes it on: a frame of its log with a frame of lodge-box in it. */
static void box_says(struct lone *l, int type, const char *p, size_t n)
{
    char text[8 + LG_BOX_HEAD + 4096] = {1};
    size_t whole = n + LG_BOX_HEAD;
    assert_true(n <= 4096);
    text[6] = (char)(whole >> 8);
    text[7] = (char)whole;
    text[8] = (char)type;
    text[11] = (char)(n >> 8);
    text[12] = (char)n;
    if (n)
        memcpy(text + 13, p, n);
    assert_int_equal(write(l->far, text, whole + 8), whole + 8);
    lg_loop_turn(&l->p->loop, 0);
}

static int up(void **state)
{
    struct lone *l = calloc(1, sizeof *l);
    snprintf(l->dir, sizeof l->dir, "/tmp/lodge-pool-XXXXXX");
    assert_non_null(mkdtemp(l->dir));
    setenv("LODGE_STATE", l->dir, 1);
    assert_int_equal(lg_conf_load(&l->conf, &l->e), 0);
    l->p = calloc(1, sizeof *l->p);
    l->runner.conf = &l->conf;
    l->p->runner = &l->runner;
    lists(l->p);
    assert_int_equal(lg_loop_init(&l->p->loop, &l->e), 0);
    assert_int_equal(lg_languages_load(&l->p->langs, &l->conf, &l->e), 0);
    assert_int_equal(lg_images_init(l->p, &l->e), 0);
    l->p->image[0].step = LG_IMAGE_READY;
    has_used(l, 1000);
    ready_box(l);
    box_says(l, LG_BOX_HELLO, NULL, 0);
    assert_int_equal(l->box->state, LG_BOX_READY);
    assert_int_equal(lg_repl_start(l->p, lg_language_find(&l->p->langs, "python"), TENANT, "", 600000, false,
                                   &l->session, &l->e),
                     0);
    memcpy(l->id, l->session->id, sizeof l->id);
    *state = l;
    return 0;
}

static void free_done(struct lg_pool_state *p)
{
    struct lg_task *r;
    while ((r = TAILQ_FIRST(&p->runs)))
        lg_task_bury(r);
    while ((r = TAILQ_FIRST(&p->done))) {
        TAILQ_REMOVE(&p->done, r, all);
        lg_task_free(r);
    }
}

static int down(void **state)
{
    struct lone *l = *state;
    struct lg_tenant_queue *t;
    struct lg_pool_state *p = l->p;
    char path[128];
    if (lg_repl_find(p, l->id, TENANT))
        lg_repl_end(l->session);
    free_done(p);
    while ((t = TAILQ_FIRST(&p->tenants))) {
        TAILQ_REMOVE(&p->tenants, t, link);
        free(t);
    }
    lg_box_end(l->box);
    lg_loop_done(&p->loop);
    json_decref(p->langs.builtin);
    json_decref(p->langs.own);
    free(p);
    close(l->far);
    snprintf(path, sizeof path, "%s/cpu.stat", l->dir);
    unlink(path);
    rmdir(l->dir);
    free(l);
    return 0;
}

/* ---- what the session's clients see ---- */

static struct lg_task *snippet(struct lone *l)
{
    struct lg_task *r = calloc(1, sizeof *r);
    snprintf(r->tenant, sizeof r->tenant, "%s", TENANT);
    r->blob.max = 1 << 20;
    r->limits.time_ms = 60000;
    r->limits.output = 1 << 20;
    assert_int_equal(lg_task_enter(l->p, r, l->session, &l->e), 0);
    return r;
}

static void ends(struct lone *l)
{
    static const char said[] = "snippet exit 0 signal 0 wall 1 cpu 1 rss 1 full 0";
    box_says(l, LG_BOX_ENDED, said, sizeof said - 1);
}

static void assert_ended(struct lone *l, const char *why)
{
    struct lg_err e = {0};
    assert_null(lg_repl_find(l->p, l->id, TENANT));
    assert_int_equal(lg_repl_none(l->p, l->id, TENANT, &e), -(int)LG_NOT_FOUND);
    assert_non_null(strstr(e.msg, why));
    assert_int_equal(l->box->state, LG_BOX_ENDING);
    lg_err_clear(&e);
    lg_repl_none(l->p, l->id, OTHER, &e);
    assert_null(strstr(e.msg, why)); /* nobody else's business */
}

static void look(struct lone *l)
{
    l->p->look_at_rest = 0;
    lg_repls_tend(l->p);
}

/* ---- tests ---- */

static void snippet_after_snippet(void **state)
{
    struct lone *l = *state;
    struct lg_task *r = snippet(l);
    assert_int_equal(r->state, LG_TASK_GOING);
    has_used(l, 30000000);
    look(l); /* it is at work */
    box_says(l, LG_BOX_OUT, "5\n", 2);
    ends(l);
    assert_int_equal(r->state, LG_TASK_DONE);
    look(l);
    assert_ptr_equal(lg_repl_find(l->p, l->id, TENANT), l->session);
    assert_int_equal(snippet(l)->state, LG_TASK_GOING);
}

static void printing_between_snippets(void **state)
{
    static const char much[4096];
    struct lone *l = *state;
    size_t said = 0, most = (size_t)l->conf.sandbox_output_kib << 10;
    snippet(l);
    ends(l);
    for (; said + 8192 < most; said += sizeof much)
        box_says(l, LG_BOX_OUT, much, sizeof much);
    assert_ptr_equal(lg_repl_find(l->p, l->id, TENANT), l->session);
    for (int i = 0; i < 3 && l->box->state != LG_BOX_ENDING; i++)
        box_says(l, i % 2 ? LG_BOX_ERR : LG_BOX_ENTRY, much, sizeof much);
    assert_ended(l, "it went on printing between snippets");
}

static void computing_between_snippets(void **state)
{
    struct lone *l = *state;
    look(l); /* its interpreter starts */
    has_used(l, 5000000);
    look(l);
    snippet(l);
    ends(l);
    has_used(l, 5400000);
    look(l);
    assert_ptr_equal(lg_repl_find(l->p, l->id, TENANT), l->session);
    has_used(l, 5600000);
    look(l);
    assert_ended(l, "it went on computing between snippets");
}

static void against_the_protocol(void **state)
{
    struct lone *l = *state;
    static const char head[8 + LG_BOX_HEAD] = {1, 0, 0, 0, 0, 0, 0, LG_BOX_HEAD, LG_BOX_OUT, 127, 0, 0, 0};
    assert_int_equal(write(l->far, head, sizeof head), sizeof head);
    lg_loop_turn(&l->p->loop, 0);
    assert_ended(l, "protocol");
}

/* One that waits its turn has not begun: with the session it ends, and without it the session goes on. */
static void snippets_that_wait(void **state)
{
    struct lone *l = *state;
    l->p->going = 1000; /* others have all turns */
    struct lg_task *r = snippet(l);
    assert_int_equal(r->state, LG_TASK_WAITING);
    lg_task_stop(r, "stopped");
    assert_int_equal(r->state, LG_TASK_DONE);
    assert_ptr_equal(lg_repl_find(l->p, l->id, TENANT), l->session);
    r = snippet(l);
    ends(l); /* its interpreter, as far as we know */
    assert_int_equal(r->state, LG_TASK_DONE);
    assert_int_equal(r->failed.code, LG_GONE);
    assert_ended(l, "its interpreter ended");
    assert_int_equal(l->p->waiting, 0);
    assert_int_equal(l->p->going, 1000);
}

int main(void)
{
#define with_box(fn) cmocka_unit_test_setup_teardown(fn, up, down)
    const struct CMUnitTest tests[] = {
        with_box(snippet_after_snippet),      with_box(printing_between_snippets),
        with_box(computing_between_snippets), with_box(against_the_protocol),
        with_box(snippets_that_wait),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
