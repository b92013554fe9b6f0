/* Sandboxes: how many there should be, what goes in and out of them, their end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "box/wire.h"
#include "model/net.h"
#include "sandbox/pool.h"

#define READ_MAX    65536
#define OUT_MAX     ((size_t)48 << 20) /* a request's code, files and input, in frames */
#define TEXT_MAX    8192
#define CLASSES     (LG_CLASSES_MAX + LG_NET_CLASSES)
#define DEMAND_MS   10000 /* sandboxes taken within it say how many will be wanted */
#define RETRY_MS    1000
#define ENGINE_MS   2000  /* pause after the engine failed to make one */
#define ASKED_MS    1000  /* somebody waits for one with a network */
#define NET_WARM_MS 30000 /* one with a network is kept ready so long after the last was asked for */

/* ---- numbers ---- */

void lg_boxes_count(const struct lg_pool_state *p, const struct lg_class *c, int *ready, int *making)
{
    *ready = *making = 0;
    for (int i = 0; i < LG_BOXES_MAX; i++) {
        const struct lg_box *b = &p->box[i];
        if (b->class == c && b->state == LG_BOX_READY)
            ++*ready;
        else if (b->class == c && b->state == LG_BOX_MAKING)
            ++*making;
    }
}

static struct lg_box *ready_one(struct lg_pool_state *p, const struct lg_class *c, int keep)
{
    int ready, making;
    lg_boxes_count(p, c, &ready, &making);
    for (int i = 0; i < LG_BOXES_MAX && ready > keep; i++)
        if (p->box[i].class == c && p->box[i].state == LG_BOX_READY)
            return &p->box[i];
    return NULL;
}

/* Few places are left. */
static bool crowded(const struct lg_pool_state *p)
{
    int n = 0;
    for (int i = 0; i < LG_BOXES_MAX; i++)
        n += p->box[i].state != LG_BOX_NONE;
    return n * 4 > p->runner->conf->sandbox_max * 3;
}

/* Somebody waits for one of this kind. */
static bool awaited(const struct lg_pool_state *p, const struct lg_class *c)
{
    const struct lg_task *r;
    TAILQ_FOREACH(r, &p->runs, all)
    if (r->state == LG_TASK_WAITING && !r->session && !r->network && !strcmp(r->lang->image, c->image->name))
        return true;
    return false;
}

/* How many should be ready: what the table says, more while they are taken fast; when memory is short none
 * but a plain one for whoever waits. */
static int wanted(const struct lg_pool_state *p, const struct lg_class *c)
{
    int64_t now = lg_clock_mono();
    int recent = 0,
        least = c->host && c->host->warm ? (int)c->host->warm : (int)p->runner->conf->sandbox_warm;
    if (p->end_by)
        return 0;
    if (*c->tenant)
        return c->asked_at && now - c->asked_at < (p->pressure ? 1000 : NET_WARM_MS);
    if (p->pressure)
        return !c->host && awaited(p, c);
    for (size_t i = 0; i < sizeof c->used_at / sizeof c->used_at[0]; i++)
        recent += c->used_at[i] && now - c->used_at[i] < DEMAND_MS;
    int most = (int)p->runner->conf->sandbox_max / 2;
    int n = (least < 3 && p->shared ? 3 : least) + recent / 2;
    return n > most ? most : n;
}

/* ---- making ---- */

static struct lg_box *empty_slot(struct lg_pool_state *p)
{
    for (int i = 0; i < LG_BOXES_MAX && i < p->runner->conf->sandbox_max; i++)
        if (p->box[i].state == LG_BOX_NONE)
            return &p->box[i];
    return NULL;
}

