// links: base model stream
/* lodge-stream's parts that do no I/O: heads, log frames, contexts, timers, slices, filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stream/context.h"
#include "stream/events.h"
#include "stream/frame.h"
#include "stream/http_head.h"
#include "stream/slice.h"
#include "stream/sse.h"
#include "stream/timer.h"

/* ---- heads ---- */

static bool parse(const char *text, struct lg_head *h)
{
    size_t scanned = 0, end = lg_head_end(text, strlen(text), &scanned);
    return end && lg_head_parse(h, text, end);
}

static void head_fields(void **state)
{
    struct lg_head h;
    (void)state;
    assert_true(parse("GET /a?b HTTP/1.1\r\nx-lodge-CONTEXT: \t abc \r\nConnection: keep-alive , UPGRADE\r\n"
                      "Upgrade:websocket\r\nOther: caf\xc3\xa9\r\nEmpty:\r\n\r\nbody",
                      &h));
    assert_true(lg_slice_is(h.method, "GET") && lg_slice_is(h.target, "/a?b") && h.minor == 1);
    assert_true(lg_slice_is(h.context, "abc"));
    assert_true(lg_slice_has_token(h.connection, "upgrade"));
    assert_false(lg_slice_has_token(h.connection, "keep"));
    assert_true(lg_slice_has_token(h.upgrade, "WebSocket"));
    assert_null(h.ws_key.p);
    assert_false(lg_slice_is(h.ws_key, ""));
    assert_false(lg_slice_has_token(h.ws_key, "x"));
    assert_true(parse("POST * HTTP/1.0\r\n\r\n", &h) && h.minor == 0);
}

static void head_refused(void **state)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nA B: x\r\n\r\n",
        "GET / HTTP/1.1\r\nA: x\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nA: x\ny\r\n\r\n",
        "GET / HTTP/1.1\r\nA: x\ry\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: a\r\nUpgrade: a\r\n\r\n",
    };
    struct lg_head h;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i], &h))
            fail_msg("accepted: %s", bad[i]);
}

static void head_end_in_pieces(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
    size_t scanned = 0, whole = strlen(text) - 4;
    (void)state;
    for (size_t n = 0; n < whole; n++)
        assert_int_equal(lg_head_end(text, n, &scanned), 0);
    assert_int_equal(lg_head_end(text, whole, &scanned), whole);
}

/* ---- log frames ---- */

static void frames_in_pieces(void **state)
{
    static const uint8_t bytes[] = "\1\0\0\0\0\0\0\2hi"
                                   "\2\0\0\0\0\0\0\0"
                                   "\2\0\0\0\0\0\0\3err";
    (void)state;
    for (size_t step = 1; step < sizeof bytes; step++) {
        struct lg_frames f = {0};
        struct lg_piece piece;
        char got[2][8] = {{0}};
        for (size_t at = 0; at < sizeof bytes - 1; at += step) {
            const uint8_t *p = bytes + at;
            size_t n = sizeof bytes - 1 - at < step ? sizeof bytes - 1 - at : step;
            while (lg_frames_next(&f, &p, &n, &piece) == 1)
                strncat(got[piece.stream - 1], (const char *)piece.p, piece.n);
        }
        assert_true(lg_frames_whole(&f));
        assert_string_equal(got[0], "hi");
        assert_string_equal(got[1], "err");
    }
}

static void frames_refused(void **state)
{
    static const char *const bad[] = {"\0\0\0\0\0\0\0\1x", "\3\0\0\0\0\0\0\1x", "\1\1\0\0\0\0\0\1x",
                                      "HTTP/1.1"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lg_frames f = {0};
        struct lg_piece piece;
        const uint8_t *p = (const uint8_t *)bad[i];
        size_t n = 8;
        assert_int_equal(lg_frames_next(&f, &p, &n, &piece), -1);
    }
    struct lg_frames f = {0};
    struct lg_piece piece;
    const uint8_t *p = (const uint8_t *)"\1\0\0\0\xff\xff\xff\xffx";
    size_t n = 9;
    assert_int_equal(lg_frames_next(&f, &p, &n, &piece), 1);
    assert_false(lg_frames_whole(&f));
}

