/* The contract of driver.h, the same cases for every driver: `driver-conformance
 * [fake|podman|docker|kvm|kvm-test]…`. Machines have no commands: of them what needs none. */
#include "setup.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static struct rig rig;
static int next_host = 2;
#define D rig.d
#define G rig.g

#define FOR_EVER "while :; do sleep 1; done"

/* A spec of its own address; created and started. */
static struct lg_inst_spec born(struct store *s, const char *sh, enum lg_restart restart)
{
    struct lg_err e = {0};
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, s, sh);
    spec.restart = restart;
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    return spec;
}

static void gone(struct store *s)
{
    struct lg_err e = {0};
    ok(&e, D->remove(G, s->id, true, &e));
    assert_int_equal(rig_run(&rig, s->id), LG_RUN_ABSENT);
}

/* A guest that is still in its boot hears no button: it is switched off. */
static int stop_s(void)
{
    return strcmp(D->backend, "kvm") ? 1 : 0;
}

static struct lg_inst_status status(const char *id)
{
    struct lg_inst_status st;
    struct lg_err e = {0};
    ok(&e, D->inspect(G, id, &st, &e));
    return st;
}

static void test_probe(void **state)
{
    (void)state;
    struct lg_engine_info info = {0};
    struct lg_err e = {0};
    ok(&e, D->probe(G, &info, &e));
    assert_true(*info.type && *info.version && *info.api_version);
    ok(&e, D->probe(G, NULL, &e));
}

/* Made and started, each twice: the second is as good as none. */
static struct lg_inst_status come_up(const struct lg_inst_spec *spec)
{
    struct lg_err e = {0};
    assert_int_equal(rig_run(&rig, spec->id), LG_RUN_ABSENT);
    ok(&e, D->create(G, spec, &e));
    ok(&e, D->create(G, spec, &e));
    assert_int_equal(rig_run(&rig, spec->id), LG_RUN_CREATED);
    ok(&e, D->start(G, spec, &e));
    ok(&e, D->start(G, spec, &e));
    struct lg_inst_status st = status(spec->id);
    assert_int_equal(st.run, LG_RUN_RUNNING);
    assert_string_equal(st.id, spec->id);
    return st;
}

static void test_life(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec =
        rig_spec(&rig, &rig.net, next_host++, &s, "echo \"$GREETING\"; echo oops >&2; exec httpd -f");
    struct lg_inst_status st;
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->network_ensure(G, &spec.net, &e));
    st = come_up(&spec);
    assert_string_equal(st.address, s.address);
    assert_true(st.started_at > 0 && st.pid > 0 && *st.ref);
    until(rig_log_has(&rig, s.id, "hello=world\nsecond line\n") && rig_log_has(&rig, s.id, "oops"));
    assert_int_equal(D->remove(G, s.id, false, &e), -LG_CONFLICT);
    ok(&e, D->stop(G, s.id, 1, &e));
    ok(&e, D->stop(G, s.id, 1, &e));
    st = status(s.id);
    assert_int_equal(st.run, LG_RUN_EXITED);
    assert_true(st.finished_at >= st.started_at && !st.pid && !*st.address && !st.oom_killed);
    ok(&e, D->start(G, &spec, &e));
    assert_string_equal(status(s.id).address, s.address);
    ok(&e, D->stop(G, s.id, 0, &e));
    ok(&e, D->remove(G, s.id, false, &e));
    ok(&e, D->remove(G, s.id, false, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ABSENT);
}

