/*
 * Makers: children of the pool that speak to the engine, one sandbox at a time each. An order and its answer
 * are one datagram each; an answer to "make" is two, because a datagram carries one descriptor.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "model/net.h"
#include "sandbox/pool.h"
#include "store/code_network.h"

#define RESPAWN_MS 300
#define ASKED_MS   1000 /* somebody waits for one with a network */
#define ENGINE_MS  2000 /* pause after the engine failed */

enum what { MAKE, REMOVE, SWEEP, PIDFD, DONE };

struct message {
    enum what what;
    char name[LG_BOX_NAME], image[LG_REF_LEN];
    char tenant[LG_ID_LEN]; /* on whose network, and where */
    int host;
    uint32_t uid;
    int rc;
    char why[256];
    char memory[512], pids[512], cpu[512];
    bool cgroup2;
};

/* ---- in the maker ---- */

struct place {
    struct lg_net net;
    char address[16], mac[18];
    struct lg_net_place at;
};

/* A place on the tenant's network; the database says at this very moment whether it may be. */
static int find_place(struct lg_pool_state *p, const struct message *m, struct place *out, struct lg_err *e)
{
    int index, rc;
    struct lg_db *db = NULL;
    if (!m->host)
        return lg_fail(e, LG_LIMIT, "the tenant's network has no free address for code; try again");
    rc = lg_db_open(&db, p->runner->conf, e);
    rc = rc ? rc : lg_code_network_place(db, m->tenant, m->host, &index, e);
    lg_db_close(db);
    rc = rc ? rc : lg_net_of(p->runner->conf->subnet_pool, p->runner->site, index, &out->net, e);
    if (rc)
        return rc;
    lg_net_host(&out->net, m->host, out->address, out->mac);
    out->at =
        (struct lg_net_place){.net = lg_net_spec_of(&out->net), .address = out->address, .mac = out->mac};
    return 0;
}

static void make(struct lg_pool_state *p, struct lg_engine *g, int sock, struct message *m)
{
    struct place place;
    const struct lg_conf *c = p->runner->conf;
    struct lg_sandbox out = {.stream = -1, .pidfd = -1};
    struct lg_err e = {0};
    struct lg_sandbox_spec s = {.name = m->name,
                                .image = m->image,
                                .uid = m->uid,
                                .memory_bytes = (int64_t)c->sandbox_memory_mib << 20,
                                .cpu_millis = c->sandbox_cpu_millis,
                                .pids = c->sandbox_pids,
                                .disk_bytes = (int64_t)c->sandbox_disk_mib << 20};
    if (*m->tenant) {
        s.place = &place.at;
        m->rc = find_place(p, m, &place, &e);
    }
    if (!m->rc)
        m->rc = p->driver->sandbox->make(g, &s, &out, &e);
    snprintf(m->why, sizeof m->why, "%.255s", e.msg);
    memcpy(m->memory, out.memory, sizeof m->memory);
    memcpy(m->pids, out.pids, sizeof m->pids);
    memcpy(m->cpu, out.cpu, sizeof m->cpu);
    m->cgroup2 = out.cgroup2;
    m->what = PIDFD;
    if (!m->rc && lg_send_fd(sock, m, sizeof *m, out.pidfd, &e))
        _exit(1);
    m->what = DONE;
    if (lg_send_fd(sock, m, sizeof *m, out.stream, &e))
        _exit(1);
    lg_fd_close(&out.stream);
    lg_fd_close(&out.pidfd);
}

static void maker_main(struct lg_pool_state *p, int sock)
{
    struct lg_driver_ctx ctx = {.conf = p->runner->conf, .site = p->runner->site};
    struct lg_engine *g = NULL;
    struct lg_err e = {0};
    struct message m;
    if (p->driver->open(&ctx, &g, &e)) {
        lg_log_err(LG_ERROR, "a maker of sandboxes has no engine", &e);
        _exit(1);
    }
    while (recv(sock, &m, sizeof m, 0) == (ssize_t)sizeof m) {
        int swept = 0;
        lg_err_clear(&e);
        if (m.what == MAKE) {
            make(p, g, sock, &m);
            continue;
        }
        m.rc = m.what == REMOVE ? p->driver->sandbox->remove(g, m.name, &e)
                                : p->driver->sandbox->sweep(g, &swept, &e);
        if (swept)
            lg_log(LG_INFO, "removed sandboxes that an earlier pool had left", NULL);
        snprintf(m.why, sizeof m.why, "%.255s", e.msg);
        m.what = DONE;
        if (lg_send_fd(sock, &m, sizeof m, -1, &e))
            break;
    }
    _exit(0);
}