static void utf8_tails(void **state)
{
    static const struct {
        const char *text;
        size_t open;
    } t[] = {{"", 0},
             {"a", 0},
             {"a\xc3", 1},
             {"a\xc3\xa9", 0},
             {"\xe2\x82", 2},
             {"\xe2", 1},
             {"\xe2\x82\xac", 0},
             {"\xf0\x9f\x98", 3},
             {"\xf0\x9f", 2},
             {"\xf0\x9f\x98\x80", 0},
             {"\xa9", 0},
             {"\xa9\xa9\xa9", 0},
             {"\xff", 0},
             {"\xc1", 0},
             {"\xf5\x80", 0},
             {"\xc3\xa9\xa9", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        assert_int_equal(lg_utf8_open_tail((const uint8_t *)t[i].text, strlen(t[i].text)), t[i].open);
}

/* ---- contexts ---- */

static struct lg_key key = {{1, 2, 3}};

static int open_context(struct lg_context *c, const char *json, int64_t now)
{
    lg_cleanup_buf struct lg_buf b = {0};
    lg_sign(&key, json, strlen(json), &b);
    return lg_context_open(c, &key, b.data, b.len, now, NULL);
}

static void context_good(void **state)
{
    struct lg_context c;
    (void)state;
    assert_int_equal(
        open_context(&c,
                     "{\"k\":\"events\",\"exp\":100,\"user\":\"u\",\"proto\":\"sse\",\"after\":-1,"
                     "\"scope\":\"t\\u00e9\",\"later\":[]}",
                     100),
        0);
    assert_int_equal(c.kind, LG_KIND_EVENTS);
    assert_int_equal(c.proto, LG_PROTO_SSE);
    assert_int_equal(c.after, -1);
    assert_string_equal(c.user, "u");
    assert_string_equal(c.scope, "t\xc3\xa9");
    assert_string_equal(c.kinds, "");
    assert_string_equal(c.token, "");
    lg_context_done(&c);
    assert_int_equal(
        open_context(&c, "{\"k\":\"wait\",\"exp\":1,\"op\":\"o\",\"until\":5,\"proto\":\"\"}", 0), 0);
    assert_int_equal(c.proto, LG_PROTO_NONE);
    lg_context_done(&c);
    assert_int_equal(
        open_context(&c, "{\"k\":\"logs\",\"exp\":1,\"instance\":\"i\",\"proto\":\"text\",\"follow\":true}",
                     0),
        0);
    assert_true(c.follow && c.tail == -1);
    lg_context_done(&c);
}

static void context_bad(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "7",
        "{\"k\":\"events\",\"exp\":99,\"proto\":\"ws\",\"after\":0,\"scope\":\"t\"}",
        "{\"k\":\"events\",\"proto\":\"ws\",\"after\":0,\"scope\":\"t\"}",
        "{\"k\":\"events\",\"exp\":100,\"after\":0,\"scope\":\"t\"}",
        "{\"k\":\"events\",\"exp\":100,\"proto\":\"ws\",\"scope\":\"t\"}",
        "{\"k\":\"events\",\"exp\":100,\"proto\":\"ws\",\"after\":1.5,\"scope\":\"t\"}",
        "{\"k\":\"events\",\"k\":\"logs\",\"exp\":100,\"proto\":\"ws\",\"after\":0,\"scope\":\"t\"}",
        "{\"k\":\"wait\",\"exp\":100,\"op\":\"o\"}",
        "{\"k\":\"wait\",\"exp\":100,\"op\":\"\",\"until\":5}",
        "{\"k\":\"logs\",\"exp\":100,\"instance\":\"i\",\"proto\":\"ws\",\"follow\":1}",
    };
    struct lg_context c;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (open_context(&c, bad[i], 100) != -(int)LG_FORBIDDEN)
            fail_msg("not refused: %s", bad[i]);
}

static void context_forged(void **state)
{
    static const char json[] = "{\"k\":\"wait\",\"exp\":1,\"op\":\"o\",\"until\":5}";
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_key other = {{9}};
    struct lg_context c;
    (void)state;
    lg_sign(&key, json, sizeof json - 1, &b);
    assert_int_equal(lg_context_open(&c, &other, b.data, b.len, 0, NULL), -(int)LG_FORBIDDEN);
    for (size_t i = 0; i < b.len; i++) {
        for (size_t cut = 0; cut < 2; cut++) {
            char was = b.data[i];
            b.data[i] = was == 'A' ? 'B' : 'A';
            assert_int_not_equal(lg_context_open(&c, &key, b.data, cut ? i : b.len, 0, NULL), 0);
            b.data[i] = was;
        }
    }
}

/* ---- timers ---- */

struct item {
    struct lg_timer timer; /* first: the callback casts back */
    int64_t fired_at;
};
static struct lg_timers heap;
static int64_t clock_now, last_due;
static int fired;

static void fire(struct lg_timer *t)
{
    struct item *it = (struct item *)(void *)t;
    assert_true(t->due >= last_due && t->due <= clock_now);
    last_due = t->due;
    it->fired_at = clock_now;
    fired++;
}

static void timers_in_order(void **state)
{
    enum { N = 3000 };
    struct item *items = calloc(N, sizeof *items);
    unsigned seed = 1;
    (void)state;
    heap = LG_TIMERS_EMPTY;
    assert_int_equal(lg_timers_wait(&heap, 5), -1);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < N; i++) {
            seed = seed * 1103515245u + 12345u;
            items[i].timer.fire = fire;
            lg_timer_set(&heap, &items[i].timer, seed >> 16 & 1023);
        }
    for (int i = 0; i < N; i += 3)
        lg_timer_cancel(&heap, &items[i].timer);
    lg_timer_cancel(&heap, &items[0].timer);
    for (clock_now = 0; clock_now < 1024; clock_now += 7) {
        lg_timers_run(&heap, clock_now);
        assert_true(lg_timers_wait(&heap, clock_now) != 0);
    }
    lg_timers_run(&heap, clock_now);
    assert_int_equal(fired, N - N / 3);
    assert_int_equal(lg_timers_wait(&heap, 0), -1);
    for (int i = 0; i < N; i++)
        assert_int_equal(items[i].fired_at != 0 || items[i].timer.due == 0,
                         i % 3 != 0 || items[i].timer.due == 0);
    free(items);
}

