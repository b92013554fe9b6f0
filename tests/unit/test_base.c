/* base: buffers, JSON, secrets, programs, descriptors, settings. */
// links: base
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/crypto.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/json.h"
#include "base/proc.h"

static void buffer_keeps_its_maximum(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf b = {.max = 10};
    lg_buf_str(&b, "0123456789");
    assert_false(b.failed);
    lg_buf_char(&b, 'x');
    assert_true(b.failed);
    assert_string_equal(lg_buf_cstr(&b), "0123456789");
    lg_buf_str(&b, "more");
    assert_int_equal(b.len, 10);
    lg_buf_reset(&b);
    lg_buf_int(&b, INT64_MIN / 10000000000);
    assert_string_equal(b.data, "-922337203");
    lg_buf_drop(&b, 1);
    assert_string_equal(b.data, "922337203");
}

static void writer_makes_valid_json_of_any_bytes(void **state)
{
    (void)state;
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_json j;
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_strn(&j, "s", "a\"\\\n\x01\xff\xc0\x80\xe2\x82\xac", 11);
    lg_json_arr(&j, "list");
    lg_json_int(&j, NULL, 1);
    lg_json_null(&j, NULL);
    lg_json_end_arr(&j);
    lg_json_time(&j, "t", 1717495200123);
    lg_json_end_obj(&j);
    struct lg_err e = {0};
    json_t *back = lg_json_parse(b.data, b.len, 8, &e);
    assert_non_null(back);
    assert_string_equal(json_string_value(json_object_get(back, "s")),
                        "a\"\\\n\x01\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xe2\x82\xac");
    assert_string_equal(json_string_value(json_object_get(back, "t")), "2024-06-04T10:00:00.123Z");
    json_decref(back);
}

static void parser_refuses_bad_documents(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "{",          "{\"a\":1,\"a\":2}",   "\"\xff\"",
                                      "[1] x", "[[[[[]]]]]", "{\"a\":\"\\u0000\"}", "nul",
                                      "[1,]",  "{'a':1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lg_err e = {0};
        assert_null(lg_json_parse(bad[i], strlen(bad[i]), 4, &e));
        assert_int_equal(e.code, LG_INVALID);
    }
    lg_cleanup_buf struct lg_buf deep = {0};
    for (int i = 0; i < 100000; i++)
        lg_buf_char(&deep, '[');
    struct lg_err e = {0};
    assert_null(lg_json_parse(deep.data, deep.len, 32, &e));
}

static void signatures_hold_only_for_the_text_and_key(void **state)
{
    (void)state;
    struct lg_err e;
    assert_int_equal(lg_crypto_init(&e), 0);
    struct lg_key k = {{1}}, other = {{2}};
    lg_cleanup_buf struct lg_buf s = {0}, out = {0};
    lg_sign(&k, "payload", 7, &s);
    assert_true(lg_open_signed(&k, s.data, s.len, &out));
    assert_string_equal(out.data, "payload");
    assert_false(lg_open_signed(&other, s.data, s.len, &out));
    for (size_t i = 0; i < s.len; i++) {
        char was = s.data[i];
        s.data[i] = was == 'A' ? 'B' : 'A';
        lg_buf_reset(&out);
        /* The last character of unpadded base64 may carry unused bits; such a text must not decode at all. */
        assert_false(lg_open_signed(&k, s.data, s.len, &out) && strcmp(out.data, "payload") != 0);
        s.data[i] = was;
    }
    assert_false(lg_open_signed(&k, "", 0, &out));
    assert_false(lg_open_signed(&k, ".", 1, &out));
}

static void sealed_values_open_again_and_nothing_else(void **state)
{
    (void)state;
    struct lg_key k = {{7}};
    lg_cleanup_buf struct lg_buf s = {0}, out = {0};
    lg_seal(&k, "secret", 6, &s);
    assert_null(memmem(s.data, s.len, "secret", 6));
    assert_true(lg_unseal(&k, s.data, s.len, &out));
    assert_string_equal(out.data, "secret");
    s.data[30] ^= 1;
    assert_false(lg_unseal(&k, s.data, s.len, &out));
    assert_false(lg_unseal(&k, s.data, 3, &out));
}

