/* What lodge-api asks the pool: a row per question, each answered with JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "box/wire.h"
#include "sandbox/peer.h"

#define READY_MS 3000 /* a session's asker waits so long for a sandbox */

static int64_t number_of(const json_t *o, const char *key, int64_t absent, int64_t most)
{
    const json_t *v = json_object_get(o, key);
    int64_t n = json_is_integer(v) && json_integer_value(v) > 0 ? json_integer_value(v) : absent;
    return most && n > most ? most : n;
}

static int over(struct lg_err *e, const char *name, const char *ceiling, int64_t most, int64_t asked)
{
    lg_fail(e, LG_LIMIT,
            "limits.%s of %lld is more than the tenant's code may have: its %s is %lld; an administrator can "
            "raise it",
            name, (long long)asked, ceiling, (long long)most);
    lg_err_detail(e, "limit", "%s", ceiling);
    lg_err_detail(e, "field", "limits.%s", name);
    lg_err_detail(e, "total", "%lld", (long long)most);
    lg_err_detail(e, "requested", "%lld", (long long)asked);
    lg_err_detail(e, "scope", "tenant");
    return lg_err_detail(e, "raisedBy", "administrator");
}

/* Lowered to the host's settings; what is asked for above the tenant's ceiling is refused, and what is not
 * asked for is lowered to it. */
static int take_limits(struct lg_pool_state *p, struct lg_task *r, const json_t *asked,
                       const json_t *ceilings, struct lg_err *e)
{
    const struct lg_conf *c = p->runner->conf;
    struct lg_task_limits *l = &r->limits;
    int64_t time_ms = r->lang->time_ms ? r->lang->time_ms : c->sandbox_time_ms,
            time_max = c->sandbox_time_max_ms,
            memory = (r->lang->memory_mib ? r->lang->memory_mib : c->sandbox_memory_mib) << 20;
    const struct {
        const char *name, *ceiling; /* of the tenant, NULL: it has none */
        int64_t *to, absent, most;
    } rows[] = {
        {"timeMs", "codeTimeMs", &l->time_ms, time_ms, time_max},
        {"compileTimeMs", "codeTimeMs", &l->compile_ms, 30000, time_max},
        {"memoryBytes", "codeMemory", &l->memory, memory, (int64_t)c->sandbox_memory_max_mib << 20},
        {"outputBytes", "codeOutput", &l->output, (int64_t)c->sandbox_output_kib << 10, (int64_t)8 << 20},
        {"fileBytes", NULL, &l->file, 0, (int64_t)c->sandbox_disk_mib << 20},
        {"cpuSeconds", NULL, &l->cpu_s, time_max / 1000, time_max / 1000},
        {"processes", NULL, &l->processes, c->sandbox_pids, c->sandbox_pids},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t most = rows[i].ceiling ? number_of(ceilings, rows[i].ceiling, 0, 0) : 0;
        int64_t v = number_of(asked, rows[i].name, 0, 0);
        if (most && v > most)
            return over(e, rows[i].name, rows[i].ceiling, most, v);
        v = number_of(asked, rows[i].name, rows[i].absent, rows[i].most);
        *rows[i].to = most && v > most ? most : v;
    }
    if (l->memory == (int64_t)c->sandbox_memory_mib << 20)
        l->memory = 0; /* as it was made */
    return 0;
}

static int take_files(struct lg_task *r, const json_t *list, size_t *total, struct lg_err *e)
{
    size_t i, n = json_array_size(list);
    json_t *o;
    if (n > LG_TASK_FILES)
        return lg_fail(e, LG_INVALID, "more than %d files", LG_TASK_FILES);
    r->files = calloc(n + 1, sizeof *r->files);
    if (!r->files)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    json_array_foreach(list, i, o)
    {
        snprintf(r->files[i].path, sizeof r->files[i].path, "%s", lg_json_text(o, "path"));
        r->files[i].size = (size_t)number_of(o, "size", 0, LG_PEER_BLOB_MAX);
        *total += r->files[i].size;
        r->file_count++;
    }
    return 0;
}

