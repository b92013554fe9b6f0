#include "job/oneshot.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "driver/oneshot.h"
#include "job/image_use.h"
#include "model/frame.h"
#include "model/net.h"
#include "model/run_frame.h"
#include "store/code_network.h"
#include "store/oneshot.h"

#define REQUEST_MAX 1024
#define REQUEST_MS  5000
#define TICK_MS     250
#define UIDS        4000
#define PIDS        256
#define TMP_BYTES   ((int64_t)64 << 20)
#define READ_MAX    16384
#define PROGRESS_MS 300
#define ARGUMENTS   256

struct run {
    const struct lg_runner *runner;
    struct lg_db *db;
    struct lg_engines engines;
    const struct lg_driver *d;
    struct lg_engine *g;
    struct lg_oneshot o;
    struct lg_net net; /* and the place on it; at.address NULL: it has no network */
    char address[16], mac[18];
    struct lg_net_place at;
    char name[sizeof LG_ONESHOT_PREFIX + LG_ID_LEN];
    int pair;                                    /* our end of lodge-stream's */
    int stream;                                  /* the container's output */
    int64_t deadline, began, looked_at, told_at; /* lg_clock_mono */
    uint8_t head[8];
    unsigned have;
    uint32_t left;
    size_t written;
    struct lg_buf output; /* of one answer at the end */
    const char *limit;    /* why it was ended by us; NULL: it was not */
    int exit_code;
    bool oom;
};

/* ---- who listens ---- */

static volatile sig_atomic_t cancelled;
static int watched = -1;
static int64_t pull_until; /* lg_clock_mono; 0: none is under way */

/* Whoever waits may leave while an engine call is at work. Only async-signal-safe calls. */
static void look_at_client(int sig)
{
    (void)sig;
    struct pollfd f = {watched, POLLRDHUP, 0};
    if (watched >= 0 && poll(&f, 1, 0) > 0 && f.revents & (POLLRDHUP | POLLHUP | POLLERR))
        cancelled = 1;
    if (pull_until && lg_clock_mono() >= pull_until)
        cancelled = 1;
}

static void on_term(int sig)
{
    (void)sig;
    cancelled = 1;
}

static void watch_client(int fd)
{
    const struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &term, NULL);
    const struct itimerval often = {.it_interval = {.tv_usec = TICK_MS * 1000},
                                    .it_value = {.tv_usec = TICK_MS * 1000}};
    const struct sigaction sa = {.sa_handler = look_at_client, .sa_flags = SA_RESTART};
    watched = fd;
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

/* False when it must end: nobody listens, somebody asked, or its time is up. */
static bool goes_on(struct run *x)
{
    int64_t now = lg_clock_mono();
    if (cancelled)
        x->limit = "cancelled";
    else if (x->deadline && now >= x->deadline)
        x->limit = "time";
    else if (now - x->looked_at >= TICK_MS) {
        x->looked_at = now;
        if (lg_oneshot_stopped(x->db, x->o.id))
            x->limit = "stopped";
    }
    return !x->limit;
}

/* Writes all of it; false when it must end. */
static bool put(struct run *x, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t k = send(x->pair, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k > 0) {
            at += k;
            n -= (size_t)k;
            continue;
        }
        if (k < 0 && errno != EAGAIN && errno != EINTR)
            cancelled = 1;
        if (!goes_on(x))
            return false;
        poll(&(struct pollfd){x->pair, POLLOUT, 0}, 1, TICK_MS);
    }
    return true;
}

static bool frame(struct run *x, int type, const void *p, size_t n)
{
    uint8_t head[LG_FRAME_HEAD];
    lg_frame_head(head, type, n);
    return put(x, head, sizeof head) && put(x, p, n);
}

/* ---- what is told beside the output ---- */

static void tell_progress(void *arg, double fraction, const char *text)
{
    struct run *x = arg;
    lg_cleanup_buf struct lg_buf b = {.max = 4096};
    struct lg_json j;
    int64_t now = lg_clock_mono();
    if (!goes_on(x))
        cancelled = 1;
    if (x->o.whole || now - x->told_at < PROGRESS_MS)
        return;
    x->told_at = now;
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "state", "pulling");
    lg_json_str(&j, "text", text ? text : "");
    if (fraction >= 0)
        lg_json_real(&j, "progress", fraction);
    lg_json_end_obj(&j);
    if (!b.failed)
        frame(x, LG_RUN_FRAME_STATE, b.data, b.len);
}

