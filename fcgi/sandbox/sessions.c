/*
 * Sessions: a sandbox with one interpreter that keeps its state between snippets. A lease that each use
 * renews ends it; so does whatever ends its interpreter. While a snippet runs nothing else is done in it.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "box/wire.h"
#include "sandbox/pool.h"

#define SNIPPET     ".snippet"
#define WHERE       "/box/"
#define LOOK_MS     1000
#define REST_CPU_US 500000 /* of a session, from one snippet to the next: stopping takes a moment */

struct lg_repl *lg_repl_find(struct lg_pool_state *p, const char *id, const char *tenant)
{
    struct lg_repl *s;
    TAILQ_FOREACH(s, &p->sessions, link)
    if (!strcmp(s->id, id) && !strcmp(s->tenant, tenant))
        return s;
    return NULL;
}

int lg_repl_none(const struct lg_pool_state *p, const char *id, const char *tenant, struct lg_err *e)
{
    for (size_t i = 0; i < LG_ENDED_MAX; i++) {
        const struct lg_ended *o = &p->ended[i];
        if (o->why && !strcmp(o->id, id) && !strcmp(o->tenant, tenant))
            return lg_fail(e, LG_NOT_FOUND, "the session has ended: %s", o->why);
    }
    return lg_fail(e, LG_NOT_FOUND, "there is no such session, or it has ended");
}

static void renew(struct lg_repl *s)
{
    s->expires_at = lg_clock_ms() + s->ttl_ms;
    lg_timer_set(&s->pool->loop.timers, &s->lease, lg_clock_mono() + s->ttl_ms);
}

static void answer_asker(struct lg_repl *s, const struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf text = {.max = LG_BOX_GET_MAX * 2};
    if (!s->asker)
        return;
    void *asker = s->asker;
    s->asker = NULL;
    if (e)
        lg_json_error(&text, e);
    else if (s->getting) {
        size_t cap = sodium_base64_ENCODED_LEN(s->said.len, sodium_base64_VARIANT_ORIGINAL);
        lg_buf_str(&text, "{\"base64\":\"");
        if (lg_buf_reserve(&text, cap + 8)) {
            sodium_bin2base64(text.data + text.len, cap, (const unsigned char *)lg_buf_cstr(&s->said),
                              s->said.len, sodium_base64_VARIANT_ORIGINAL);
            text.len += cap - 1;
        }
        lg_buf_str(&text, "\"}");
    } else {
        lg_buf_fmt(&text, "{\"files\":[%s]}", lg_buf_cstr(&s->said));
    }
    lg_buf_done(&s->said);
    s->reply(asker, &text);
}

void lg_repl_end(struct lg_repl *s)
{
    struct lg_pool_state *p = s->pool;
    struct lg_err e = {0};
    lg_fail(&e, LG_GONE, "the session has ended");
    answer_asker(s, &e);
    lg_timer_cancel(&p->loop.timers, &s->lease);
    TAILQ_REMOVE(&p->sessions, s, link);
    if (s->box) {
        s->box->session = NULL;
        lg_box_end(s->box);
    }
    if (s->task) { /* which waits for its turn */
        s->task->session = NULL;
        lg_task_fail(s->task, LG_GONE, e.msg);
    }
    lg_buf_done(&s->said);
    free(s);
}

void lg_repl_end_because(struct lg_repl *s, const char *why)
{
    struct lg_ended *o = &s->pool->ended[s->pool->endings++ % LG_ENDED_MAX];
    *o = (struct lg_ended){.why = why};
    memcpy(o->id, s->id, sizeof o->id);
    memcpy(o->tenant, s->tenant, sizeof o->tenant);
    lg_repl_end(s);
}

static void on_lease(struct lg_timer *t)
{
    struct lg_repl *s = lg_container_of(t, struct lg_repl, lease);
    if (s->task)
        renew(s); /* it is in use */
    else
        lg_repl_end_because(s, "its lease ran out");
}

static int admit(struct lg_pool_state *p, const struct lg_language *l, const char *tenant, struct lg_err *e)
{
    struct lg_repl *s;
    int all = 0, own = 0;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        all++;
        own += !strcmp(s->tenant, tenant);
    }
    if (!l->session)
        return lg_fail(e, LG_UNSUPPORTED, "%s has no sessions", l->title);
    if (all < p->runner->conf->sandbox_max / 2 && own < p->runner->conf->sandbox_tenant_sessions)
        return 0;
    lg_fail(e, LG_RATE, "too many sessions are open; end one");
    return lg_err_detail(e, "retryAfter", "30");
}

