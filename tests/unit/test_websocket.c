// links: base model stream
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stream/websocket.h"

static void accept_key(void **state)
{
    char out[LG_WS_ACCEPT_LEN];
    (void)state;
    assert_true(lg_ws_accept("dGhlIHNhbXBsZSBub25jZQ==", 24, out)); /* RFC 6455, 1.3 */
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_false(lg_ws_accept("", 0, out));
    assert_false(lg_ws_accept("dGhlIHNhbXBsZSBub25jZQ=", 23, out));
    assert_false(lg_ws_accept("dGhlIHNhbXBsZSBub25jZQAA", 24, out)); /* 18 bytes */
    assert_false(lg_ws_accept("dGhlIHNhbXBsZSBub25jZ!==", 24, out));
}

/* A client's frame into `b`. */
static void add(struct lg_buf *b, unsigned first, const void *payload, size_t n)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const uint8_t *p = payload;
    uint8_t head[10] = {(uint8_t)first, (uint8_t)(0x80 | (n < 126 ? n : n < 65536 ? 126 : 127))};
    size_t extra = n < 126 ? 0 : n < 65536 ? 2 : 8;
    for (size_t i = 0; i < extra; i++)
        head[2 + i] = (uint8_t)((uint64_t)n >> 8 * (extra - 1 - i));
    lg_buf_add(b, head, 2 + extra);
    lg_buf_add(b, mask, 4);
    for (size_t i = 0; i < n; i++)
        lg_buf_char(b, (char)(p[i] ^ mask[i & 3]));
}

/* What a decoder says of `b`, given in steps of `step` bytes, as text such as "T:hello. P:x. C1000:bye." */
static char *say(const struct lg_buf *in, size_t step, int *rc)
{
    struct lg_ws w = {0};
    struct lg_buf out = {0};
    uint8_t *copy = malloc(in->len + 1);
    memcpy(copy, in->data, in->len);
    *rc = 0;
    bool fresh = true;
    for (size_t at = 0; at < in->len && *rc <= 1; at += step) {
        uint8_t *p = copy + at;
        size_t n = in->len - at < step ? in->len - at : step;
        struct lg_ws_event ev;
        while ((*rc = lg_ws_decode(&w, &p, &n, &ev)) == 1) {
            if (fresh || ev.opcode >= LG_WS_CLOSE)
                lg_buf_fmt(&out, "%x", ev.opcode);
            if (ev.opcode == LG_WS_CLOSE)
                lg_buf_int(&out, ev.code);
            if (fresh || ev.opcode >= LG_WS_CLOSE)
                lg_buf_char(&out, ':');
            lg_buf_add(&out, ev.p, ev.n);
            if (ev.last)
                lg_buf_char(&out, '.');
            fresh = ev.opcode >= LG_WS_CLOSE ? fresh : ev.last;
        }
    }
    free(copy);
    char *text = lg_buf_take(&out);
    assert_non_null(text);
    return text;
}

static void expect(struct lg_buf *in, const char *text, int code)
{
    static const size_t steps[] = {1, 2, 3, 7, 1000000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int rc;
        char *got = say(in, steps[i], &rc);
        assert_int_equal(rc, code);
        if (text)
            assert_string_equal(got, text);
        free(got);
    }
    lg_buf_done(in);
}

static void whole_and_fragmented(void **state)
{
    struct lg_buf b = {0};
    (void)state;
    add(&b, 0x81, "hello", 5);
    add(&b, 0x82, "", 0);
    expect(&b, "1:hello.2:.", 0);
    add(&b, 0x01, "ab", 2);
    add(&b, 0x00, "", 0);
    add(&b, 0x89, "x", 1);
    add(&b, 0x80, "cd", 2);
    expect(&b, "1:ab9:x.cd.", 0);
    add(&b, 0x8a, "", 0);
    add(&b, 0x88,
        "\x03\xe8"
        "bye",
        5);
    expect(&b,
           "a:.81000:\x03\xe8"
           "bye.",
           0);
    add(&b, 0x88, "", 0);
    expect(&b, "81005:.", 0);
}