/* ---- in the pool ---- */

/* The pool's descriptors, strangers' streams among them, are none of a child's business. */
static void close_others(const struct lg_pool_state *p, int keep)
{
    int lock = p->runner->lock_fd;
    for (int fd = 3; fd < 4096; fd++)
        if (fd != keep && fd != lock)
            close(fd);
}

static int start(struct lg_maker *k, struct lg_err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket pair");
    pid_t pid = lg_child_fork("lodge-maker", e);
    if (!pid) {
        close_others(k->pool, pair[1]);
        maker_main(k->pool, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pid;
    }
    lg_fd_nonblock(pair[0], true);
    k->pid = pid;
    k->sock.fd = pair[0];
    k->sock.events = EPOLLIN;
    k->box = -1;
    k->pidfd = -1;
    return lg_loop_add(&k->pool->loop, &k->sock) ? lg_fail_errno(e, LG_INTERNAL, "cannot watch a maker") : 0;
}

static void engine_failed(struct lg_pool_state *p, const char *why)
{
    if (strcmp(p->engine_why, why) != 0)
        lg_log(LG_WARN, "the engine makes no sandboxes", "why", why, NULL);
    snprintf(p->engine_why, sizeof p->engine_why, "%s", why);
    p->engine_down_until = lg_clock_mono() + ENGINE_MS;
}

/* What is wrong with one tenant's network is nobody else's matter. */
static void refused(struct lg_class *c, const struct message *m)
{
    lg_err_clear(&c->why);
    lg_fail(&c->why, (enum lg_code) - m->rc, "%s", m->why);
    c->refused_at = lg_clock_mono();
    c->asked_at = 0;
}

static void made(struct lg_maker *k, struct lg_box *b, const struct message *m, int stream)
{
    struct lg_sandbox meta = {.cgroup2 = m->cgroup2};
    memcpy(meta.memory, m->memory, sizeof meta.memory);
    memcpy(meta.pids, m->pids, sizeof meta.pids);
    memcpy(meta.cpu, m->cpu, sizeof meta.cpu);
    int pidfd = k->pidfd;
    k->pidfd = -1;
    if (m->rc || stream < 0 || pidfd < 0) {
        if (*b->class->tenant && m->rc && m->rc != -(int)LG_UNAVAILABLE)
            refused(b->class, m);
        else
            engine_failed(k->pool, m->why);
        lg_fd_close(&stream);
        lg_fd_close(&pidfd);
        lg_box_end(b); /* whatever the engine has of it is removed */
        return;
    }
    *k->pool->engine_why = 0;
    lg_box_started(b, stream, pidfd, &meta);
}

static void answered(struct lg_maker *k, const struct message *m, int fd)
{
    struct lg_pool_state *p = k->pool;
    int box = k->box;
    k->box = -1;
    if (box == LG_BOXES_MAX) { /* the sweep */
        p->swept = !m->rc;
        if (m->rc)
            engine_failed(p, m->why);
    } else if (box >= 0 && k->removing) {
        struct lg_box *b = &p->box[box];
        b->told = false;
        b->retry_at = lg_clock_mono() + ENGINE_MS;
        if (!m->rc)
            b->state = LG_BOX_NONE;
        else
            engine_failed(p, m->why);
    } else if (box >= 0) {
        made(k, &p->box[box], m, fd);
        return;
    }
    lg_fd_close(&fd);
}

static void on_word(struct lg_source *s, uint32_t events)
{
    struct lg_maker *k = lg_container_of(s, struct lg_maker, sock);
    struct message m;
    int fd = -1;
    (void)events;
    ssize_t n = lg_recv_fd(s->fd, &m, sizeof m, &fd);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t)sizeof m) {
        lg_fd_close(&fd);
        lg_loop_close(&k->pool->loop, s); /* SIGCHLD tells the rest */
    } else if (m.what == PIDFD) {
        k->pidfd = fd;
    } else {
        answered(k, &m, fd);
    }
}