static bool make_one(struct lg_pool_state *p, struct lg_class *c)
{
    struct lg_box *b = lg_makers_idle(p) ? empty_slot(p) : NULL;
    if (!b)
        return false;
    *b = (struct lg_box){.pool = p,
                         .state = LG_BOX_MAKING,
                         .class = c,
                         .stream = {.fd = -1},
                         .sb = {.stream = -1, .pidfd = -1},
                         .text = {.max = TEXT_MAX + LG_BOX_FRAME_MAX},
                         .out = {.max = OUT_MAX}};
    snprintf(b->name, sizeof b->name, "lodge-box-%.8s-%d-%u", p->runner->site, (int)getpid(), ++p->next_name);
    if (lg_maker_make(p, b))
        return true;
    b->state = LG_BOX_NONE;
    return false;
}

/* Somebody waits for one of this kind, */
static bool asked(const struct lg_pool_state *p, const struct lg_class *c)
{
    return *c->tenant ? lg_clock_mono() - c->asked_at < ASKED_MS : !c->host && awaited(p, c);
}

/* and there is none. */
static bool missing(const struct lg_pool_state *p, const struct lg_class *c)
{
    int ready, making;
    lg_boxes_count(p, c, &ready, &making);
    return c->image->step == LG_IMAGE_READY && !ready && !making && asked(p, c);
}

static void refill(struct lg_pool_state *p)
{
    bool full = crowded(p), more = p->swept && !p->end_by && lg_clock_mono() >= p->engine_down_until;
    while (more) {
        struct lg_class *most = NULL;
        int lack = 0;
        for (int i = 0; i < CLASSES; i++) {
            int ready, making;
            struct lg_class *c = &p->class[i];
            if (!c->image || c->image->step != LG_IMAGE_READY)
                continue;
            lg_boxes_count(p, c, &ready, &making);
            int n = wanted(p, c) - ready - making;
            if (n > 0 && full && missing(p, c)) /* the last places are for whoever waits */
                n += LG_BOXES_MAX;
            if (n > lack) {
                lack = n;
                most = c;
            }
        }
        more = most && make_one(p, most);
    }
}

/* More than there should be, the oldest way of shrinking first: all at once under memory pressure. */
static void shrink(struct lg_pool_state *p)
{
    for (int i = 0; i < CLASSES; i++) {
        int ready, making, over;
        if (!p->class[i].image)
            continue;
        lg_boxes_count(p, &p->class[i], &ready, &making);
        over = ready - wanted(p, &p->class[i]) - (p->pressure || *p->class[i].tenant ? 0 : 2);
        for (int k = 0; k < LG_BOXES_MAX && over > 0; k++)
            if (p->box[k].class == &p->class[i] && p->box[k].state == LG_BOX_READY) {
                lg_box_end(&p->box[k]);
                over--;
            }
    }
}

/* Those that are ready take all places, and somebody waits for another kind: one of the commonest goes. */
static void make_room(struct lg_pool_state *p)
{
    const struct lg_class *most = NULL;
    bool wait = false;
    int spare = 0;
    for (int i = 0; i < LG_BOXES_MAX; i++)
        if (p->box[i].state == LG_BOX_ENDING)
            return;
    for (int i = 0; i < CLASSES && !empty_slot(p); i++) {
        int ready, making;
        const struct lg_class *c = &p->class[i];
        if (!c->image)
            continue;
        lg_boxes_count(p, c, &ready, &making);
        wait = wait || missing(p, c);
        if (ready - asked(p, c) > spare) {
            spare = ready - asked(p, c);
            most = c;
        }
    }
    struct lg_box *b = wait && most ? ready_one(p, most, 0) : NULL;
    if (b)
        lg_box_end(b);
}

/* An interpreter that waits: its words go in as soon as the sandbox is there, so it is up when it is needed.
 */
static void warm_up(struct lg_box *b)
{
    lg_cleanup_buf struct lg_buf argv = {.max = 8192};
    const json_t *word;
    size_t i;
    json_array_foreach(b->class->host->host, i, word)
        lg_buf_add(&argv, json_string_value(word), json_string_length(word) + 1);
    if (!argv.failed)
        lg_box_send(b, LG_BOX_HOST, argv.data, argv.len);
}

