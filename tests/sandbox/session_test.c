/* A session whose sandbox and listener are descriptors of this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "box/wire.h"
#include "model/frame.h"
#include "sandbox/pool.h"

#define PIECE ((size_t)60000)     /* less than the pool reads at once */
#define FULL  ((size_t)256 << 10) /* bytes that wait for a listener before its sandbox is held up */
#define ENDED "snippet exit 0 signal 0 wall 1000 cpu 0 rss 0 full 0"

struct world {
    struct lg_pool_state pool;
    struct lg_runner runner;
    struct lg_conf conf;
    struct lg_language lang;
    struct lg_repl *session;
    int box, listener; /* our ends */
    struct lg_buf told;
};

static void turn(struct world *w)
{
    lg_loop_turn(&w->pool.loop, 0);
}

/* What lodge-box says, as the engine passes it on. */
static void frame(struct lg_buf *b, int type, const void *p, size_t n)
{
    size_t all = n + LG_BOX_HEAD;
    const char head[] = {1,
                         0,
                         0,
                         0,
                         (char)(all >> 24),
                         (char)(all >> 16),
                         (char)(all >> 8),
                         (char)all,
                         (char)type,
                         (char)(n >> 24),
                         (char)(n >> 16),
                         (char)(n >> 8),
                         (char)n};
    lg_buf_add(b, head, sizeof head);
    lg_buf_add(b, p, n);
}

static void say(struct world *w, struct lg_buf *b)
{
    assert_int_equal(write(w->box, b->data, b->len), b->len);
    lg_buf_reset(b);
    turn(w);
}

static void say_one(struct world *w, int type, const void *p, size_t n)
{
    lg_cleanup_buf struct lg_buf b = {0};
    frame(&b, type, p, n);
    say(w, &b);
}