static void test_absent_and_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "x", "../../etc", "lodge", "a/b"};
    struct lg_err e = {0};
    struct lg_inst_status st;
    struct lg_usage u;
    struct store s;
    struct lg_image_info info;
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, 250, &s, "true");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(D->inspect(G, wrong[i], &st, &e), -LG_INVALID);
        assert_int_equal(D->stop(G, wrong[i], 1, &e), -LG_INVALID);
        assert_int_equal(D->remove(G, wrong[i], true, &e), -LG_INVALID);
    }
    assert_int_equal(D->start(G, &spec, &e), -LG_NOT_FOUND);
    assert_int_equal(D->stop(G, s.id, 1, &e), -LG_NOT_FOUND);
    assert_int_equal(D->pause(G, s.id, &e), -LG_NOT_FOUND);
    assert_int_equal(D->usage(G, s.id, &u, &e), -LG_NOT_FOUND);
    assert_int_equal(D->log_tail(G, s.id, 10, &b, &e), -LG_NOT_FOUND);
    ok(&e, D->network_ensure(G, &spec.net, &e));
    spec.image = "localhost/nobody-made-this:1";
    assert_int_equal(D->create(G, &spec, &e), -LG_NOT_FOUND);
    assert_non_null(strcasestr(e.msg, "no such image"));
    assert_int_equal(D->image_find(G, spec.image, &info, &e), -LG_NOT_FOUND);
    ok(&e, D->remove(G, s.id, false, &e));
}

/* A leftover that never ran is replaced when the spec differs; what ran is kept with its data. */
static void test_leftovers(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, &s, "echo first; " FOR_EVER);
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    s.command[2] = "echo second; " FOR_EVER;
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    until(rig_log_has(&rig, s.id, "second\n"));
    assert_false(rig_log_has(&rig, s.id, "first"));
    struct lg_inst_status before = status(s.id);
    s.command[2] = "echo third; " FOR_EVER;
    ok(&e, D->create(G, &spec, &e));
    assert_string_equal(status(s.id).ref, before.ref);
    assert_int_equal(status(s.id).run, LG_RUN_RUNNING);
    gone(&s);
}

static void test_exit_code(void **state)
{
    (void)state;
    struct store s;
    born(&s, "echo last words; exit 3", LG_RESTART_NO);
    until(rig_run(&rig, s.id) == LG_RUN_EXITED);
    assert_int_equal(status(s.id).exit_code, 3);
    assert_false(status(s.id).oom_killed);
    until(rig_log_has(&rig, s.id, "last words\n"));
    gone(&s);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct store s;
    born(&s, "oom; exec tail /dev/zero", LG_RESTART_NO);
    until(rig_run(&rig, s.id) == LG_RUN_EXITED);
    assert_int_equal(status(s.id).exit_code, 137);
    assert_true(status(s.id).oom_killed);
    gone(&s);
}

static int lives(const char *id)
{
    struct lg_err e = {0};
    lg_cleanup_buf struct lg_buf b = {0};
    int n = 0;
    ok(&e, D->log_tail(G, id, 1000, &b, &e));
    for (const char *p = lg_buf_cstr(&b); (p = strstr(p, "life\n")); p++)
        n++;
    return n;
}

static void test_restart_policy(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    born(&s, "echo life; sleep 0.2; exit 3", LG_RESTART_ALWAYS);
    until(lives(s.id) >= 3);
    rig_restart_service(&rig);
    int n = lives(s.id);
    until(lives(s.id) > n);
    ok(&e, D->stop(G, s.id, 1, &e));
    n = lives(s.id);
    for (int i = 0; i < 15; i++) {
        usleep(100000);
        assert_int_equal(rig_run(&rig, s.id), LG_RUN_EXITED);
    }
    assert_int_equal(lives(s.id), n);
    gone(&s);
    born(&s, "echo life; exit 0", LG_RESTART_ON_FAILURE);
    until(rig_run(&rig, s.id) == LG_RUN_EXITED);
    usleep(300000);
    assert_int_equal(lives(s.id), 1);
    gone(&s);
}

/* Stops at any moment of a crash loop end it for good. */
static void test_stop_in_crash_loop(void **state)
{
    (void)state;
    struct lg_err e = {0};
    for (int i = 0; i < 6; i++) {
        struct store s;
        born(&s, "echo life; exit 1", LG_RESTART_ALWAYS);
        usleep((useconds_t)(i * 37000));
        ok(&e, D->stop(G, s.id, 1, &e));
        int n = lives(s.id);
        usleep(600000);
        assert_int_equal(rig_run(&rig, s.id), LG_RUN_EXITED);
        assert_int_equal(lives(s.id), n);
        gone(&s);
    }
}