static void on_stream(struct lg_source *src, uint32_t events);

void lg_box_started(struct lg_box *b, int stream, int pidfd, const struct lg_sandbox *meta)
{
    b->sb = *meta;
    b->sb.stream = stream;
    b->sb.pidfd = pidfd;
    b->stream = (struct lg_source){.fd = stream, .events = EPOLLIN, .ready = on_stream};
    lg_fd_nonblock(stream, true);
    if (lg_loop_add(&b->pool->loop, &b->stream))
        lg_box_end(b);
}

/* ---- taking ---- */

static struct lg_class *class_of(struct lg_pool_state *p, const struct lg_image_state *im,
                                 const struct lg_language *host)
{
    for (int i = 0; i < p->classes; i++)
        if (p->class[i].image == im && p->class[i].host == host)
            return &p->class[i];
    return NULL;
}

static bool unused(const struct lg_pool_state *p, const struct lg_class *c)
{
    for (int i = 0; i < LG_BOXES_MAX; i++)
        if (p->box[i].class == c && p->box[i].state != LG_BOX_NONE)
            return false;
    return true;
}

/* The class on a tenant's network, made when it is new. NULL: there are too many at the moment. */
static struct lg_class *net_class(struct lg_pool_state *p, struct lg_image_state *im, const char *tenant)
{
    struct lg_class *slot = NULL;
    for (int i = LG_CLASSES_MAX; i < CLASSES; i++) {
        struct lg_class *c = &p->class[i];
        if (c->image == im && !strcmp(c->tenant, tenant))
            return c;
        bool free = !c->image || (lg_clock_mono() - c->asked_at > NET_WARM_MS && unused(p, c));
        if (free && (!slot || c->asked_at < slot->asked_at))
            slot = c;
    }
    if (!slot)
        return NULL;
    *slot = (struct lg_class){.image = im};
    snprintf(slot->tenant, sizeof slot->tenant, "%s", tenant);
    return slot;
}

static struct lg_box *take(struct lg_class *c, struct lg_box *b)
{
    c->used_at[c->used++ % (sizeof c->used_at / sizeof c->used_at[0])] = lg_clock_mono();
    b->state = LG_BOX_BUSY;
    return b;
}

static struct lg_box *take_net(struct lg_pool_state *p, const struct lg_language *l, const char *tenant)
{
    struct lg_class *c = net_class(p, lg_image_of(p, l), tenant);
    if (!c)
        return NULL;
    c->asked_at = lg_clock_mono();
    struct lg_box *b = ready_one(p, c, 0);
    return b ? take(c, b) : NULL;
}

const struct lg_err *lg_boxes_refused(struct lg_pool_state *p, const struct lg_language *l,
                                      const char *tenant, int64_t since)
{
    const struct lg_class *c = net_class(p, lg_image_of(p, l), tenant);
    return c && c->refused_at > since ? &c->why : NULL;
}

/* Of all the tenant's sandboxes, whatever their image; it is in use until the engine has removed its box. */
int lg_boxes_free_host(const struct lg_pool_state *p, const struct lg_box *b)
{
    bool used[LG_NET_CODE_HOSTS] = {false};
    for (int i = 0; i < LG_BOXES_MAX; i++) {
        const struct lg_box *o = &p->box[i];
        if (o != b && o->state != LG_BOX_NONE && o->net_host && !strcmp(o->class->tenant, b->class->tenant))
            used[o->net_host - LG_NET_FIRST_SANDBOX] = true;
    }
    for (int i = 0; i < LG_NET_CODE_HOSTS; i++)
        if (!used[i])
            return LG_NET_FIRST_SANDBOX + i;
    return 0;
}

/* One of those that are wanted is for anybody, and so are all when no more can be made. */
static struct lg_box *ready_but(struct lg_pool_state *p, const struct lg_class *c, int keep)
{
    int most = empty_slot(p) ? wanted(p, c) - 1 : 0;
    return ready_one(p, c, keep < most ? keep : most < 0 ? 0 : most);
}