/* Whole question → run. */
static int question_run(struct lg_peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                        struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    const char *name = lg_json_text(q, "language"), *in = lg_json_text(q, "session");
    struct lg_repl *s = *in ? lg_repl_find(p, in, lg_json_text(q, "tenant")) : NULL;
    const struct lg_language *lang = s ? s->lang : lg_language_find(&p->langs, name);
    if (*in && !s)
        return lg_repl_none(p, in, lg_json_text(q, "tenant"), e);
    if (!lang)
        return lg_fail(e, LG_INVALID, "there is no language \"%.64s\": GET /api/repl/languages lists them",
                       name);
    struct lg_task *r = calloc(1, sizeof *r);
    if (!r)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    r->lang = lang;
    r->args = json_incref(json_object_get(q, "args"));
    r->whole = json_is_true(json_object_get(q, "whole"));
    r->interactive = json_is_true(json_object_get(q, "interactive"));
    r->network = json_is_true(json_object_get(q, "network"));
    r->again = !r->interactive && json_is_true(json_object_get(q, "again"));
    snprintf(r->tenant, sizeof r->tenant, "%s", lg_json_text(q, "tenant"));
    snprintf(r->user, sizeof r->user, "%s", lg_json_text(q, "user"));
    r->code_size = (size_t)number_of(q, "codeSize", 0, LG_PEER_BLOB_MAX);
    r->input_size = (size_t)number_of(q, "inputSize", 0, LG_PEER_BLOB_MAX);
    size_t total = r->code_size + r->input_size;
    int rc = take_limits(p, r, json_object_get(q, "limits"), json_object_get(q, "ceilings"), e);
    rc = rc ? rc : take_files(r, json_object_get(q, "files"), &total, e);
    r->blob.max = LG_PEER_BLOB_MAX;
    if (!rc && total != n)
        rc = lg_fail(e, LG_INTERNAL, "the request's sizes do not fit");
    lg_buf_add(&r->blob, n ? blob : "", n);
    rc = rc ? rc : r->blob.failed ? lg_fail(e, LG_TOO_LARGE, "code, files and input are too large") : 0;
    rc = rc ? rc : s ? lg_task_enter(p, r, s, e) : lg_task_submit(p, r, e);
    if (rc) {
        lg_task_free(r);
        return rc;
    }
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "id", r->id);
    lg_json_str(&j, "language", lang->name);
    lg_json_str(&j, "state", r->state == LG_TASK_WAITING ? "queued" : "running");
    lg_json_end_obj(&j);
    return 0;
}

static void write_language(struct lg_pool_state *p, const struct lg_language *l, struct lg_json *j)
{
    const struct lg_image_state *im = lg_image_of(p, l);
    const json_t *alias;
    size_t i;
    int ready = 0;
    for (int k = 0; k < LG_BOXES_MAX; k++)
        ready += p->box[k].state == LG_BOX_READY && p->box[k].class->image == im &&
                 (!p->box[k].class->host || p->box[k].class->host == l);
    lg_json_obj(j, NULL);
    lg_json_str(j, "name", l->name);
    lg_json_str(j, "title", l->title);
    lg_json_arr(j, "aliases");
    json_array_foreach(l->aliases, i, alias) lg_json_str(j, NULL, json_string_value(alias));
    lg_json_end_arr(j);
    lg_json_str(j, "version", *l->version ? l->version : NULL);
    lg_json_str(j, "image", *im->ref ? im->ref : l->image);
    lg_json_str(j, "state", lg_image_word(im));
    lg_json_real(j, "progress", im->progress);
    lg_json_str(j, "message", *im->text ? im->text : NULL);
    lg_json_str(j, "file", l->file);
    lg_json_bool(j, "compiled", l->compile != NULL);
    lg_json_bool(j, "sessions", l->session != NULL);
    lg_json_int(j, "warm", ready);
    lg_json_str(j, "example", l->example);
    lg_json_end_obj(j);
}