static void test_limits_survive(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_usage u;
    struct lg_inst_spec spec = born(&s, "trap 'exit 1' USR1; " FOR_EVER, LG_RESTART_ALWAYS);
    ok(&e, D->usage(G, s.id, &u, &e));
    assert_int_equal(u.memory_limit_bytes, 64 << 20);
    spec.memory_bytes = 96 << 20;
    spec.cpu_millis = 1000000; /* more cores than the host has are all of them */
    ok(&e, D->update(G, &spec, &e));
    ok(&e, D->usage(G, s.id, &u, &e));
    assert_int_equal(u.memory_limit_bytes, 96 << 20);
    assert_true(u.pids >= 1 && u.memory_bytes > 0 && u.cpu_us >= 0);
    ok(&e, D->stop(G, s.id, 0, &e));
    ok(&e, D->start(G, &spec, &e));
    ok(&e, D->usage(G, s.id, &u, &e));
    assert_int_equal(u.memory_limit_bytes, 96 << 20);
    assert_string_equal(status(s.id).address, s.address);
    gone(&s);
}

/* The engine's own restart keeps the address and the limits it was made with. */
static void test_engine_restart_keeps(void **state)
{
    (void)state;
    struct store s;
    struct lg_usage u;
    struct lg_err e = {0};
    if (!rig.real)
        return;
    born(&s, "echo life; sleep 1; exit 1", LG_RESTART_ALWAYS);
    until(lives(s.id) >= 2 && rig_run(&rig, s.id) == LG_RUN_RUNNING);
    assert_string_equal(status(s.id).address, s.address);
    until(!D->usage(G, s.id, &u, &e));
    assert_int_equal(u.memory_limit_bytes, 64 << 20);
    gone(&s);
}

static void test_pause(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    born(&s, FOR_EVER, LG_RESTART_NO);
    ok(&e, D->pause(G, s.id, &e));
    ok(&e, D->pause(G, s.id, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_PAUSED);
    ok(&e, D->unpause(G, s.id, &e));
    ok(&e, D->unpause(G, s.id, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->pause(G, s.id, &e));
    ok(&e, D->stop(G, s.id, stop_s(), &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_EXITED);
    assert_int_equal(D->pause(G, s.id, &e), -LG_BACKEND);
    gone(&s);
    born(&s, FOR_EVER, LG_RESTART_NO);
    ok(&e, D->pause(G, s.id, &e));
    gone(&s);
}

static int count_status(void *arg, const struct lg_inst_status *st)
{
    int *n = arg;
    n[st->run]++;
    return 0;
}

static void test_list(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store a, b;
    int n[LG_RUN_ASLEEP + 1] = {0};
    born(&a, FOR_EVER, LG_RESTART_NO);
    born(&b, "exit 0", LG_RESTART_NO);
    until(rig_run(&rig, b.id) == LG_RUN_EXITED);
    ok(&e, D->list(G, count_status, n, &e));
    assert_int_equal(n[LG_RUN_RUNNING], 1);
    assert_int_equal(n[LG_RUN_EXITED], 1);
    gone(&a);
    gone(&b);
    memset(n, 0, sizeof n);
    ok(&e, D->list(G, count_status, n, &e));
    assert_int_equal(n[LG_RUN_RUNNING] + n[LG_RUN_EXITED] + n[LG_RUN_CREATED], 0);
}

static int import(const char *path, const char *ref, struct lg_err *e)
{
    struct lg_image_info info;
    struct lg_import im = {.path = path, .ref = ref};
    return D->image_import(G, &im, NULL, NULL, &info, e);
}

static void test_images(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_image_info a, b;
    struct store s;
    char path[128];
    ok(&e, D->image_find(G, BASE_REF, &a, &e));
    assert_true(*a.id && a.size_bytes > 0);
    ok(&e, import(rig.base_tar, "localhost/other/name:2", &e));
    ok(&e, D->image_find(G, "localhost/other/name:2", &b, &e));
    ok(&e, D->image_remove(G, "localhost/other/name:2", &e));
    ok(&e, D->image_remove(G, "localhost/other/name:2", &e));
    ok(&e, D->image_find(G, BASE_REF, &a, &e));
    assert_int_equal(import("/nonexistent", "localhost/x:1", &e), -LG_INVALID);
    snprintf(path, sizeof path, "%s/short.tar", rig.dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("this is not a tar", f);
    fclose(f);
    assert_int_equal(import(path, "localhost/x:1", &e), -LG_INVALID);
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, &s, "true");
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    assert_int_equal(D->image_remove(G, BASE_REF, &e), -LG_CONFLICT);
    gone(&s);
}

static void count_progress(void *arg, double fraction, const char *text)
{
    int *n = arg;
    assert_true(fraction >= -1 && fraction <= 1 && *text);
    (*n)++;
}

static void test_pull_refused(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_image_info info;
    int n = 0;
    assert_int_equal(D->image_pull(G, "127.0.0.1:9/missing:1", count_progress, &n, &info, &e), -LG_BACKEND);
    assert_non_null(strstr(e.msg, "cannot pull the image: "));
    assert_true(strlen(e.msg) > 30);
}

struct stream {
    struct lg_engine *g; /* a handle of its own: they are not shared */
    const char *id;
    int fd, rc;
    struct lg_err e;
    pthread_t thread;
};

static void *stream_main(void *arg)
{
    struct stream *s = arg;
    s->rc = D->log_stream(s->g, s->id, -1, true, 0, s->fd, &s->e);
    close(s->fd);
    return NULL;
}

/* Reads frames' payload until the text came or the stream ended. */
static bool read_until(int fd, const char *text, struct lg_buf *b)
{
    char tmp[512];
    for (ssize_t n; !strstr(lg_buf_cstr(b), text);) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 20000) <= 0 || (n = read(fd, tmp, sizeof tmp)) <= 0)
            return false;
        for (ssize_t i = 0; i < n; i++)
            lg_buf_char(b, tmp[i] ? tmp[i] : '.');
    }
    return true;
}