struct lg_box *lg_boxes_take(struct lg_pool_state *p, struct lg_task *r, int keep)
{
    struct lg_image_state *im = lg_image_of(p, r->lang);
    struct lg_box *b;
    if (r->network) {
        b = take_net(p, r->lang, r->tenant);
        if (b)
            b->run = r;
        return b;
    }
    struct lg_class *own = r->lang->host ? class_of(p, im, r->lang) : NULL, *plain = class_of(p, im, NULL);
    b = own ? ready_but(p, own, keep) : NULL;
    struct lg_class *used = own ? own : plain;
    b = b || !plain ? b : ready_but(p, plain, keep);
    if (b)
        take(used, b)->run = r;
    return b;
}

struct lg_box *lg_boxes_take_plain(struct lg_pool_state *p, const struct lg_language *l, const char *tenant)
{
    struct lg_class *c = tenant ? NULL : class_of(p, lg_image_of(p, l), NULL);
    struct lg_box *b = c ? ready_one(p, c, 0) : NULL;
    return tenant ? take_net(p, l, tenant) : b ? take(c, b) : NULL;
}

/* ---- bytes ---- */

void lg_box_flush(struct lg_box *b)
{
    while (b->stream.fd >= 0 && b->sent < b->out.len) {
        ssize_t n =
            send(b->stream.fd, b->out.data + b->sent, b->out.len - b->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* full, or at its end, which reading finds */
        b->sent += (size_t)n;
    }
    if (b->sent == b->out.len) {
        lg_buf_done(&b->out);
        b->sent = 0;
        if (b->run)
            lg_task_drained(b->run);
    }
    uint32_t want = b->stream.events & EPOLLIN;
    if (b->stream.fd >= 0)
        lg_loop_want(&b->pool->loop, &b->stream, want | (b->out.len ? EPOLLOUT : 0));
}

void lg_box_send(struct lg_box *b, int type, const void *p, size_t n)
{
    const char *at = p;
    if (b->state == LG_BOX_ENDING)
        return;
    do {
        size_t k = n > LG_BOX_FRAME_MAX ? LG_BOX_FRAME_MAX : n;
        const char head[LG_BOX_HEAD] = {(char)type, (char)(k >> 24), (char)(k >> 16), (char)(k >> 8),
                                        (char)k};
        lg_buf_add(&b->out, head, sizeof head);
        if (k)
            lg_buf_add(&b->out, at, k);
        at += k;
        n -= k;
    } while (n);
    if (b->out.failed)
        lg_box_end(b);
    else
        lg_box_flush(b);
}

void lg_box_pause(struct lg_box *b, bool pause)
{
    if (b->stream.fd >= 0)
        lg_loop_want(&b->pool->loop, &b->stream, (pause ? 0 : EPOLLIN) | (b->out.len ? EPOLLOUT : 0));
}

/* The cgroup shall be what stops a fork bomb: it counts how often it did, and the limit of a user does not.
 */
static void room_for_processes(struct lg_box *b)
{
    char text[48];
    int n = snprintf(text, sizeof text, "processes %d", (int)b->pool->runner->conf->sandbox_pids + 8);
    if (*b->sb.pids)
        lg_box_send(b, LG_BOX_LIMIT, text, (size_t)n);
}

static void frame(struct lg_box *b, int type, const char *p, size_t n)
{
    if (type == LG_BOX_HELLO && b->state == LG_BOX_MAKING) {
        b->state = LG_BOX_READY;
        room_for_processes(b);
        if (b->class->host)
            warm_up(b);
    } else if (b->run) {
        lg_task_frame(b->run, type, p, n);
    } else if (b->session) {
        lg_repl_frame(b->session, type, p, n);
    }
}

static void lost(struct lg_box *b, const char *why)
{
    struct lg_task *r = b->run;
    struct lg_repl *s = b->session;
    lg_box_end(b);
    if (r)
        lg_task_box_gone(r, why);
    else if (s)
        lg_repl_end_because(s, why);
}

/* Bytes of lodge-box, in whatever pieces they come. Output goes on at once, the rest is collected. */
static void inner(struct lg_box *b, const uint8_t *p, size_t n)
{
    while (n && b->state != LG_BOX_ENDING) {
        if (b->have < LG_BOX_HEAD) {
            b->head[b->have++] = *p++;
            n--;
            if (b->have < LG_BOX_HEAD)
                continue;
            b->left = (uint32_t)b->head[1] << 24 | (uint32_t)b->head[2] << 16 | (uint32_t)b->head[3] << 8 |
                      b->head[4];
            lg_buf_reset(&b->text);
            if (b->left > LG_BOX_FRAME_MAX) {
                lost(b, "the sandbox does not keep to its protocol");
                return;
            }
        }
        size_t k = n < b->left ? n : b->left;
        bool output = b->head[0] >= LG_BOX_OUT && b->head[0] <= LG_BOX_CERR;
        b->left -= (uint32_t)k;
        if (output && k)
            frame(b, b->head[0], (const char *)p, k);
        else if (k)
            lg_buf_add(&b->text, p, k);
        p += k;
        n -= k;
        if (b->left)
            continue;
        b->have = 0;
        if (!output)
            frame(b, b->head[0], lg_buf_cstr(&b->text), b->text.len);
    }
}

static void on_stream(struct lg_source *src, uint32_t events)
{
    static uint8_t bytes[READ_MAX];
    struct lg_box *b = lg_container_of(src, struct lg_box, stream);
    struct lg_piece piece;
    if (events & EPOLLOUT)
        lg_box_flush(b);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || b->stream.fd < 0)
        return;
    ssize_t n = recv(src->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lost(b, "the sandbox ended before the program did");
        return;
    }
    const uint8_t *p = bytes;
    size_t left = (size_t)n;
    int rc;
    while ((rc = lg_frames_next(&b->outer, &p, &left, &piece)) > 0 && b->state != LG_BOX_ENDING)
        if (piece.stream == 1)
            inner(b, piece.p, piece.n);
    if (rc < 0)
        lost(b, "the engine's stream is broken");
}

