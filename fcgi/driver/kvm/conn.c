#include "driver/kvm/conn.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"

#define KEEPALIVE_COUNT 3

/* ---- the event loop: one thread a process ---- */

static pthread_once_t loop_once = PTHREAD_ONCE_INIT;
static bool loop_runs;

static void quiet(void *arg, virErrorPtr error)
{
    (void)arg; /* errors are returned, not printed */
    (void)error;
}

static void *loop_main(void *arg)
{
    (void)arg;
    for (;;)
        if (virEventRunDefaultImpl() < 0)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return NULL;
}

/* A thread that takes none of the process's signals: cancel must interrupt the one that works. */
static int start_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
    sigset_t all, old;
    pthread_attr_t attr;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int rc = pthread_create(t, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

static void tick(int timer, void *arg)
{
    (void)timer; /* wakes the loop, so that what was registered by other threads is seen at the latest then */
    (void)arg;
}

static void start_loop(void)
{
    pthread_t t;
    virSetErrorFunc(NULL, quiet);
    if (virInitialize() || virEventRegisterDefaultImpl())
        return;
    virEventAddTimeout(5000, tick, NULL, NULL);
    loop_runs = !start_thread(&t, loop_main, NULL);
}

/* ---- connecting ---- */

/* A call that cannot be interrupted is left to a thread; who comes last of it and its handle cleans up. */
struct lg_vm_dial {
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    char uri[LG_VM_URI_LEN];
    virConnectPtr conn;
    char why[256];
    bool done, abandoned;
};

static void dial_free(struct lg_vm_dial *d)
{
    if (d->conn)
        virConnectClose(d->conn);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->done_cond);
    free(d);
}

static void *dial_main(void *arg)
{
    struct lg_vm_dial *d = arg;
    virConnectPtr conn = virConnectOpen(d->uri);
    const char *why = conn ? "" : virGetLastErrorMessage();
    pthread_mutex_lock(&d->lock);
    d->conn = conn;
    snprintf(d->why, sizeof d->why, "%s", why);
    d->done = true;
    bool abandoned = d->abandoned;
    pthread_cond_signal(&d->done_cond);
    pthread_mutex_unlock(&d->lock);
    if (abandoned)
        dial_free(d);
    return NULL;
}

static struct lg_vm_dial *dial_begin(const char *uri)
{
    struct lg_vm_dial *d = calloc(1, sizeof *d);
    pthread_t t;
    pthread_condattr_t attr;
    if (!d)
        return NULL;
    snprintf(d->uri, sizeof d->uri, "%s", uri);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->done_cond, &attr);
    pthread_condattr_destroy(&attr);
    if (!start_thread(&t, dial_main, d))
        return d;
    dial_free(d);
    return NULL;
}

/* Waits for it in short pieces, so that a cancel is seen. True when it has ended. */
static bool dial_wait(const struct lg_engine *g, struct lg_vm_dial *d, int64_t deadline)
{
    pthread_mutex_lock(&d->lock);
    while (!d->done && lg_clock_mono() < deadline && !lg_vm_cancelled(g)) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += 50000000;
        if (t.tv_nsec >= 1000000000)
            t.tv_nsec -= 1000000000, t.tv_sec++;
        pthread_cond_timedwait(&d->done_cond, &d->lock, &t);
    }
    bool done = d->done;
    pthread_mutex_unlock(&d->lock);
    return done;
}

/* Nobody will wait for it any more. */
static void dial_abandon(struct lg_vm_dial *d)
{
    pthread_mutex_lock(&d->lock);
    bool done = d->done;
    d->abandoned = true;
    pthread_mutex_unlock(&d->lock);
    if (done)
        dial_free(d);
}