static int stream_begin(struct stream *s, const char *id)
{
    int pair[2];
    memset(s, 0, sizeof *s);
    s->id = id;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    s->fd = pair[0];
    assert_int_equal(D->open(&rig.ctx, &s->g, &s->e), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, stream_main, s), 0);
    return pair[1];
}

static void stream_end(struct stream *s)
{
    pthread_join(s->thread, NULL);
    D->close(s->g);
}

static void test_log_stream(void **state)
{
    (void)state;
    struct store s;
    struct stream st;
    lg_cleanup_buf struct lg_buf b = {0};
    char tmp[8];
    born(&s, "echo one; echo two >&2; sleep 1; exit 0", LG_RESTART_NO);
    int fd = stream_begin(&st, s.id);
    /* An engine keeps each stream in order, not the two beside each other. */
    assert_true(read_until(fd, "two\n", &b) && read_until(fd, "one\n", &b));
    const char *one = strstr(b.data, "\001......\004one\n"), *two = strstr(b.data, "\002......\004two\n");
    assert_true(one && two);
    assert_int_equal(read(fd, tmp, sizeof tmp), 0); /* ends with the instance */
    stream_end(&st);
    assert_int_equal(st.rc, 0);
    close(fd);
    gone(&s);
}

static void test_log_stream_ends(void **state)
{
    (void)state;
    struct store s;
    struct stream st;
    lg_cleanup_buf struct lg_buf b = {0};
    born(&s, "echo one; " FOR_EVER, LG_RESTART_NO);
    int fd = stream_begin(&st, s.id);
    assert_true(read_until(fd, "one\n", &b));
    close(fd); /* the reader goes */
    stream_end(&st);
    fd = stream_begin(&st, s.id);
    rig.cancel = 1;
    stream_end(&st);
    rig.cancel = 0;
    assert_int_equal(st.rc, -LG_CANCELLED);
    close(fd);
    gone(&s);
}