static void lengths(void **state)
{
    static char big[LG_WS_MESSAGE_MAX + 1];
    static const size_t sizes[] = {125, 126, 127, 65535, 65536};
    (void)state;
    memset(big, 'x', sizeof big);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct lg_buf b = {0};
        int rc;
        add(&b, 0x82, big, sizes[i]);
        char *got = say(&b, 1000, &rc);
        assert_int_equal(rc, 0);
        assert_int_equal(strlen(got), sizes[i] + 3);
        free(got);
        lg_buf_done(&b);
    }
    struct lg_buf b = {0};
    add(&b, 0x82, big, sizeof big);
    expect(&b, NULL, LG_WS_TOO_BIG);
    add(&b, 0x02, big, 65536);
    add(&b, 0x80, big, 1);
    int rc;
    free(say(&b, 4096, &rc));
    assert_int_equal(rc, LG_WS_TOO_BIG);
    lg_buf_done(&b);
}

static void violations(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
    } bad[] = {
        {"\x81\x00", 2, LG_WS_PROTOCOL},                              /* not masked */
        {"\xc1\x80", 2, LG_WS_PROTOCOL},                              /* RSV1 without an extension */
        {"\x91\x80", 2, LG_WS_PROTOCOL},                              /* RSV3 */
        {"\x83\x80", 2, LG_WS_PROTOCOL},                              /* reserved opcodes */
        {"\x8b\x80", 2, LG_WS_PROTOCOL},                              /**/
        {"\x80\x80", 2, LG_WS_PROTOCOL},                              /* continues nothing */
        {"\x09\x80", 2, LG_WS_PROTOCOL},                              /* a ping in parts */
        {"\x89\xfe", 2, LG_WS_PROTOCOL},                              /* a long ping */
        {"\x01\x80\0\0\0\0\x81\x80", 8, LG_WS_PROTOCOL},              /* a message in a message */
        {"\x81\xfe\x00\x7d\0\0\0\0", 8, LG_WS_PROTOCOL},              /* 125 in two bytes */
        {"\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14, LG_WS_PROTOCOL}, /* 65535 in eight */
        {"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, LG_WS_PROTOCOL},   /* the sign bit */
        {"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, LG_WS_TOO_BIG}, /**/
        {"\x88\x81\0\0\0\0\x03", 7, LG_WS_PROTOCOL},                             /* half a code */
        {"\x88\x82\0\0\0\0\x03\xed", 8, LG_WS_PROTOCOL},                         /* 1005 */
        {"\x88\x82\0\0\0\0\x03\xee", 8, LG_WS_PROTOCOL},                         /* 1006 */
        {"\x88\x82\0\0\0\0\x13\x88", 8, LG_WS_PROTOCOL},                         /* 5000 */
        {"\x88\x82\0\0\0\0\0\0", 8, LG_WS_PROTOCOL},                             /* 0 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lg_buf b = {0};
        lg_buf_add(&b, bad[i].bytes, bad[i].n);
        expect(&b, NULL, bad[i].code);
    }
}

static void written_frames(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 100000};
    char *bytes = calloc(1, 100000);
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct lg_buf b = {0};
        lg_ws_frame(&b, LG_WS_TEXT, bytes, sizes[i]);
        size_t head = sizes[i] < 126 ? 2 : sizes[i] < 65536 ? 4 : 10;
        assert_int_equal(b.len, head + sizes[i]);
        assert_int_equal(lg_ws_frame_size((const uint8_t *)b.data, b.len), b.len);
        assert_int_equal(lg_ws_frame_size((const uint8_t *)b.data, head), b.len);
        assert_int_equal(lg_ws_frame_size((const uint8_t *)b.data, head > 2 ? head - 1 : 1), 0);
        lg_buf_done(&b);
    }
    free(bytes);
    struct lg_buf b = {0};
    lg_ws_close_frame(&b, LG_WS_GONE, "gone");
    assert_memory_equal(b.data, "\x88\x06\x11\x3agone", 8);
    lg_buf_reset(&b);
    lg_ws_close_frame(&b, LG_WS_NO_CODE, "");
    assert_int_equal(b.len, 2);
    lg_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_key), cmocka_unit_test(whole_and_fragmented), cmocka_unit_test(lengths),
        cmocka_unit_test(violations), cmocka_unit_test(written_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