static void keep_alive(const struct lg_engine *g, virConnectPtr conn)
{
    long s = g->ctx.conf->engine_timeout_ms / 1000 / (KEEPALIVE_COUNT + 1);
    if (!g->test)
        virConnectSetKeepAlive(conn, s < 1 ? 1 : (int)s,
                               g->ctx.conf->engine_timeout_ms < 4000 ? 1 : KEEPALIVE_COUNT);
}

static int dial(struct lg_engine *g, virConnectPtr *out, int64_t deadline, struct lg_err *e)
{
    struct lg_vm_dial *d = g->dial ? g->dial : loop_runs ? dial_begin(g->uri) : NULL;
    g->dial = d;
    if (!d)
        return lg_fail(e, LG_INTERNAL, "cannot set up libvirt's event loop");
    if (!dial_wait(g, d, deadline))
        return lg_vm_cancelled(g) ? lg_vm_cancel_error(e)
                                  : lg_fail(e, LG_UNAVAILABLE, "libvirt does not answer (%s)", g->uri);
    *out = d->conn;
    d->conn = NULL;
    int rc = *out ? 0 : lg_fail(e, LG_UNAVAILABLE, "libvirt cannot be reached: %s", d->why);
    dial_free(d);
    g->dial = NULL;
    if (!rc)
        keep_alive(g, *out);
    return rc;
}

int lg_vm_dial(struct lg_engine *g, virConnectPtr *out, struct lg_err *e)
{
    int64_t deadline = lg_clock_mono() + g->ctx.conf->engine_timeout_ms;
    bool earlier = g->dial;
    pthread_once(&loop_once, start_loop);
    int rc = dial(g, out, deadline, e);
    if (!rc || !earlier || g->dial)
        return rc;
    if (e) /* the failure of a daemon that may have been replaced since */
        lg_err_clear(e);
    return dial(g, out, deadline, e);
}

void lg_vm_disconnect(struct lg_engine *g)
{
    if (g->conn)
        virConnectClose(g->conn);
    g->conn = NULL;
}

int lg_vm_connect(struct lg_engine *g, struct lg_err *e)
{
    if (lg_vm_cancelled(g))
        return lg_vm_cancel_error(e);
    if (g->conn && virConnectIsAlive(g->conn) == 1)
        return 0;
    lg_vm_disconnect(g);
    return lg_vm_dial(g, &g->conn, e);
}

int lg_vm_open(const struct lg_driver_ctx *ctx, struct lg_engine **out, struct lg_err *e)
{
    struct lg_engine *g = calloc(1, sizeof *g);
    *out = g;
    if (!g)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    g->ctx = *ctx;
    g->console_lock = -1;
    lg_vm_uri(ctx->conf, g->uri);
    g->test = !strncmp(g->uri, "test:", 5) || !strncmp(g->uri, "test+", 5);
    g->own = lg_vm_private(ctx->conf, &g->uid, &g->gid);
    return 0;
}

void lg_vm_close(struct lg_engine *g)
{
    if (!g)
        return;
    lg_vm_disconnect(g);
    if (g->dial)
        dial_abandon(g->dial);
    lg_fd_close(&g->console_lock);
    free(g->usage);
    free(g);
}

/* ---- errors ---- */

bool lg_vm_cancelled(const struct lg_engine *g)
{
    return g->ctx.cancel && *g->ctx.cancel;
}

int lg_vm_cancel_error(struct lg_err *e)
{
    return lg_fail(e, LG_CANCELLED, "cancelled while libvirt was at work");
}

