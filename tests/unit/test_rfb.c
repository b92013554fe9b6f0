/* What passes from a viewer that may only look. */
// links: base model stream
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stream/rfb.h"

#define HELLO "RFB 003.008\n\x01\x00"
static const char hello[] = HELLO;
#define HELLO_LEN (sizeof hello - 1)

/* Everything in pieces of `step` bytes; what passed is in out. -1 when it broke. */
static long run(const void *p, size_t n, size_t step, uint8_t *out)
{
    struct lg_rfb r = {0};
    long total = 0;
    for (size_t at = 0; at < n; at += step) {
        size_t take = n - at < step ? n - at : step;
        long got = lg_rfb_filter(&r, (const uint8_t *)p + at, take, out + total);
        if (got < 0)
            return -1;
        total += got;
    }
    return total;
}

static void passes(const char *message, size_t n, bool through)
{
    uint8_t in[4096], out[8192], want[4096];
    memcpy(in, hello, HELLO_LEN);
    memcpy(in + HELLO_LEN, message, n);
    memcpy(in + HELLO_LEN + n, "\x03\1\0\0\0\0\0\1\0\1", 10); /* what follows is understood again */
    memcpy(want, in, HELLO_LEN + n + 10);
    want[13] = 1; /* shared */
    if (!through)
        memcpy(want + HELLO_LEN, "\x03\1\0\0\0\0\0\1\0\1", 10);
    size_t expected = HELLO_LEN + 10 + (through ? n : 0);
    for (size_t step = 1; step <= HELLO_LEN + n + 10; step++) {
        assert_int_equal(run(in, HELLO_LEN + n + 10, step, out), expected);
        assert_memory_equal(out, want, expected);
    }
}

static void looks_pass(void **state)
{
    (void)state;
    passes("\0\0\0\0\x20\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0", 20, true); /* SetPixelFormat */
    passes("\2\0\0\2\0\0\0\0\0\0\0\7", 12, true);                               /* SetEncodings */
    passes("\3\0\0\0\0\0\2\x80\1\xe0", 10, true);                               /* FramebufferUpdateRequest */
    passes("\x96\1\0\0\0\0\2\x80\1\xe0", 10, true);                             /* EnableContinuousUpdates */
    passes("\xf8\0\0\0\0\0\0\1\3abc", 12, true);                                /* ClientFence */
}

static void touches_do_not(void **state)
{
    (void)state;
    passes("\4\1\0\0\0\0\0\x61", 8, false);     /* KeyEvent */
    passes("\5\1\0\x10\0\x20", 6, false);       /* PointerEvent */
    passes("\6\0\0\0\0\0\0\5hello", 13, false); /* ClientCutText */
    passes("\6\0\0\0\xff\xff\xff\xfb"
           "hello",
           13, false);                                                       /* extended clipboard */
    passes("\xff\0\0\1\0\0\0\x61\0\0\0\x1e", 12, false);                     /* QEMU's key */
    passes("\xff\1\0\0", 4, false);                                          /* QEMU's audio on */
    passes("\xff\1\0\2\1\1\0\0\xac\x44", 10, false);                         /* QEMU's audio format */
    passes("\xfa\0\1\2", 4, false);                                          /* xvp: power */
    passes("\xfb\0\4\0\3\0\1\0\0\0\0\1\0\0\0\0\4\0\3\0\0\0\0\0", 24, false); /* SetDesktopSize */
}

static void nonsense_ends_it(void **state)
{
    (void)state;
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {{"GET / HTTP/1.1\r\n", 16},
               {"RFB 003.008\n\x02", 13},
               {HELLO "\x63", HELLO_LEN + 1},
               {HELLO "\6\0\0\0\x7f\xff\xff\xff", HELLO_LEN + 8}};
    uint8_t out[256];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t step = 1; step <= bad[i].n; step++)
            assert_int_equal(run(bad[i].p, bad[i].n, step, out), -1);
}

static void the_oldest_dialect_has_no_security_byte(void **state)
{
    (void)state;
    static const char in[] = "RFB 003.003\n\0\3\1\0\0\0\0\0\1\0\1";
    uint8_t out[64];
    assert_int_equal(run(in, 23, 5, out), 23);
    assert_int_equal(out[12], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_pass),
        cmocka_unit_test(touches_do_not),
        cmocka_unit_test(nonsense_ends_it),
        cmocka_unit_test(the_oldest_dialect_has_no_security_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