int lg_repl_start(struct lg_pool_state *p, const struct lg_language *l, const char *tenant, const char *user,
                  int64_t ttl_ms, bool network, struct lg_repl **out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf argv = {.max = 8192};
    const json_t *word;
    size_t i;
    int rc = admit(p, l, tenant, e);
    struct lg_box *b = rc ? NULL : lg_boxes_take_plain(p, l, network ? tenant : NULL);
    if (rc)
        return rc;
    if (!b)
        return 1;
    struct lg_repl *s = calloc(1, sizeof *s);
    if (!s) {
        lg_box_end(b);
        return lg_fail(e, LG_INTERNAL, "out of memory");
    }
    *s = (struct lg_repl){.pool = p,
                          .lang = l,
                          .box = b,
                          .ttl_ms = ttl_ms,
                          .created_at = lg_clock_ms(),
                          .lease.fire = on_lease,
                          .rest_cpu_us = -1,
                          .said.max = LG_BOX_GET_MAX};
    lg_id_new(s->id);
    snprintf(s->tenant, sizeof s->tenant, "%s", tenant);
    snprintf(s->user, sizeof s->user, "%s", user);
    b->session = s;
    TAILQ_INSERT_TAIL(&p->sessions, s, link);
    renew(s);
    json_array_foreach(l->session, i, word)
        lg_buf_add(&argv, json_string_value(word), json_string_length(word) + 1);
    lg_box_send(b, LG_BOX_HOST, argv.data, argv.len);
    *out = s;
    return 0;
}

/* ---- rest ---- */

static void rest(struct lg_repl *s)
{
    s->rest_cpu_us = lg_sandbox_cpu_us(&s->box->sb);
    s->rest_bytes = 0;
}

/* A snippet is no way to go on without limits: lodge-box stops what it leaves behind until the next one, and
 * whoever gets round that is not worth a session. */
static void at_rest_said(struct lg_repl *s, size_t n)
{
    s->rest_bytes += (int64_t)n;
    if (s->rest_bytes > (int64_t)s->pool->runner->conf->sandbox_output_kib << 10)
        lg_repl_end_because(s, "it went on printing between snippets");
}

static bool restless(const struct lg_repl *s)
{
    bool rests =
        s->box && s->rest_cpu_us >= 0 && !s->listens && (!s->task || s->task->state == LG_TASK_WAITING);
    return rests && lg_sandbox_cpu_us(&s->box->sb) - s->rest_cpu_us > REST_CPU_US;
}

void lg_repls_tend(struct lg_pool_state *p)
{
    struct lg_repl *s, *next;
    int64_t now = lg_clock_mono();
    if (now < p->look_at_rest)
        return;
    p->look_at_rest = now + LOOK_MS;
    for (s = TAILQ_FIRST(&p->sessions); s; s = next) {
        next = TAILQ_NEXT(s, link);
        if (restless(s))
            lg_repl_end_because(s, "it went on computing between snippets");
    }
}

/* ---- snippets ---- */

int lg_repl_enter(struct lg_repl *s, struct lg_task *r, struct lg_err *e)
{
    if (s->task || s->listens)
        return lg_fail(e, LG_CONFLICT, "the session is busy with another snippet");
    s->task = r;
    r->session = s;
    r->lang = s->lang;
    return 0;
}

void lg_repl_order(struct lg_buf *order, struct lg_task *r)
{
    const json_t *word;
    size_t i;
    lg_box_send(r->box, LG_BOX_FILE, SNIPPET, sizeof SNIPPET - 1);
    if (r->code_size)
        lg_box_send(r->box, LG_BOX_DATA, r->blob.data, r->code_size);
    lg_buf_add(order, WHERE SNIPPET, sizeof WHERE SNIPPET); /* a snippet may have left the folder */
    lg_buf_fmt(order, "%zu", json_array_size(r->args));
    lg_buf_add(order, "", 1);
    json_array_foreach(r->args, i, word)
        lg_buf_add(order, json_string_value(word), json_string_length(word) + 1);
}