/* ---- the end ---- */

void lg_box_end(struct lg_box *b)
{
    if (b->state == LG_BOX_NONE || b->state == LG_BOX_ENDING)
        return;
    if (b->sb.pidfd >= 0)
        syscall(SYS_pidfd_send_signal, b->sb.pidfd, SIGKILL, NULL, 0);
    lg_fd_close(&b->sb.pidfd);
    lg_loop_close(&b->pool->loop, &b->stream);
    lg_buf_done(&b->out);
    lg_buf_done(&b->text);
    b->sent = 0;
    b->run = NULL;
    if (b->session)
        b->session->box = NULL;
    b->session = NULL;
    b->told = false;
    b->retry_at =
        lg_clock_mono() + 50; /* the engine notices by itself that it has ended; asked at once it stumbles */
    b->state = LG_BOX_ENDING;
}

bool lg_boxes_end(struct lg_pool_state *p)
{
    bool none = true;
    for (int i = 0; i < LG_BOXES_MAX; i++) {
        struct lg_box *b = &p->box[i];
        if (b->state != LG_BOX_MAKING || b->stream.fd >= 0) /* else a maker is at work on it */
            lg_box_end(b);
        none &= b->state == LG_BOX_NONE;
    }
    return none;
}

void lg_boxes_tend(struct lg_pool_state *p)
{
    int64_t now = lg_clock_mono();
    shrink(p);
    make_room(p);
    if (!crowded(p))
        refill(p);
    for (int i = 0; i < LG_BOXES_MAX; i++) {
        struct lg_box *b = &p->box[i];
        if (b->state == LG_BOX_ENDING && !b->told && now >= b->retry_at && !(b->told = lg_maker_remove(p, b)))
            break;
    }
    refill(p);
}