static void test_log_tail(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    born(&s, "echo one; echo two; echo three", LG_RESTART_NO);
    until(rig_run(&rig, s.id) == LG_RUN_EXITED && rig_log_has(&rig, s.id, "three"));
    lg_cleanup_buf struct lg_buf b = {0}, small = {.max = 8};
    ok(&e, D->log_tail(G, s.id, 2, &b, &e));
    assert_string_equal(lg_buf_cstr(&b), "two\nthree\n");
    if (rig.real) { /* a small buffer keeps the end */
        ok(&e, D->log_tail(G, s.id, 100, &small, &e));
        assert_string_equal(lg_buf_cstr(&small), "o\nthree\n");
    }
    gone(&s);
}

/* Text that no line end follows is not lost, wherever it was cut. */
static void test_log_tail_of_unended_lines(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    if (!rig.real)
        return; /* the fake knows only lines */
    born(&s, "echo one; printf part; sleep 0.3; printf 'ial\\n'; sleep 0.3; printf prompt", LG_RESTART_NO);
    until(rig_run(&rig, s.id) == LG_RUN_EXITED && rig_log_has(&rig, s.id, "prompt"));
    lg_cleanup_buf struct lg_buf b = {0};
    ok(&e, D->log_tail(G, s.id, 2, &b, &e));
    assert_string_equal(lg_buf_cstr(&b), "partial\nprompt");
    lg_buf_reset(&b);
    ok(&e, D->log_tail(G, s.id, 1, &b, &e));
    assert_string_equal(lg_buf_cstr(&b), "prompt");
    lg_buf_reset(&b);
    ok(&e, D->log_tail(G, s.id, 0, &b, &e));
    assert_string_equal(lg_buf_cstr(&b), "");
    gone(&s);
}

struct watcher {
    struct lg_engine *g;
    char id[LG_ID_LEN];
    volatile int heard; /* anything at all: it listens */
    volatile int seen;  /* 1 start, 2 die */
    int rc;
    struct lg_err e;
    pthread_t thread;
};

static int on_event(void *arg, const char *id, const char *what)
{
    struct watcher *w = arg;
    w->heard = 1;
    if (!strcmp(id, w->id) && !strcmp(what, "start"))
        w->seen |= 1;
    if (!strcmp(id, w->id) && !strcmp(what, "die"))
        w->seen |= 2;
    return w->seen == 3;
}

static void *watch_main(void *arg)
{
    struct watcher *w = arg;
    w->rc = D->watch(w->g, on_event, w, &w->e);
    return NULL;
}

static void test_watch(void **state)
{
    (void)state;
    struct watcher w = {0};
    struct store s, other;
    struct lg_err e = {0};
    struct lg_inst_spec noise = born(&other, FOR_EVER, LG_RESTART_NO);
    ok(&e, D->open(&rig.ctx, &w.g, &e));
    assert_int_equal(pthread_create(&w.thread, NULL, watch_main, &w), 0);
    for (int i = 0; i < 100 && !w.heard; i++) { /* it must listen before things happen */
        usleep(200000);
        ok(&e, D->stop(G, other.id, 0, &e));
        ok(&e, D->start(G, &noise, &e));
    }
    gone(&other);
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, &s, "sleep 0.2; exit 0");
    memcpy(w.id, s.id, sizeof w.id);
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    ok(&e, D->start(G, &spec, &e));
    pthread_join(w.thread, NULL);
    D->close(w.g);
    assert_int_equal(w.rc, 0);
    gone(&s);
}

static void test_cancel(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    born(&s, "trap '' TERM; " FOR_EVER, LG_RESTART_NO);
    struct watcher w = {0};
    ok(&e, D->open(&rig.ctx, &w.g, &e));
    assert_int_equal(pthread_create(&w.thread, NULL, watch_main, &w), 0);
    usleep(200000);
    rig.cancel = 1;
    pthread_join(w.thread, NULL);
    rig.cancel = 0;
    D->close(w.g);
    assert_int_equal(w.rc, -LG_CANCELLED);
    gone(&s);
}

/* Gone, or dead and waiting for its parent. */
static bool ended(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%*d %*s %c", &state) != 1)
        state = 'Z';
    if (f)
        fclose(f);
    return state == 'Z' || state == 'X';
}

static void *stop_main(void *arg)
{
    struct watcher *w = arg;
    struct lg_err e = {0};
    w->rc = D->stop(w->g, w->id, 20, &e);
    return NULL;
}