int lg_vm_fail(struct lg_engine *g, struct lg_err *e, const char *what)
{
    static const struct {
        int libvirt;
        enum lg_code code;
    } table[] = {{VIR_ERR_NO_DOMAIN, LG_NOT_FOUND},    {VIR_ERR_NO_CONNECT, LG_UNAVAILABLE},
                 {VIR_ERR_SYSTEM_ERROR, LG_BACKEND},   {VIR_ERR_OPERATION_TIMEOUT, LG_TIMEOUT},
                 {VIR_ERR_NO_SUPPORT, LG_UNSUPPORTED}, {VIR_ERR_XML_ERROR, LG_INVALID},
                 {VIR_ERR_OPERATION_INVALID, LG_STATE}};
    const virError *v = virGetLastError();
    char text[320];
    int code = v ? v->code : 0;
    snprintf(text, sizeof text, "%s", v && v->message ? v->message : "unknown error");
    if (lg_vm_cancelled(g))
        return lg_vm_cancel_error(e);
    /* A connection that broke says so in many words; whether it lives is what counts. */
    if (g->conn && !g->test && virConnectIsAlive(g->conn) != 1) {
        lg_vm_disconnect(g);
        return lg_fail(e, LG_UNAVAILABLE, "%s: libvirt does not answer (%s)", what, text);
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].libvirt == code)
            return lg_fail(e, table[i].code, "%s: %s", what, text);
    return lg_fail(e, LG_BACKEND, "%s: %s", what, text);
}

/* ---- domains ---- */

/* The text of an attribute in the metadata that we wrote ourselves; nothing of a tenant's is in it. */
static bool attribute(const char *xml, const char *name, char *out, size_t cap)
{
    char key[32];
    snprintf(key, sizeof key, " %s=", name);
    const char *p = strstr(xml, key);
    if (!p)
        return false;
    p += strlen(key);
    char quote = *p++;
    size_t n = 0;
    while (p[n] && p[n] != quote)
        n++;
    if (!p[n] || n >= cap)
        return false;
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

bool lg_vm_ours(struct lg_engine *g, virDomainPtr d, char id[LG_ID_LEN])
{
    char site[LG_ID_LEN];
    char *xml = virDomainGetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, LG_VM_NS, 0);
    bool ours = xml && attribute(xml, "site", site, sizeof site) && attribute(xml, "id", id, LG_ID_LEN) &&
                !strcmp(site, g->ctx.site);
    free(xml);
    return ours;
}

/* 1: found. 0: none. */
static int look_up(struct lg_engine *g, virDomainPtr d, virDomainPtr *out, struct lg_err *e)
{
    const virError *v = virGetLastError();
    *out = d;
    if (d)
        return 1;
    return v && v->code == VIR_ERR_NO_DOMAIN ? 0 : lg_vm_fail(g, e, "cannot look for the machine");
}

int lg_vm_find(struct lg_engine *g, const char *id, virDomainPtr *out, struct lg_err *e)
{
    char found[LG_ID_LEN];
    virDomainPtr d = NULL;
    *out = NULL;
    if (!lg_id_valid(id))
        return lg_fail(e, LG_INVALID, "not an instance id");
    int rc = lg_vm_connect(g, e);
    if (!rc)
        rc = look_up(g, virDomainLookupByUUIDString(g->conn, id), &d, e);
    if (rc <= 0)
        return rc;
    if (lg_vm_ours(g, d, found) && !strcmp(found, id))
        *out = d;
    else
        virDomainFree(d);
    return 0;
}

int lg_vm_need(struct lg_engine *g, const char *id, virDomainPtr *out, struct lg_err *e)
{
    int rc = lg_vm_find(g, id, out, e);
    return !rc && !*out ? lg_fail(e, LG_NOT_FOUND, "libvirt has no such virtual machine") : rc;
}

int lg_vm_check_free(struct lg_engine *g, const char *id, struct lg_err *e)
{
    char name[LG_VM_NAME_LEN];
    virDomainPtr d = NULL;
    snprintf(name, sizeof name, "lodge-%s", id);
    int rc = look_up(g, virDomainLookupByUUIDString(g->conn, id), &d, e);
    rc = rc ? rc : look_up(g, virDomainLookupByName(g->conn, name), &d, e);
    if (rc <= 0)
        return rc;
    virDomainFree(d);
    return lg_fail(e, LG_CONFLICT, "libvirt has a machine called %s that is not this Lodge's", name);
}