/* The engine's refusals are this dialect's 500; that there is no engine stays what it is. */
static void tell_failure(struct run *x, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {.max = 8192};
    if (e->code == LG_BACKEND || e->code == LG_NOT_FOUND || e->code == LG_INVALID || e->code == LG_CONFLICT)
        e->code = LG_INTERNAL;
    lg_json_error(&b, e);
    if (!b.failed)
        frame(x, LG_RUN_FRAME_ERROR, b.data, b.len);
}

static void write_message(const struct run *x, struct lg_json *j)
{
    static const struct {
        const char *limit, *text;
    } why[] = {{"time", "the container was ended: its time was up"},
               {"output", "the container was ended: it wrote too much"},
               {"stopped", "the container was ended: somebody asked for it"},
               {"memory", "the container was ended: it used too much memory"}};
    char text[80];
    snprintf(text, sizeof text,
             x->exit_code ? "the container ended with exit code %d" : "the container ran to its end",
             x->exit_code);
    for (size_t i = 0; x->limit && i < sizeof why / sizeof why[0]; i++)
        if (!strcmp(x->limit, why[i].limit))
            snprintf(text, sizeof text, "%s", why[i].text);
    lg_json_str(j, "message", text);
}

static void tell_end(struct run *x)
{
    lg_cleanup_buf struct lg_buf b = {.max = (size_t)512 << 20};
    struct lg_json j;
    if (x->oom)
        x->limit = "memory";
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "id", x->o.id);
    write_message(x, &j);
    if (x->o.whole)
        lg_json_strn(&j, "output", lg_buf_cstr(&x->output), x->output.len);
    if (x->limit)
        lg_json_null(&j, "exitCode");
    else
        lg_json_int(&j, "exitCode", x->exit_code);
    lg_json_bool(&j, "success", !x->limit && !x->exit_code);
    lg_json_str(&j, "limit", x->limit);
    lg_json_int(&j, "timeMs", lg_clock_mono() - x->began);
    lg_json_end_obj(&j);
    x->deadline = lg_clock_mono() + REQUEST_MS; /* to take the answer */
    x->limit = NULL;
    if (!b.failed)
        frame(x, LG_RUN_FRAME_END, b.data, b.len);
}

/* ---- output ---- */

/* Bytes of one stream; what is over the limit is cut off and ends it. */
static bool output(struct run *x, int type, const uint8_t *p, size_t n)
{
    size_t room = (size_t)x->runner->conf->oneshot_output_kib * 1024 - x->written;
    bool over = n > room;
    n = over ? room : n;
    x->written += n;
    if (x->o.whole)
        lg_buf_add(&x->output, p, n);
    else if (n && !frame(x, type, p, n))
        return false;
    if (over)
        x->limit = "output";
    return !over;
}

/* The engine's frames: [1|2, 0, 0, 0, length] payload. */
static bool take(struct run *x, const uint8_t *p, size_t n)
{
    while (n) {
        if (x->have < sizeof x->head) {
            x->head[x->have++] = *p++;
            n--;
            x->left = (uint32_t)x->head[4] << 24 | (uint32_t)x->head[5] << 16 | (uint32_t)x->head[6] << 8 |
                      x->head[7];
        }
        if (x->have < sizeof x->head)
            continue;
        size_t k = n < x->left ? n : x->left;
        if (k && !output(x, x->head[0] == 2 ? LG_RUN_FRAME_ERR : LG_RUN_FRAME_OUT, p, k))
            return false;
        p += k;
        n -= k;
        x->left -= (uint32_t)k;
        if (!x->left)
            x->have = 0;
    }
    return true;
}

static void relay(struct run *x)
{
    uint8_t bytes[READ_MAX];
    while (goes_on(x)) {
        struct pollfd f = {x->stream, POLLIN, 0};
        if (poll(&f, 1, TICK_MS) <= 0)
            continue;
        ssize_t n = read(x->stream, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !take(x, bytes, (size_t)n))
            return;
    }
}

/* ---- the container ---- */