static bool tell(struct lg_maker *k, const struct message *m, int box, bool removing)
{
    if (send(k->sock.fd, m, sizeof *m, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof *m)
        return false;
    k->box = box;
    k->removing = removing;
    return true;
}

/* Making sandboxes costs a core. While tenants share the host one maker works and the other core is theirs,
 * unless somebody finds nothing ready. */
static bool hold_back(const struct lg_pool_state *p)
{
    int busy = 0;
    for (int i = 0; i < LG_MAKERS; i++)
        busy += p->maker[i].box >= 0;
    if (!p->shared || !busy || p->end_by)
        return false;
    for (int i = 0; i < LG_CLASSES_MAX + LG_NET_CLASSES; i++) {
        int ready, making;
        const struct lg_class *c = &p->class[i];
        bool wanted = c->image && (!*c->tenant || lg_clock_mono() - c->asked_at < ASKED_MS);
        lg_boxes_count(p, c, &ready, &making);
        if (wanted && c->image->step == LG_IMAGE_READY && !ready)
            return false;
    }
    return true;
}

static struct lg_maker *idle(const struct lg_pool_state *p)
{
    if (hold_back(p))
        return NULL;
    for (int i = 0; i < LG_MAKERS; i++)
        if (p->maker[i].pid && p->maker[i].sock.fd >= 0 && p->maker[i].box < 0)
            return (struct lg_maker *)(uintptr_t)&p->maker[i];
    return NULL;
}

bool lg_makers_idle(const struct lg_pool_state *p)
{
    return idle(p) != NULL;
}

bool lg_maker_make(struct lg_pool_state *p, struct lg_box *b)
{
    struct lg_maker *k = idle(p);
    struct message m = {.what = MAKE};
    m.uid = (uint32_t)p->runner->conf->sandbox_uid_first + p->next_uid++ % 60000;
    snprintf(m.name, sizeof m.name, "%s", b->name);
    snprintf(m.image, sizeof m.image, "%s", b->class->image->ref);
    snprintf(m.tenant, sizeof m.tenant, "%s", b->class->tenant);
    m.host = b->net_host = *b->class->tenant ? lg_boxes_free_host(p, b) : 0;
    return k && tell(k, &m, (int)(b - p->box), false);
}

bool lg_maker_remove(struct lg_pool_state *p, struct lg_box *b)
{
    struct lg_maker *k = idle(p);
    struct message m = {.what = REMOVE};
    snprintf(m.name, sizeof m.name, "%s", b->name);
    return k && tell(k, &m, (int)(b - p->box), true);
}

void lg_makers_tend(struct lg_pool_state *p)
{
    struct lg_err e = {0};
    for (int i = 0; i < LG_MAKERS; i++)
        if (!p->maker[i].pid && lg_clock_mono() >= p->maker[i].start_at && start(&p->maker[i], &e))
            lg_log_err(LG_ERROR, "a maker of sandboxes does not start", &e);
    struct lg_maker *k = idle(p);
    struct message m = {.what = SWEEP};
    bool sweeping = false;
    for (int i = 0; i < LG_MAKERS; i++)
        sweeping = sweeping || p->maker[i].box == LG_BOXES_MAX;
    if (k && !p->swept && !sweeping && lg_clock_mono() >= p->engine_down_until)
        tell(k, &m, LG_BOXES_MAX, false);
}

void lg_makers_lost(struct lg_pool_state *p, pid_t pid)
{
    for (int i = 0; i < LG_MAKERS; i++) {
        struct lg_maker *k = &p->maker[i];
        if (k->pid != pid)
            continue;
        if (k->box >= 0 && k->box < LG_BOXES_MAX) {
            lg_box_end(&p->box[k->box]);
            p->box[k->box].told = false;
        }
        lg_loop_close(&p->loop, &k->sock);
        lg_fd_close(&k->pidfd);
        k->pid = 0;
        k->box = -1;
        k->start_at = lg_clock_mono() + RESPAWN_MS;
    }
}

int lg_makers_start(struct lg_pool_state *p, struct lg_err *e)
{
    for (int i = 0; i < LG_MAKERS; i++)
        p->maker[i] =
            (struct lg_maker){.pool = p, .sock = {.fd = -1, .ready = on_word}, .box = -1, .pidfd = -1};
    for (int i = 0; i < LG_MAKERS; i++) {
        int rc = start(&p->maker[i], e);
        if (rc)
            return rc;
    }
    return 0;
}