static int set_up(void **state)
{
    struct world *w = *state = calloc(1, sizeof *w);
    struct lg_pool_state *p = &w->pool;
    struct lg_box *b = &p->box[0];
    struct lg_err e;
    int pair[2];
    w->conf.sandbox_max = 8;
    w->conf.sandbox_tenant_sessions = 4;
    w->conf.sandbox_memory_mib = 64;
    w->runner.conf = &w->conf;
    w->lang = (struct lg_language){.name = "bash", .image = "run", .session = json_pack("[s]", "bash")};
    p->runner = &w->runner;
    p->scribe = -1;
    TAILQ_INIT(&p->runs);
    TAILQ_INIT(&p->tenants);
    TAILQ_INIT(&p->sessions);
    TAILQ_INIT(&p->done);
    p->image[p->images++] = (struct lg_image_state){.name = "run", .step = LG_IMAGE_READY, .pool = p};
    p->class[p->classes++].image = &p->image[0];
    assert_int_equal(lg_loop_init(&p->loop, &e), 0);
    *b = (struct lg_box){.pool = p, .state = LG_BOX_MAKING, .class = &p->class[0], .stream.fd = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    w->box = pair[0];
    lg_box_started(b, pair[1], -1, &(struct lg_sandbox){0});
    say_one(w, LG_BOX_HELLO, "", 0);
    assert_int_equal(lg_repl_start(p, &w->lang, "t", "u", 60000, false, &w->session, &e), 0);
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct lg_task *r;
    while (TAILQ_FIRST(&w->pool.sessions))
        lg_repl_end(TAILQ_FIRST(&w->pool.sessions));
    while ((r = TAILQ_FIRST(&w->pool.runs)))
        lg_task_bury(r);
    while ((r = TAILQ_FIRST(&w->pool.done))) {
        TAILQ_REMOVE(&w->pool.done, r, all);
        lg_task_free(r);
    }
    free(TAILQ_FIRST(&w->pool.tenants));
    lg_loop_done(&w->pool.loop);
    json_decref((json_t *)(uintptr_t)w->lang.session);
    lg_buf_done(&w->told);
    close(w->box);
    close(w->listener);
    free(w);
    return 0;
}

/* A snippet comes, whose listener takes little and does not read. */
static struct lg_task *enter(struct world *w, bool interactive)
{
    struct lg_task *r = calloc(1, sizeof *r);
    struct lg_err e;
    int pair[2], little = 4096;
    r->limits = (struct lg_task_limits){.time_ms = 60000, .output = 8 << 20};
    r->interactive = interactive;
    snprintf(r->tenant, sizeof r->tenant, "t");
    lg_buf_str(&r->blob, interactive ? "code given\n" : "code");
    r->code_size = 4;
    r->input_size = r->blob.len - r->code_size;
    assert_int_equal(lg_task_enter(&w->pool, r, w->session, &e), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    w->listener = pair[0];
    lg_task_attach(r, pair[1]);
    return r;
}

static void take_answer(void *asker, const struct lg_buf *text)
{
    struct world *w = asker;
    lg_buf_add(&w->told, text->data, text->len);
}

/* Its end comes with the very bytes that are too many for its listener. */
static void what_a_slow_listener_held_up_goes_on(void **state)
{
    static const char text[PIECE];
    struct world *w = *state;
    struct lg_task *r = enter(w, false);
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_err e;
    while (r->out.len - r->sent + PIECE <= FULL)
        say_one(w, LG_BOX_OUT, text, PIECE);
    assert_int_equal(r->state, LG_TASK_GOING);
    frame(&b, LG_BOX_OUT, text, PIECE);
    frame(&b, LG_BOX_ENDED, ENDED, sizeof ENDED - 1);
    say(w, &b);
    assert_int_equal(r->state, LG_TASK_DONE);
    assert_true(r->out.len - r->sent > FULL);
    assert_int_equal(lg_repl_files(w->session, LG_BOX_LIST, NULL, NULL, 0, w, take_answer, &e), 1);
    say_one(w, LG_BOX_ENTRY, "5 1000 a.txt", 12);
    say_one(w, LG_BOX_OK, "", 0);
    assert_string_equal(
        lg_buf_cstr(&w->told),
        "{\"files\":[{\"path\":\"a.txt\",\"size\":5,\"modifiedAt\":\"1970-01-01T00:00:01.000Z\"}]}");
}

static void type(struct world *w, int what, const char *text)
{
    lg_cleanup_buf struct lg_buf b = {0};
    lg_frame_add(&b, what, text, strlen(text));
    assert_int_equal(write(w->listener, b.data, b.len), b.len);
    turn(w);
}

/* The orders that the sandbox got, as "type:payload ". */
static void read_orders(struct world *w, struct lg_buf *out)
{
    static unsigned char bytes[65536];
    ssize_t n = recv(w->box, bytes, sizeof bytes, MSG_DONTWAIT);
    lg_buf_reset(out);
    for (ssize_t at = 0; at + LG_BOX_HEAD <= n;) {
        size_t len = (size_t)bytes[at + 3] << 8 | bytes[at + 4];
        lg_buf_fmt(out, "%c:%.*s ", bytes[at], (int)len, (const char *)bytes + at + LG_BOX_HEAD);
        at += LG_BOX_HEAD + (ssize_t)len;
    }
}

static void what_is_typed_early_is_not_lost(void **state)
{
    struct world *w = *state;
    lg_cleanup_buf struct lg_buf orders = {0};
    w->pool.going = 1000; /* others have all turns */
    struct lg_task *r = enter(w, true);
    assert_int_equal(r->state, LG_TASK_WAITING);
    type(w, LG_RUN_FRAME_INPUT, "early\n");
    read_orders(w, &orders);
    w->pool.going = 0;
    lg_tasks_tend(&w->pool);
    assert_int_equal(r->state, LG_TASK_GOING);
    read_orders(w, &orders);
    assert_non_null(strstr(lg_buf_cstr(&orders), "I: given\nearly\n "));
    assert_null(strstr(lg_buf_cstr(&orders), "Z:"));
    type(w, LG_RUN_FRAME_INPUT, "late\n");
    type(w, LG_RUN_FRAME_EOF, "");
    read_orders(w, &orders);
    assert_string_equal(lg_buf_cstr(&orders), "I:late\n Z: ");
}

static void an_early_end_of_input_is_not_lost(void **state)
{
    struct world *w = *state;
    lg_cleanup_buf struct lg_buf orders = {0};
    w->pool.going = 1000;
    enter(w, true);
    type(w, LG_RUN_FRAME_EOF, "");
    type(w, LG_RUN_FRAME_INPUT, "too late\n");
    w->pool.going = 0;
    lg_tasks_tend(&w->pool);
    read_orders(w, &orders);
    assert_non_null(strstr(lg_buf_cstr(&orders), "I: given\n Z: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_slow_listener_held_up_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_typed_early_is_not_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_early_end_of_input_is_not_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