static void passwords(void **state)
{
    (void)state;
    char hash[LG_PWHASH_LEN];
    struct lg_err e;
    assert_int_equal(lg_password_hash("correct horse", hash, &e), 0);
    assert_true(lg_password_check(hash, "correct horse"));
    assert_false(lg_password_check(hash, "correct horsf"));
    assert_false(lg_password_check("", "x"));
}

static void key_is_made_once(void **state)
{
    (void)state;
    char path[] = "/tmp/lodge-key-XXXXXX";
    int fd = mkstemp(path);
    close(fd);
    unlink(path);
    struct lg_key a, b;
    struct lg_err e;
    assert_int_equal(lg_key_load_or_make(&a, path, -1, &e), 0);
    assert_int_equal(lg_key_load_or_make(&b, path, -1, &e), 0);
    assert_memory_equal(&a, &b, sizeof a);
    unlink(path);
}

static void programs_run_with_input_limits_and_deadline(void **state)
{
    (void)state;
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf out = {.max = 100}, err = {.max = 100};
    const char *const cat[] = {"cat", NULL};
    struct lg_proc p = {.argv = cat, .input = "hello", .input_len = 5};
    assert_int_equal(lg_proc_run(&p, 5000, &out, &err, &e), 0);
    assert_string_equal(lg_buf_cstr(&out), "hello");

    const char *const fail[] = {"sh", "-c", "echo no >&2; exit 3", NULL};
    p = (struct lg_proc){.argv = fail};
    lg_buf_reset(&out);
    assert_int_equal(lg_proc_run(&p, 5000, &out, &err, &e), 3);
    assert_string_equal(lg_buf_cstr(&err), "no\n");

    const char *const much[] = {"head", "-c", "1000000", "/dev/zero", NULL};
    p = (struct lg_proc){.argv = much};
    assert_int_equal(lg_proc_run(&p, 5000, &out, NULL, &e), 0);
    assert_int_equal(out.len, 100);

    const char *const hang[] = {"sleep", "60", NULL};
    p = (struct lg_proc){.argv = hang};
    assert_int_equal(lg_proc_run(&p, 50, NULL, NULL, &e), -(int)LG_TIMEOUT);

    const char *const none[] = {"no-such-program", NULL};
    p = (struct lg_proc){.argv = none};
    assert_int_equal(lg_proc_run(&p, 5000, NULL, NULL, &e), 127);
}

static void children_see_no_descriptor_and_a_clean_environment(void **state)
{
    (void)state;
    struct lg_err e = {0};
    int leak = open("/dev/null", O_RDONLY); /* not CLOEXEC on purpose */
    setenv("LODGE_TEST_SECRET", "x", 1);
    lg_cleanup_buf struct lg_buf out = {.max = 4096};
    const char *const sh[] = {"sh", "-c", "ls /proc/self/fd | wc -l; env", NULL};
    struct lg_proc p = {.argv = sh};
    assert_int_equal(lg_proc_run(&p, 5000, &out, NULL, &e), 0);
    close(leak);
    assert_true(atoi(out.data) <= 4); /* 0, 1, 2 and the directory itself */
    assert_null(strstr(out.data, "LODGE_TEST_SECRET"));

    const char *path = getenv("PATH");
    lg_cleanup_buf struct lg_buf keep = {.max = 65536};
    lg_buf_str(&keep, path ? path : "");
    setenv("PATH", "/nonexistent", 1); /* a program is found by the PATH it gets, not by its parent's */
    assert_int_equal(lg_proc_run(&p, 5000, NULL, NULL, &e), 0);
    setenv("PATH", lg_buf_cstr(&keep), 1);
}

static void descriptors_travel(void **state)
{
    (void)state;
    int pair[2], passed, pipe_fd[2];
    char text[8] = "";
    struct lg_err e;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(pipe_fd), 0);
    assert_int_equal(lg_send_fd(pair[0], "fd", 2, pipe_fd[1], &e), 0);
    assert_int_equal(lg_recv_fd(pair[1], text, sizeof text, &passed), 2);
    assert_true(passed >= 0);
    assert_int_equal(write(passed, "x", 1), 1);
    assert_int_equal(read(pipe_fd[0], text, 1), 1);
    assert_int_equal(lg_send_fd(pair[0], "no", 2, -1, &e), 0);
    int none;
    assert_int_equal(lg_recv_fd(pair[1], text, sizeof text, &none), 2);
    assert_int_equal(none, -1);
    int all[] = {pair[0], pair[1], pipe_fd[0], pipe_fd[1], passed};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        close(all[i]);
}