/* A registry's is pulled, with progress; anything else must be there. */
static int find_image(struct run *x, struct lg_err *e)
{
    struct lg_image_info info;
    const char *ref = x->o.image_ref;
    int rc = LG_VERB(x->d, image_find, e, x->g, ref, &info);
    if (!rc)
        lg_image_used(x->db, ref);
    if (rc != -(int)LG_NOT_FOUND || !strchr(ref, '/') || !strncmp(ref, "localhost/", 10))
        return rc;
    lg_err_clear(e);
    tell_progress(x, -1, "the image is pulled");
    if (!x->d->image_pull)
        return lg_fail(e, LG_UNSUPPORTED, "this engine pulls no images");
    pull_until = lg_clock_mono() + x->runner->conf->operation_timeout_s * 1000;
    rc = lg_image_use_pull(&(struct lg_image_pull){x->db, x->runner->conf, x->d, x->g, tell_progress, x}, ref,
                           &info, e);
    if (rc && lg_clock_mono() >= pull_until) {
        cancelled = 0; /* by the clock: whoever waits is told */
        lg_err_clear(e);
        rc = lg_fail(e, LG_TIMEOUT, "the image did not come within %ld s",
                     x->runner->conf->operation_timeout_s);
    }
    pull_until = 0;
    return rc;
}

static int start(struct run *x, struct lg_err *e)
{
    const struct lg_conf *c = x->runner->conf;
    const char *argv[ARGUMENTS + 1] = {NULL};
    lg_cleanup_json json_t *command = json_loads(x->o.command, 0, NULL);
    for (size_t i = 0; i < json_array_size(command) && i < ARGUMENTS; i++)
        argv[i] = json_string_value(json_array_get(command, i));
    int64_t memory = (int64_t)c->oneshot_memory_mib << 20;
    const struct lg_oneshot_spec s = {.place = x->at.address ? &x->at : NULL,
                                      .name = x->name,
                                      .image = x->o.image_ref,
                                      .command = argv,
                                      .uid = (uint32_t)(c->oneshot_uid_first + x->o.seq % UIDS),
                                      .memory_bytes = memory,
                                      .cpu_millis = c->sandbox_cpu_millis,
                                      .pids = PIDS,
                                      .disk_bytes = memory < TMP_BYTES ? memory : TMP_BYTES};
    return x->d->oneshot->start(x->g, &s, &x->stream, e);
}

/* Its output may end long before it does. */
static int wait_end(struct run *x, struct lg_err *e)
{
    int rc;
    for (int pause = 5;; pause = pause < TICK_MS ? pause * 2 : TICK_MS) {
        lg_err_clear(e);
        rc = x->d->oneshot->ended(x->g, x->name, &x->exit_code, &x->oom, e);
        if (rc != -(int)LG_STATE || !goes_on(x))
            break;
        lg_pause_ms(pause);
    }
    if (rc == -(int)LG_STATE)
        lg_err_clear(e);
    return rc == -(int)LG_STATE ? 0 : rc;
}

static int run_it(struct run *x, struct lg_err *e)
{
    int rc = find_image(x, e);
    if (rc)
        return rc;
    x->began = lg_clock_mono();
    x->deadline = x->began + (int64_t)x->runner->conf->oneshot_time_s * 1000;
    rc = start(x, e);
    if (rc)
        return rc;
    relay(x);
    return x->limit ? 0 : wait_end(x, e);
}

static int remove_it(struct run *x, struct lg_err *e)
{
    watched = -1; /* nothing may cut this short */
    cancelled = 0;
    return x->d->oneshot->remove(x->g, x->name, e);
}

/* ---- one connection ---- */

static void refuse(int sock, const struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {.max = 4096};
    lg_json_error(&b, e);
    if (!b.failed)
        (void)!send(sock, b.data, b.len, MSG_NOSIGNAL);
}

/* A place on the tenant's network, where its code may be there. */
static int find_place(struct run *x, struct lg_err *e)
{
    bool allowed;
    int index, rc = lg_code_network_allowed(x->db, x->o.tenant_id, &allowed, e);
    if (rc || !allowed)
        return rc;
    rc = lg_oneshot_place(x->db, &x->o, &index, e);
    rc = rc ? rc : lg_net_of(x->runner->conf->subnet_pool, x->runner->site, index, &x->net, e);
    if (rc)
        return rc;
    lg_net_host(&x->net, x->o.host_number, x->address, x->mac);
    x->at = (struct lg_net_place){.net = lg_net_spec_of(&x->net), .address = x->address, .mac = x->mac};
    return 0;
}

static int claim(struct run *x, const char *text, size_t n, struct lg_err *e)
{
    lg_cleanup_json json_t *j = lg_json_parse(text, n, 4, e);
    const char *id = json_string_value(json_object_get(j, "run"));
    const char *tenant = json_string_value(json_object_get(j, "tenant"));
    if (!id || !tenant || !lg_id_valid(id))
        return lg_fail(e, LG_INVALID, "run must be an id");
    int rc = lg_tx_write(x->db, e);
    rc = rc ? rc : lg_oneshot_claim(x->db, id, tenant, &x->o, e);
    bool found = rc > 0;
    if (found)
        rc = find_place(x, e);
    if (found && !rc)
        rc = lg_tx_commit(x->db, e) ? -(int)LG_STORAGE : 1;
    lg_tx_rollback(x->db);
    if (found && rc < 0) /* nobody comes for it again */
        lg_oneshot_end(x->db, id, -1, e->msg, NULL);
    return rc ? (rc > 0 ? 0 : rc) : lg_fail(e, LG_NOT_FOUND, "there is no such run (any more)");
}