static int again;

static void rearm(struct lg_timer *t)
{
    again++;
    lg_timer_set(&heap, t, t->due - 5);
}

static void timer_that_rearms_itself(void **state)
{
    struct lg_timer t = {.fire = rearm};
    (void)state;
    heap = LG_TIMERS_EMPTY;
    lg_timer_set(&heap, &t, 10);
    lg_timers_run(&heap, 9);
    assert_int_equal(again, 0);
    lg_timers_run(&heap, 10);
    assert_int_equal(again, 1);
    lg_timers_run(&heap, 20);
    assert_int_equal(again, 2);
    lg_timer_cancel(&heap, &t);
    assert_int_equal(lg_timers_wait(&heap, 0), -1);
}

/* ---- slices, filters, rendering ---- */

static void slices(void **state)
{
    static const char text[] =
        " {\"a\" : \"}\\\"]\", \"b\":[1, {\"data\":2} ,\"x\"],\"data\": {\"k\":[]} , \"n\":-1e3}";
    struct lg_json_slice v, e;
    size_t at = 0;
    (void)state;
    assert_true(lg_slice_member(text, strlen(text), "data", &v));
    assert_int_equal(v.n, 8);
    assert_memory_equal(v.p, "{\"k\":[]}", 8);
    assert_true(lg_slice_member(text, strlen(text), "n", &v) && v.n == 4);
    assert_true(lg_slice_member(text, strlen(text), "a", &v) && v.n == 6);
    assert_false(lg_slice_member(text, strlen(text), "k", &v));
    assert_true(lg_slice_member(text, strlen(text), "b", &v));
    assert_true(lg_slice_element(v.p, v.n, &at, &e) && e.n == 1);
    assert_true(lg_slice_element(v.p, v.n, &at, &e) && e.n == 10);
    assert_true(lg_slice_element(v.p, v.n, &at, &e) && e.n == 3);
    assert_false(lg_slice_element(v.p, v.n, &at, &e));
    at = 0;
    assert_false(lg_slice_element("[ ]", 3, &at, &e));
    for (size_t n = 0; n < strlen(text); n++) { /* cut anywhere: useless, never out of bounds */
        char *copy = malloc(n + 1);
        memcpy(copy, text, n);
        lg_slice_member(copy, n, "n", &v);
        at = 0;
        while (lg_slice_element(copy, n, &at, &e))
            ;
        free(copy);
    }
}

static void kinds(void **state)
{
    (void)state;
    assert_true(lg_kinds_match("", "a.b"));
    assert_true(lg_kinds_match("a", "a.b") && lg_kinds_match("a", "a") && lg_kinds_match("x,a.b", "a.b"));
    assert_false(lg_kinds_match("a", "ab.c") || lg_kinds_match("a.b", "a") || lg_kinds_match("x,,y", "a"));
}

static void sse_text(void **state)
{
    struct lg_buf b = {0};
    (void)state;
    lg_sse_event(&b, 5, "a.b", "{}", 2);
    lg_sse_event(&b, -1, NULL, "1", 1);
    lg_sse_ping(&b, -1);
    lg_sse_ping(&b, 7);
    assert_string_equal(b.data, "id: 5\nevent: a.b\ndata: {}\n\ndata: 1\n\n: ping\n\n: ping\nid: 7\n\n");
    lg_buf_done(&b);
}

int main(void)
{
    if (lg_crypto_init(NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_fields),
        cmocka_unit_test(head_refused),
        cmocka_unit_test(head_end_in_pieces),
        cmocka_unit_test(frames_in_pieces),
        cmocka_unit_test(frames_refused),
        cmocka_unit_test(utf8_tails),
        cmocka_unit_test(context_good),
        cmocka_unit_test(context_bad),
        cmocka_unit_test(context_forged),
        cmocka_unit_test(timers_in_order),
        cmocka_unit_test(timer_that_rearms_itself),
        cmocka_unit_test(slices),
        cmocka_unit_test(kinds),
        cmocka_unit_test(sse_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