/* A forced removal while a stop still waits for a process that ignores it leaves no process behind. */
static void test_remove_during_stop(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    born(&s, "trap '' TERM; " FOR_EVER, LG_RESTART_NO);
    pid_t pid = (pid_t)status(s.id).pid;
    struct watcher w = {0};
    snprintf(w.id, sizeof w.id, "%s", s.id);
    ok(&e, D->open(&rig.ctx, &w.g, &e));
    assert_int_equal(pthread_create(&w.thread, NULL, stop_main, &w), 0);
    usleep(500000);
    gone(&s);
    if (strcmp(D->name, "fake") != 0) /* it has no processes */
        until(ended(pid));
    pthread_join(w.thread, NULL);
    D->close(w.g);
}

/* ---- machines ---- */

static void test_life_of_a_machine(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store s;
    struct lg_inst_status st;
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, &s, NULL);
    ok(&e, D->network_ensure(G, &spec.net, &e));
    st = come_up(&spec);
    assert_true(*st.ref);
    if (rig.real) {
        assert_string_equal(st.address, s.address);
        assert_true(st.started_at > 0 && st.pid > 0);
    }
    assert_int_equal(D->remove(G, s.id, false, &e), -LG_CONFLICT);
    ok(&e, D->stop(G, s.id, 0, &e));
    ok(&e, D->stop(G, s.id, 0, &e));
    st = status(s.id);
    assert_int_equal(st.run, LG_RUN_EXITED);
    assert_true(!st.pid && !*st.address && !st.oom_killed);
    ok(&e, D->start(G, &spec, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_RUNNING);
    ok(&e, D->stop(G, s.id, 0, &e));
    ok(&e, D->remove(G, s.id, false, &e));
    ok(&e, D->remove(G, s.id, false, &e));
    assert_int_equal(rig_run(&rig, s.id), LG_RUN_ABSENT);
}

static int only_running(void *arg, const struct lg_inst_status *st)
{
    *(int *)arg += st->run == LG_RUN_RUNNING;
    return 0;
}

static void test_list_of_machines(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct store a, b;
    int n = 0;
    born(&a, NULL, LG_RESTART_NO);
    born(&b, NULL, LG_RESTART_NO);
    ok(&e, D->list(G, only_running, &n, &e));
    assert_int_equal(n, 2);
    ok(&e, D->stop(G, b.id, 0, &e));
    n = 0;
    ok(&e, D->list(G, only_running, &n, &e));
    assert_int_equal(n, 1);
    gone(&a);
    gone(&b);
}

/* Its end is told, and a watch that is cancelled ends. */
static void test_watch_of_machines(void **state)
{
    (void)state;
    struct watcher w = {0};
    struct store s;
    struct lg_err e = {0};
    ok(&e, D->open(&rig.ctx, &w.g, &e));
    struct lg_inst_spec spec = rig_spec(&rig, &rig.net, next_host++, &s, NULL);
    memcpy(w.id, s.id, sizeof w.id);
    assert_int_equal(pthread_create(&w.thread, NULL, watch_main, &w), 0);
    ok(&e, D->network_ensure(G, &spec.net, &e));
    ok(&e, D->create(G, &spec, &e));
    for (int i = 0; i < 100 && w.seen != 3; i++) { /* it may have begun to listen late */
        ok(&e, D->start(G, &spec, &e));
        ok(&e, D->stop(G, s.id, 0, &e));
        usleep(50000);
    }
    assert_int_equal(w.seen, 3);
    pthread_join(w.thread, NULL);
    D->close(w.g);
    assert_int_equal(w.rc, 0);
    gone(&s);
}

static int64_t layer_mib(const char *id)
{
    struct lg_layer l = {.bytes = -1};
    struct lg_err e = {0};
    ok(&e, D->layer(G, id, &l, &e));
    assert_false(l.hard); /* no engine here keeps layers where quotas are */
    return l.bytes >> 20;
}

/* Only what is written into the layer counts: once, and for as long as it takes room, whatever became of its
 * name. */