static int question_languages(struct lg_peer *c, const json_t *q, const char *blob, size_t n,
                              struct lg_buf *out, struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    struct lg_json j;
    (void)q, (void)blob, (void)n, (void)e;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_arr(&j, "languages");
    for (int i = 0; i < p->langs.count; i++)
        if (lg_image_of(p, &p->langs.lang[i])->step == LG_IMAGE_READY)
            lg_json_str(&j, NULL, p->langs.lang[i].name);
    lg_json_end_arr(&j);
    lg_json_arr(&j, "details");
    for (int i = 0; i < p->langs.count; i++)
        write_language(p, &p->langs.lang[i], &j);
    lg_json_end_arr(&j);
    lg_json_str(&j, "notice", *p->langs.notice ? p->langs.notice : NULL);
    lg_json_end_obj(&j);
    return 0;
}

static int question_prepare(struct lg_peer *c, const json_t *q, const char *blob, size_t n,
                            struct lg_buf *out, struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    const struct lg_language *l = lg_language_find(&p->langs, lg_json_text(q, "language"));
    (void)blob, (void)n;
    if (!l)
        return lg_fail(e, LG_NOT_FOUND, "there is no such language");
    int rc = lg_image_prepare(lg_image_of(p, l), e);
    struct lg_json j;
    lg_json_init(&j, out);
    write_language(p, l, &j);
    return rc;
}

static int question_stop(struct lg_peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                         struct lg_err *e)
{
    struct lg_task *r = lg_task_find(c->pool, lg_json_text(q, "id"));
    (void)blob, (void)n;
    bool stop = json_is_true(json_object_get(q, "stop"));
    if (!r || strcmp(r->tenant, lg_json_text(q, "tenant")) || (stop && r->state == LG_TASK_DONE))
        return lg_fail(e, LG_NOT_FOUND, "no such run is waiting or running");
    if (stop)
        lg_task_stop(r, "stopped");
    lg_buf_str(out, "{}");
    return 0;
}

static int question_status(struct lg_peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                           struct lg_err *e)
{
    const struct lg_pool_state *p = c->pool;
    struct lg_json j;
    int count[LG_BOX_ENDING + 1] = {0};
    (void)q, (void)blob, (void)n, (void)e;
    for (int i = 0; i < LG_BOXES_MAX; i++)
        count[p->box[i].state]++;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_int(&j, "running", p->going);
    lg_json_int(&j, "waiting", p->waiting);
    lg_json_int(&j, "ready", count[LG_BOX_READY]);
    lg_json_int(&j, "making", count[LG_BOX_MAKING]);
    lg_json_int(&j, "ending", count[LG_BOX_ENDING]);
    lg_json_bool(&j, "memoryPressure", p->pressure);
    lg_json_str(&j, "engine", *p->engine_why ? p->engine_why : NULL);
    lg_json_end_obj(&j);
    return 0;
}

static int ready(struct lg_pool_state *p, const struct lg_language *l, struct lg_err *e)
{
    return lg_image_check(lg_image_of(p, l), l, e);
}

/* None is ready yet: the asker waits for a while. */
static int wait_ready(struct lg_peer *c, const char *tenant, const struct lg_err *no, struct lg_err *e)
{
    int rc = no ? lg_fail(e, no->code, "%s", no->msg) : lg_peer_may_wait(c, tenant, e);
    if (rc)
        return rc;
    if (lg_clock_mono() - c->came_at < READY_MS) {
        lg_peer_wait(c, tenant, NULL);
        return 1;
    }
    lg_fail(e, LG_RATE, "no sandbox is ready; try again");
    return lg_err_detail(e, "retryAfter", "1");
}

