// sources: fcgi/driver/container/*.c fcgi/driver/network/*.c fcgi/driver/calls.c fcgi/driver/confine.c fcgi/model/net.c
// sources: fcgi/base/*.c
// libs: -ljansson -lsodium -lcurl -lpthread -lm
/*
 * An engine that says anything: each verb that only reads gets the input as the engine's answer, over a real
 * socket and libcurl. First byte: which verb and which engine it claims to be; second: the status; the rest
 * is the body.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "driver/container/container.h"

#define ID "11111111-2222-3333-4444-555555555555"

static struct lg_conf conf;
static struct lg_engine *g;
static char dir[64];
static int listener = -1;

static struct {
    pthread_mutex_t lock;
    int status;
    const char *server;
    uint8_t body[70000]; /* a copy: an engine may go on after the verb has turned away */
    size_t len;
} reply = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void send_all(int fd, const void *p, size_t n)
{
    for (const char *at = p; n;) {
        ssize_t done = send(fd, at, n, MSG_NOSIGNAL);
        if (done <= 0)
            return;
        at += done;
        n -= (size_t)done;
    }
}

/* Reads one request's head at a time; the verbs send no bodies. */
static void serve(int fd)
{
    char in[8192], head[256];
    size_t have = 0;
    for (;;) {
        ssize_t n = recv(fd, in + have, sizeof in - 1 - have, 0);
        if (n <= 0)
            return;
        have += (size_t)n;
        in[have] = 0;
        if (!strstr(in, "\r\n\r\n")) {
            if (have == sizeof in - 1)
                return;
            continue;
        }
        have = 0;
        pthread_mutex_lock(&reply.lock);
        int m = snprintf(head, sizeof head,
                         "HTTP/1.1 %d x\r\nApi-Version: 1.41\r\nServer: %s\r\nContent-Length: %zu\r\n\r\n",
                         reply.status, reply.server, reply.len);
        send_all(fd, head, (size_t)m);
        send_all(fd, reply.body, reply.len);
        pthread_mutex_unlock(&reply.lock);
    }
}

static void *engine(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve(fd);
        close(fd);
    }
}

static void clean_up(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/s", dir);
    unlink(path);
    rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct lg_driver_ctx ctx = {.conf = &conf, .site = "99999999-2222-3333-4444-555555555555"};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct lg_err e = {0};
    pthread_t t;
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    lg_log_init("fuzz", LG_ERROR + 1);
    snprintf(dir, sizeof dir, "/tmp/lodge-fuzz-XXXXXX");
    if (!mkdtemp(dir))
        _exit(1);
    atexit(clean_up);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/s", dir);
    setenv("LODGE_STATE", dir, 1);
    setenv("LODGE_ENGINE_SOCKET", a.sun_path, 1);
    setenv("LODGE_ENGINE_TIMEOUT_MS", "2000", 1);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (lg_conf_load(&conf, &e) || bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 16) ||
        pthread_create(&t, NULL, engine, NULL) || lg_driver_container.open(&ctx, &g, &e))
        _exit(1);
    return 0;
}

static int take_status(void *arg, const struct lg_inst_status *st)
{
    int *n = arg;
    if (strnlen(st->id, sizeof st->id) == sizeof st->id || strnlen(st->ref, sizeof st->ref) == sizeof st->ref)
        abort();
    return ++*n > 1000;
}

static int take_event(void *arg, const char *id, const char *what)
{
    int *n = arg;
    if (!id || !what)
        abort();
    return ++*n > 1000;
}

static void progress(void *arg, double fraction, const char *text)
{
    (void)arg;
    if (!(fraction == -1 || (fraction >= 0 && fraction <= 1)) || !*text)
        abort();
}

static int ask(unsigned verb, struct lg_err *e)
{
    const struct lg_driver *d = &lg_driver_container;
    struct lg_inst_status st;
    struct lg_image_info image;
    struct lg_engine_info info;
    struct lg_buf out = {.max = 4096};
    int n = 0, rc;
    switch (verb % 8) {
    case 0:
        return d->inspect(g, ID, &st, e);
    case 1:
        return d->list(g, take_status, &n, e);
    case 2:
        return d->image_find(g, "localhost/a:1", &image, e);
    case 3:
        return d->image_pull(g, "localhost/a:1", progress, NULL, &image, e);
    case 4:
        rc = d->log_tail(g, ID, (int)(verb / 8 % 16), &out, e);
        if (out.len > 4096)
            abort();
        lg_buf_done(&out);
        return rc;
    case 5:
        return d->watch(g, take_event, &n, e);
    case 6:
        return d->image_remove(g, "localhost/a:1", e);
    default:
        return d->probe(g, &info, e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const int statuses[] = {200, 204, 304, 404, 409, 500, 403, 503};
    struct lg_err e = {0};
    if (n < 2 || n > sizeof reply.body)
        return 0;
    pthread_mutex_lock(&reply.lock);
    reply.status = statuses[p[1] % 8];
    reply.server = p[0] & 0x80 ? "Libpod/4.3.1 (linux)" : "Docker/20.10.24 (linux)";
    reply.len = reply.status == 204 || reply.status == 304 ? 0 : n - 2;
    memcpy(reply.body, p + 2, reply.len);
    pthread_mutex_unlock(&reply.lock);
    int rc = ask(p[0] & 0x7f, &e);
    if (rc && (e.code == 0 || !*e.msg || strnlen(e.msg, sizeof e.msg) == sizeof e.msg))
        abort(); /* every failure has its sentence */
    return 0;
}