static int engine_of(struct run *x, struct lg_err *e)
{
    lg_engines_init(&x->engines, x->runner, &cancelled);
    int rc = lg_engines_get(&x->engines, "docker", &x->d, &x->g, e);
    if (!rc && !x->d->oneshot)
        rc = lg_fail(e, LG_UNSUPPORTED, "this host's engine runs no containers for one command");
    return rc;
}

static int give_end(struct run *x, int sock, struct lg_err *e)
{
    static const char ok[] = "{\"ok\":true}";
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket pair");
    int rc = lg_send_fd(sock, ok, sizeof ok - 1, pair[0], e);
    close(pair[0]);
    x->pair = pair[1];
    return rc;
}

/* From the claim to the end; true when nothing is left. */
static bool live(struct run *x, int sock, char id[LG_ID_LEN])
{
    struct lg_err e = {0}, later = {0};
    snprintf(x->name, sizeof x->name, "%s%s", LG_ONESHOT_PREFIX, x->o.id);
    int rc = engine_of(x, &e);
    if (rc) {
        refuse(sock, &e);
        return !lg_oneshot_end(x->db, x->o.id, -1, e.msg, NULL);
    }
    memcpy(id, x->o.id, LG_ID_LEN); /* from here on there may be a container */
    if (!give_end(x, sock, &e)) {
        watch_client(x->pair);
        rc = run_it(x, &e);
    }
    lg_fd_close(&x->stream);
    bool gone = cancelled;
    int left = remove_it(x, &later);
    if (!gone && rc)
        tell_failure(x, &e);
    else if (!gone)
        tell_end(x);
    const char *why = rc ? e.msg : x->limit ? x->limit : gone ? "the client left" : "";
    left = left ? left : lg_oneshot_end(x->db, x->o.id, rc || *why ? -1 : x->exit_code, why, &later);
    if (left)
        lg_log_err(LG_WARN, "something is left of a run; it will be tried again", &later);
    return !left;
}

bool lg_oneshot_serve(const struct lg_runner *r, int sock, char id[LG_ID_LEN])
{
    char text[REQUEST_MAX];
    struct lg_err e = {0};
    struct run x = {.runner = r, .pair = -1, .stream = -1, .output.max = (size_t)128 << 20};
    struct pollfd f = {sock, POLLIN, 0};
    ssize_t n = poll(&f, 1, REQUEST_MS) > 0 ? recv(sock, text, sizeof text, MSG_DONTWAIT) : -1;
    if (n <= 0)
        return true;
    int rc = lg_db_open(&x.db, r->conf, &e);
    rc = rc ? rc : claim(&x, text, (size_t)n, &e);
    if (rc)
        refuse(sock, &e);
    bool clean = rc || live(&x, sock, id);
    lg_db_close(x.db);
    lg_oneshot_done(&x.o);
    lg_buf_done(&x.output);
    return clean;
}

/* ---- after a death ---- */

int lg_oneshot_clean(const struct lg_runner *r, const char *id, struct lg_err *e)
{
    struct run x = {.runner = r};
    int removed = 0, rc = engine_of(&x, e);
    if (rc == -(int)LG_UNSUPPORTED || rc == -(int)LG_UNAVAILABLE) { /* no such driver: nothing can be there */
        bool none = !x.d || !x.d->oneshot;
        rc = none ? 0 : rc;
    } else if (!rc) {
        snprintf(x.name, sizeof x.name, "%s%s", LG_ONESHOT_PREFIX, id);
        rc = *id ? x.d->oneshot->remove(x.g, x.name, e) : x.d->oneshot->sweep(x.g, &removed, e);
    }
    if (removed)
        lg_log(LG_INFO, "containers of an earlier runner were removed", NULL);
    rc = rc ? rc : lg_db_open(&x.db, r->conf, e);
    if (!rc)
        rc = *id ? lg_oneshot_end(x.db, id, -1, "the runner ended", e) : lg_oneshot_lost(x.db, e);
    lg_db_close(x.db);
    lg_engines_done(&x.engines);
    return rc;
}