static int question_session(struct lg_peer *c, const json_t *q, const char *blob, size_t n,
                            struct lg_buf *out, struct lg_err *e)
{
    struct lg_pool_state *p = c->pool;
    const struct lg_language *l = lg_language_find(&p->langs, lg_json_text(q, "language"));
    struct lg_repl *s = NULL;
    struct lg_json j;
    (void)blob, (void)n;
    if (!l)
        return lg_fail(e, LG_INVALID, "there is no such language: GET /api/repl/languages lists them");
    int64_t ttl = number_of(q, "ttl", p->runner->conf->sandbox_session_s, 86400) * 1000;
    int rc = ready(p, l, e);
    const char *tenant = lg_json_text(q, "tenant");
    bool network = json_is_true(json_object_get(q, "network"));
    rc = rc ? rc : lg_repl_start(p, l, tenant, lg_json_text(q, "user"), ttl, network, &s, e);
    if (rc > 0)
        return wait_ready(c, tenant, network ? lg_boxes_refused(p, l, tenant, c->came_at) : NULL, e);
    if (rc)
        return rc;
    lg_json_init(&j, out);
    lg_repl_json(s, &j);
    return 0;
}

static int question_sessions(struct lg_peer *c, const json_t *q, const char *blob, size_t n,
                             struct lg_buf *out, struct lg_err *e)
{
    struct lg_repl *s;
    struct lg_json j;
    (void)blob, (void)n, (void)e;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_arr(&j, "sessions");
    TAILQ_FOREACH(s, &c->pool->sessions, link)
    if (!strcmp(s->tenant, lg_json_text(q, "tenant")))
        lg_repl_json(s, &j);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    return 0;
}

/* Of one session: what it is, its end, its files. */
static int question_of_session(struct lg_peer *c, const json_t *q, const char *blob, size_t n,
                               struct lg_buf *out, struct lg_err *e)
{
    struct lg_repl *s = lg_repl_find(c->pool, lg_json_text(q, "id"), lg_json_text(q, "tenant"));
    const char *what = lg_json_text(q, "what");
    int order = !strcmp(what, "put") ? LG_BOX_FILE : !strcmp(what, "get") ? LG_BOX_GET : LG_BOX_LIST;
    struct lg_json j;
    if (!s)
        return lg_repl_none(c->pool, lg_json_text(q, "id"), lg_json_text(q, "tenant"), e);
    if (!strcmp(what, "end")) {
        if (s->task && s->task->state == LG_TASK_GOING)
            lg_task_stop(s->task, "stopped");
        else
            lg_repl_end(s);
        lg_buf_str(out, "{}");
        return 0;
    }
    if (!strcmp(what, "interrupt")) {
        if (!s->task || !s->box)
            return lg_fail(e, LG_STATE, "no snippet is running in this session");
        if (s->task->state == LG_TASK_WAITING)
            lg_task_stop(s->task, "stopped");
        else
            lg_box_send(s->box, LG_BOX_STOP, NULL, 0);
        lg_buf_str(out, "{}");
        return 0;
    }
    if (!strcmp(what, "show")) {
        lg_json_init(&j, out);
        lg_repl_json(s, &j);
        return 0;
    }
    int rc = lg_peer_may_wait(c, s->tenant, e);
    rc = rc ? rc : lg_room_for(c->pool, s->tenant, n, e);
    rc = rc ? rc : lg_repl_files(s, order, lg_json_text(q, "path"), blob, n, c, lg_peer_answer, e);
    if (rc > 0 && !c->answered)
        lg_peer_wait(c, s->tenant, s);
    return rc;
}

static const struct {
    const char *name;
    int (*fn)(struct lg_peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
              struct lg_err *e);
} questions[] = {
    {"run", question_run},           {"languages", question_languages},   {"prepare", question_prepare},
    {"stop", question_stop},         {"status", question_status},         {"session", question_session},
    {"sessions", question_sessions}, {"of-session", question_of_session},
};

int lg_question(struct lg_peer *c, const json_t *q, const char *blob, size_t n, struct lg_buf *out,
                struct lg_err *e)
{
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        if (!strcmp(questions[i].name, lg_json_text(q, "t")))
            return questions[i].fn(c, q, blob, n, out, e);
    return lg_fail(e, LG_INVALID, "unknown question");
}