static void only_the_first_descriptor_is_kept(void **state)
{
    (void)state;
    int pair[2], a[2], b[2], two[2], passed;
    union {
        char bytes[CMSG_SPACE(sizeof two)];
        struct cmsghdr align;
    } control = {0};
    char text[4] = "hi";
    struct iovec iov = {.iov_base = text, .iov_len = 2};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe2(a, O_CLOEXEC) | pipe2(b, O_CLOEXEC | O_NONBLOCK), 0);
    two[0] = a[1];
    two[1] = b[1];
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c =
        (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof two)};
    memcpy(CMSG_DATA(c), two, sizeof two);
    assert_int_equal(sendmsg(pair[0], &m, 0), 2);
    close(a[1]);
    close(b[1]);
    assert_int_equal(lg_recv_fd(pair[1], text, sizeof text, &passed), 2);
    assert_int_equal(write(passed, "x", 1), 1);
    assert_int_equal(read(a[0], text, sizeof text), 1);
    assert_int_equal(read(b[0], text, sizeof text), 0); /* nobody holds its other end: not EAGAIN */
    close(passed);
    close(a[0]);
    close(b[0]);
    close(pair[0]);
    close(pair[1]);
}

static void bells_ring_without_waiting(void **state)
{
    (void)state;
    struct lg_err e;
    char path[] = "/tmp/lodge-bell-XXXXXX";
    close(mkstemp(path));
    int fd = lg_bell_open(path, -1, &e);
    assert_true(fd >= 0);
    for (int i = 0; i < 1000; i++)
        lg_bell_ring(path); /* more than the queue holds: never blocks */
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
    lg_bell_drain(fd);
    assert_int_equal(read(fd, &c, 1), -1);
    close(fd);
    unlink(path);
    lg_bell_ring(path);
    assert_true(lg_unix_connect(path, SOCK_STREAM, &e) == -(int)LG_UNAVAILABLE);
}

static void settings_have_bounds(void **state)
{
    (void)state;
    struct lg_conf c;
    struct lg_err e;
    char dir[] = "/tmp/lodge-conf-XXXXXX";
    assert_non_null(mkdtemp(dir));
    setenv("LODGE_STATE", dir, 1);
    assert_int_equal(lg_conf_load(&c, &e), 0);
    assert_int_equal(c.https_port, 8443);
    setenv("LODGE_HTTPS_PORT", "99999", 1);
    assert_int_equal(lg_conf_load(&c, &e), -(int)LG_INVALID);
    assert_non_null(strstr(e.msg, "https_port"));
    unsetenv("LODGE_HTTPS_PORT");
    char path[64];
    snprintf(path, sizeof path, "%s/lodge.conf", dir);
    FILE *f = fopen(path, "w");
    fputs("# mine\n https_port = 9443 \nno_such = 1\n", f);
    fclose(f);
    assert_int_equal(lg_conf_load(&c, &e), -(int)LG_INVALID);
    assert_non_null(strstr(e.msg, "no_such"));
    assert_int_equal(c.https_port, 9443);
    unlink(path);
    rmdir(dir);
}

static void identifiers(void **state)
{
    (void)state;
    char a[LG_ID_LEN], b[LG_ID_LEN];
    lg_id_new(a);
    lg_id_new(b);
    assert_true(lg_id_valid(a));
    assert_string_not_equal(a, b);
    assert_false(lg_id_valid(""));
    assert_false(lg_id_valid("../../etc/passwd"));
    a[36 - 1] = 'G';
    assert_false(lg_id_valid(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_its_maximum),
        cmocka_unit_test(writer_makes_valid_json_of_any_bytes),
        cmocka_unit_test(parser_refuses_bad_documents),
        cmocka_unit_test(signatures_hold_only_for_the_text_and_key),
        cmocka_unit_test(sealed_values_open_again_and_nothing_else),
        cmocka_unit_test(passwords),
        cmocka_unit_test(key_is_made_once),
        cmocka_unit_test(programs_run_with_input_limits_and_deadline),
        cmocka_unit_test(children_see_no_descriptor_and_a_clean_environment),
        cmocka_unit_test(descriptors_travel),
        cmocka_unit_test(only_the_first_descriptor_is_kept),
        cmocka_unit_test(bells_ring_without_waiting),
        cmocka_unit_test(settings_have_bounds),
        cmocka_unit_test(identifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
