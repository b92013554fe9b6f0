#include "api/registrar.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "api/parts.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/version.h"
#include "store/service.h"
#include "store/stats.h"

#define LOOK_MS  1000  /* between two looks at Lodge's own processes */
#define TURN_MS  200   /* longest sleep: a new lease may be short */
#define STALE_MS 30000 /* lodge-runner says at least every 10 s how its engines are */
#define OWN_MAX  16

static volatile sig_atomic_t stopping;

static void on_term(int sig)
{
    (void)sig;
    stopping = 1;
}

/* --- what is there --- */

struct own {
    struct lg_service list[OWN_MAX];
    int count;
};

struct sight {
    const struct lg_conf *conf;
    bool runner, stream, engine, fresh; /* engine: containers can be run */
    struct own *own;
};

static struct lg_service *add(struct own *o, const char *name, const char *id, bool healthy)
{
    struct lg_service *s = &o->list[o->count < OWN_MAX ? o->count++ : OWN_MAX - 1];
    *s = (struct lg_service){.status = healthy ? LG_SERVICE_HEALTHY : LG_SERVICE_UNHEALTHY};
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->id, sizeof s->id, "%s", id);
    snprintf(s->version, sizeof s->version, "%s", LG_VERSION);
    return s;
}

/* What nobody reaches over the network. */
static void locally(struct lg_service *s)
{
    snprintf(s->address, sizeof s->address, "localhost");
    snprintf(s->metadata, sizeof s->metadata, "{\"transport\":\"unix\"}");
}

static void at_the_front(struct lg_service *s, const struct lg_conf *c)
{
    snprintf(s->address, sizeof s->address, "%s", c->domain);
    s->port = (int)c->https_port;
    snprintf(s->metadata, sizeof s->metadata, "{\"scheme\":\"https\"}");
}

static void add_engine(void *arg, const struct lg_engine_state *st)
{
    struct sight *v = arg;
    char type[64], version[64];
    bool fresh = v->runner && lg_clock_ms() - st->checked_at < STALE_MS;
    struct lg_service *s = add(v->own, "lodge-engine", st->backend, fresh && st->healthy);
    lg_cleanup_buf struct lg_buf b = {.max = LG_SERVICE_METADATA_MAX};
    struct lg_json j;
    locally(s);
    snprintf(version, sizeof version, "%.63s", st->version);
    snprintf(type, sizeof type, "%.63s", st->type);
    snprintf(s->version, sizeof s->version, "%s", version);
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "transport", "unix");
    lg_json_str(&j, "type", type);
    lg_json_end_obj(&j);
    snprintf(s->metadata, sizeof s->metadata, "%s", lg_buf_cstr(&b));
    v->fresh |= fresh;
    v->engine |= fresh && st->healthy && !strcmp(st->backend, "docker");
}

/* Nobody holds the other end of its doorbell when the master is dead. */
static bool runner_lives(const struct lg_conf *c)
{
    char path[PATH_MAX];
    lg_cleanup_fd int fd =
        lg_unix_connect(lg_conf_path(c, path, sizeof path, "run/runner.bell"), SOCK_DGRAM, NULL);
    return fd >= 0;
}

static int look(struct lg_app *app, struct own *o, struct lg_err *e)
{
    static const char *const apis[] = {"container-api", "repl-api", "service-registry"};
    struct lg_req q = {.app = app, .db = app->db, .address = ""};
    struct lg_stream_state stream;
    struct sight v = {.conf = &app->conf, .own = o, .runner = runner_lives(&app->conf)};
    lg_stream_look(&q, &stream);
    v.stream = stream.answers;
    o->count = 0;
    int rc = lg_stats_engines(app->db, add_engine, &v, e);
    if (rc < 0)
        return rc;
    at_the_front(add(o, "lodge-api", "local", true), &app->conf);
    if (v.stream)
        at_the_front(add(o, "lodge-stream", "local", stream.feeder), &app->conf);
    if (v.runner)
        locally(add(o, "lodge-runner", "local", v.fresh));
    for (size_t i = 0; i < sizeof apis / sizeof apis[0]; i++)
        at_the_front(add(o, apis[i], "local", i == 2 || (v.runner && v.stream && v.engine)), &app->conf);
    return 0;
}

/* --- what is written --- */

struct known {
    struct lg_service list[OWN_MAX * 2];
    int count;
};

static void know(void *arg, const struct lg_service *s)
{
    struct known *k = arg;
    if (k->count < OWN_MAX * 2)
        k->list[k->count++] = *s;
}

static const struct lg_service *find(const struct lg_service *list, int n, const struct lg_service *s)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i].name, s->name) && !strcmp(list[i].id, s->id))
            return &list[i];
    return NULL;
}

static bool same(const struct lg_service *a, const struct lg_service *b)
{
    return a->status == b->status && a->port == b->port && !strcmp(a->address, b->address) &&
           !strcmp(a->version, b->version) && !strcmp(a->metadata, b->metadata);
}

static bool agree(const struct own *o, const struct known *k)
{
    if (o->count != k->count)
        return false;
    for (int i = 0; i < o->count; i++) {
        const struct lg_service *s = find(k->list, k->count, &o->list[i]);
        if (!s || !same(s, &o->list[i]))
            return false;
    }
    return true;
}

static int correct(struct lg_db *db, struct own *o, const struct known *k, struct lg_err *e)
{
    int rc = lg_tx_write(db, e);
    for (int i = 0; !rc && i < k->count; i++)
        if (!find(o->list, o->count, &k->list[i])) {
            rc = lg_service_remove(db, "", k->list[i].name, k->list[i].id, e);
            rc = rc < 0 ? rc : 0;
        }
    for (int i = 0; !rc && i < o->count; i++)
        rc = lg_service_put(db, &o->list[i], e);
    if (!rc)
        rc = lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc;
}

/* A write only when something changed. */
static int keep_own(struct lg_app *app, struct lg_err *e)
{
    static struct own o;
    static struct known k;
    k.count = 0;
    int rc = look(app, &o, e);
    if (!rc)
        rc = lg_service_each_own(app->db, know, &k, e);
    if (rc < 0 || agree(&o, &k))
        return rc < 0 ? rc : 0;
    return correct(app->db, &o, &k, e);
}

/* --- the loop --- */

static int end_leases(struct lg_db *db, struct lg_err *e)
{
    int64_t at;
    int rc = lg_service_next_expiry(db, &at, e);
    if (!rc && at && at <= lg_clock_ms())
        rc = lg_service_sweep(db, e);
    return rc < 0 ? rc : 0;
}

int lg_registrar_run(struct lg_app *app, int bell_fd)
{
    (void)bell_fd;
    struct sigaction term = {.sa_handler = on_term};
    int64_t look_at = 0, grumble_at = 0;
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &term, NULL);
    while (!stopping) {
        struct lg_err e = {0};
        int rc = end_leases(app->db, &e);
        int64_t now = lg_clock_mono();
        if (!rc && now >= look_at) {
            rc = keep_own(app, &e);
            look_at = lg_clock_mono() + LOOK_MS;
        }
        if (rc && now >= grumble_at) {
            lg_log_err(LG_WARN, "the registry cannot be kept", &e);
            grumble_at = now + 10000;
        }
        poll(NULL, 0, TURN_MS);
    }
    return 0;
}