static void test_layer(void **state)
{
    (void)state;
    struct store s;
    struct lg_layer l;
    struct lg_err e = {0};
    if (!rig.real)
        return;
    born(&s,
         "w() { dd if=/dev/zero of=$1 bs=1M count=$2 2>/dev/null; }; mkdir -p /srv/d; w /srv/d/a 20; ln "
         "/srv/d/a /srv/d/b;"
         "w /dev/shm/c 30; ln -s / /srv/d/root; echo written; sleep 1; rm /srv/d/a /srv/d/b; w /srv/e 10; "
         "exec 3</srv/e;"
         "rm /srv/e; echo held; " FOR_EVER,
         LG_RESTART_NO);
    until(rig_log_has(&rig, s.id, "written"));
    int64_t first = layer_mib(s.id);
    assert_true(first >= 20 && first <= 22);
    until(rig_log_has(&rig, s.id, "held"));
    int64_t held = layer_mib(s.id);
    assert_true(held >= 10 && held <= 12);
    ok(&e, D->stop(G, s.id, 0, &e));
    assert_int_equal(D->layer(G, s.id, &l, &e), -LG_STATE);
    gone(&s);
    assert_int_equal(D->layer(G, s.id, &l, &e), -LG_NOT_FOUND);
}

static const struct CMUnitTest containers[] = {
    cmocka_unit_test(test_probe),
    cmocka_unit_test(test_life),
    cmocka_unit_test(test_absent_and_wrong),
    cmocka_unit_test(test_leftovers),
    cmocka_unit_test(test_exit_code),
    cmocka_unit_test(test_out_of_memory),
    cmocka_unit_test(test_restart_policy),
    cmocka_unit_test(test_stop_in_crash_loop),
    cmocka_unit_test(test_limits_survive),
    cmocka_unit_test(test_engine_restart_keeps),
    cmocka_unit_test(test_pause),
    cmocka_unit_test(test_list),
    cmocka_unit_test(test_images),
    cmocka_unit_test(test_pull_refused),
    cmocka_unit_test(test_log_stream),
    cmocka_unit_test(test_log_stream_ends),
    cmocka_unit_test(test_log_tail),
    cmocka_unit_test(test_log_tail_of_unended_lines),
    cmocka_unit_test(test_watch),
    cmocka_unit_test(test_cancel),
    cmocka_unit_test(test_remove_during_stop),
    cmocka_unit_test(test_layer),
};

static const struct CMUnitTest machines[] = {
    cmocka_unit_test(test_probe),
    cmocka_unit_test(test_life_of_a_machine),
    cmocka_unit_test(test_absent_and_wrong),
    cmocka_unit_test(test_pause),
    cmocka_unit_test(test_list_of_machines),
    cmocka_unit_test(test_images),
    cmocka_unit_test(test_watch_of_machines),
    cmocka_unit_test(test_cancel),
    cmocka_unit_test(test_remove_during_stop),
};

/* libvirt's test driver has neither images nor processes, and its own idea of the network is none. */
static const struct CMUnitTest pretended[] = {
    cmocka_unit_test(test_probe),
    cmocka_unit_test(test_life_of_a_machine),
    cmocka_unit_test(test_pause),
    cmocka_unit_test(test_list_of_machines),
    cmocka_unit_test(test_watch_of_machines),
    cmocka_unit_test(test_cancel),
};

static int run_group(const char *engine)
{
    if (rig.vm)
        return cmocka_run_group_tests_name(engine, machines, NULL, NULL);
    if (!strcmp(engine, "kvm-test"))
        return cmocka_run_group_tests_name(engine, pretended, NULL, NULL);
    return cmocka_run_group_tests_name(engine, containers, NULL, NULL);
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"", "fake", "podman", "docker", "kvm", "kvm-test"};
    int failed = 0;
    for (int i = 1; i < (argc > 1 ? argc : (int)(sizeof all / sizeof all[0])); i++) {
        const char *engine = argc > 1 ? argv[i] : all[i];
        if (!rig_up(&rig, engine))
            continue;
        failed += run_group(engine);
        rig_down(&rig);
    }
    return failed;
}