void lg_repl_leave(struct lg_repl *s, bool keep)
{
    s->task->session = NULL;
    s->task = NULL;
    if (s->box)
        s->box->run = NULL;
    if (keep && s->box) {
        renew(s);
        rest(s);
    } else
        lg_repl_end(s);
}

/* ---- files ---- */

int lg_repl_files(struct lg_repl *s, int what, const char *path, const char *p, size_t n, void *asker,
                  void (*reply)(void *asker, const struct lg_buf *text), struct lg_err *e)
{
    struct lg_box *b = s->box;
    if (s->task || s->listens)
        return lg_fail(e, LG_CONFLICT, "the session is busy with a snippet");
    s->listens = true;
    lg_err_clear(&s->refused);
    s->asker = asker;
    s->reply = reply;
    s->getting = what == LG_BOX_GET;
    lg_buf_reset(&s->said);
    renew(s);
    if (what == LG_BOX_FILE) {
        lg_box_send(b, LG_BOX_FILE, path, strlen(path));
        if (n)
            lg_box_send(b, LG_BOX_DATA, p, n);
    }
    if (s->getting)
        lg_box_send(b, LG_BOX_GET, path, strlen(path));
    else
        lg_box_send(b, LG_BOX_LIST, NULL, 0);
    if (!s->box) { /* it has not read for long */
        s->asker = NULL;
        lg_repl_end(s);
        return lg_fail(e, LG_GONE, "the session has ended: its sandbox takes nothing any more");
    }
    return 1; /* answered later */
}

static void entry(struct lg_repl *s, const char *text)
{
    long long size, mtime;
    int at = 0;
    struct lg_json j;
    if (sscanf(text, "%lld %lld %n", &size, &mtime, &at) != 2 || !at || !strcmp(text + at, SNIPPET))
        return;
    if (s->said.len)
        lg_buf_char(&s->said, ',');
    lg_json_init(&j, &s->said);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "path", text + at);
    lg_json_int(&j, "size", size);
    lg_json_time(&j, "modifiedAt", mtime);
    lg_json_end_obj(&j);
}

/* The last word about files. Whoever asked may have left: it is not the answer to the next who asks. */
static void files_done(struct lg_repl *s)
{
    s->listens = false;
    if (s->said.failed)
        lg_fail(&s->refused, LG_TOO_LARGE, "the file is larger than %zu bytes", LG_BOX_GET_MAX);
    answer_asker(s, s->refused.code ? &s->refused : NULL);
    lg_buf_done(&s->said);
    if (s->rest_cpu_us >= 0) /* what lodge-box itself did for it does not count */
        s->rest_cpu_us = lg_sandbox_cpu_us(&s->box->sb);
}

void lg_repl_frame(struct lg_repl *s, int type, const char *p, size_t n)
{
    if (type == LG_BOX_ENDED) { /* nothing can be run any more */
        lg_repl_end_because(s, "its interpreter ended");
    } else if (!s->listens || (type >= LG_BOX_OUT && type <= LG_BOX_CERR)) {
        at_rest_said(s, n + LG_BOX_HEAD);
    } else if (type == LG_BOX_ENTRY) {
        entry(s, p);
    } else if (type == LG_BOX_CONTENT) {
        lg_buf_add(&s->said, p, n);
    } else if (type == LG_BOX_REFUSED) {
        lg_fail(&s->refused, s->getting ? LG_NOT_FOUND : LG_INVALID, "%.*s", (int)(n < 300 ? n : 300), p);
        if (s->getting) /* after what was put comes the list */
            files_done(s);
    } else if (type == LG_BOX_OK) {
        files_done(s);
    }
}

void lg_repl_json(const struct lg_repl *s, struct lg_json *j)
{
    lg_json_obj(j, NULL);
    lg_json_str(j, "id", s->id);
    lg_json_str(j, "language", s->lang->name);
    lg_json_str(j, "state", s->task ? "running" : "idle");
    lg_json_str(j, "user", s->user);
    lg_json_int(j, "ttlSeconds", s->ttl_ms / 1000);
    lg_json_time(j, "createdAt", s->created_at);
    lg_json_time(j, "expiresAt", s->expires_at);
    lg_json_end_obj(j);
}
