#include "http/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

/* What a worker answers with; everything else is counted under the last, 0. */
static const short codes[] = {200, 201, 202, 204, 302, 303, 304, 307, 400, 401, 403, 404, 405, 409, 410,
                              411, 412, 413, 415, 422, 428, 429, 500, 501, 502, 503, 504, 507, 0};
static const struct {
    int64_t up_to_us;
    const char *le;
} buckets[] = {{1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},    {10000, "0.01"}, {25000, "0.025"},
               {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"},   {500000, "0.5"}, {1000000, "1"},
               {2500000, "2.5"}, {10000000, "10"}, {INT64_MAX, "+Inf"}};
#define CODES   (sizeof codes / sizeof codes[0])
#define BUCKETS (sizeof buckets / sizeof buckets[0])

struct cell {
    atomic_uint_fast64_t code[CODES], bucket[BUCKETS], sum_us;
};

/* Whose cell is which: the same in every worker, inherited from the master. */
struct slot {
    const struct lg_route *route;
    char method[12];
    size_t cell;
};
struct name { /* of a cell: routes of several dialects may share a pattern, and then a cell */
    const char *pattern, *method;
};

static struct shared {
    pthread_mutex_t lock; /* of `text`; robust: a worker may be killed while it holds it */
    int64_t text_at;      /* monotonic ms; 0 none */
    size_t text_len;
    char text[LG_SHARED_MAX];
    atomic_uint_fast64_t restarts;
    struct cell cell[];
} * shared;
static struct slot *slots;
static struct name *names;
static size_t slot_count, cell_count; /* cell 0: requests without a route */

/* --- made once --- */

static const struct slot *find_slot(const struct lg_route *route, const char *method)
{
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].route == route && !strcmp(slots[i].method, method))
            return &slots[i];
    return NULL;
}

static size_t find_cell(const char *pattern, const char *method)
{
    for (size_t i = 1; i < cell_count; i++)
        if (!strcmp(names[i].pattern, pattern) && !strcmp(names[i].method, method))
            return i;
    return cell_count;
}

/* One slot for each method of "PUT|POST". Tables of several dialects share routes: each has its slot once. */
static void add_route(const struct lg_route *r)
{
    for (const char *p = r->method; *p; p += strcspn(p, "|"), p += *p == '|') {
        struct slot *s = &slots[slot_count];
        snprintf(s->method, sizeof s->method, "%.*s", (int)strcspn(p, "|"), p);
        if (find_slot(r, s->method))
            continue;
        s->route = r;
        s->cell = find_cell(r->pattern, s->method);
        if (s->cell == cell_count)
            names[cell_count++] = (struct name){r->pattern, s->method};
        slot_count++;
    }
}

static size_t methods(const char *list)
{
    size_t n = 1;
    for (; *list; list++)
        n += *list == '|';
    return n;
}

/* Calls add_route for all of them; before there is room for slots it only counts how many there could be. */
static size_t each_route(const struct lg_pool *pools)
{
    size_t n = 0;
    for (const struct lg_pool *p = pools; p->name; p++) {
        const struct lg_route *const *const lists[] = {p->tables, p->tenant_tables, p->gateway_tables};
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
            for (const struct lg_route *const *t = lists[i]; t && *t; t++)
                for (const struct lg_route *r = *t; r->method; r++) {
                    n += methods(r->method);
                    if (slots)
                        add_route(r);
                }
    }
    return n;
}

static int make_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t a;
    int rc = pthread_mutexattr_init(&a);
    if (rc)
        return rc;
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    rc = pthread_mutex_init(lock, &a);
    pthread_mutexattr_destroy(&a);
    return rc;
}

int lg_metrics_start(const struct lg_pool *pools, struct lg_err *e)
{
    size_t most = each_route(pools) + 1;
    names = calloc(most, sizeof *names);
    slots = calloc(most, sizeof *slots);
    if (!slots || !names)
        return lg_fail(e, LG_INTERNAL, "no memory for the counters");
    names[0] = (struct name){"none", "any"};
    cell_count = 1;
    each_route(pools);
    void *at = mmap(NULL, sizeof *shared + cell_count * sizeof shared->cell[0], PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return lg_fail_errno(e, LG_INTERNAL, "no memory for the counters");
    shared = at;
    return make_lock(&shared->lock) ? lg_fail(e, LG_INTERNAL, "no lock for the counters") : 0;
}

/* --- counting --- */

static void add(atomic_uint_fast64_t *to, uint64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

void lg_metrics_count(const struct lg_route *route, const char *method, int status, int64_t took_us)
{
    size_t code = 0, bucket = 0;
    if (!shared)
        return;
    const struct slot *s = route ? find_slot(route, strcmp(method, "HEAD") ? method : "GET") : NULL;
    struct cell *c = &shared->cell[s ? s->cell : 0];
    while (codes[code] && codes[code] != status)
        code++;
    while (took_us > buckets[bucket].up_to_us)
        bucket++;
    add(&c->code[code], 1);
    add(&c->bucket[bucket], 1);
    add(&c->sum_us, took_us > 0 ? (uint64_t)took_us : 0);
}

void lg_metrics_restarted(void)
{
    if (shared)
        add(&shared->restarts, 1);
}

/* --- the text format --- */

void lg_metrics_family(struct lg_buf *out, const char *name, const char *type, const char *help)
{
    lg_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void lg_metrics_label(struct lg_buf *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n') {
            lg_buf_str(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\')
            lg_buf_char(out, '\\');
        lg_buf_char(out, *value);
    }
}

static uint64_t value(const atomic_uint_fast64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void labels(struct lg_buf *out, const char *name, const struct name *s)
{
    lg_buf_fmt(out, "%s{route=\"", name);
    lg_metrics_label(out, s->pattern);
    lg_buf_fmt(out, "\",method=\"%s\"", s->method);
}

static void render_requests(struct lg_buf *out)
{
    lg_metrics_family(out, "lodge_http_requests_total", "counter",
                      "Requests that a worker answered or handed on to lodge-stream, by route.");
    for (size_t i = 0; i < cell_count; i++)
        for (size_t c = 0; c < CODES; c++) {
            uint64_t n = value(&shared->cell[i].code[c]);
            if (!n)
                continue;
            labels(out, "lodge_http_requests_total", &names[i]);
            if (codes[c])
                lg_buf_fmt(out, ",code=\"%d\"} %llu\n", codes[c], (unsigned long long)n);
            else
                lg_buf_fmt(out, ",code=\"other\"} %llu\n", (unsigned long long)n);
        }
}

static void render_histogram(struct lg_buf *out, const struct name *s, const struct cell *c)
{
    unsigned long long n = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        n += value(&c->bucket[b]);
        if (b + 1 == BUCKETS && !n)
            return;
        labels(out, "lodge_http_request_duration_seconds_bucket", s);
        lg_buf_fmt(out, ",le=\"%s\"} %llu\n", buckets[b].le, n);
    }
    labels(out, "lodge_http_request_duration_seconds_sum", s);
    lg_buf_fmt(out, "} %.6f\n", (double)value(&c->sum_us) / 1e6);
    labels(out, "lodge_http_request_duration_seconds_count", s);
    lg_buf_fmt(out, "} %llu\n", n);
}

static bool used(const struct cell *c)
{
    for (size_t b = 0; b < BUCKETS; b++)
        if (value(&c->bucket[b]))
            return true;
    return false;
}

void lg_metrics_render(struct lg_buf *out)
{
    if (!shared)
        return;
    render_requests(out);
    lg_metrics_family(out, "lodge_http_request_duration_seconds", "histogram",
                      "Time in the worker until its answer was ready.");
    for (size_t i = 0; i < cell_count; i++)
        if (used(&shared->cell[i]))
            render_histogram(out, &names[i], &shared->cell[i]);
    lg_metrics_family(out, "lodge_http_worker_restarts_total", "counter",
                      "Workers of lodge-api that ended and were started again.");
    lg_buf_fmt(out, "lodge_http_worker_restarts_total %llu\n", (unsigned long long)value(&shared->restarts));
}

/* --- the shared text --- */

/* Whoever was killed inside left at worst half a text behind: it is forgotten. */
static bool take_lock(void)
{
    int rc = pthread_mutex_lock(&shared->lock);
    if (rc == EOWNERDEAD) {
        shared->text_at = 0;
        rc = pthread_mutex_consistent(&shared->lock);
    }
    return !rc;
}

bool lg_shared_take(int64_t keep_ms, struct lg_buf *out)
{
    if (!shared || !take_lock())
        return false;
    bool young = shared->text_at && lg_clock_mono() - shared->text_at < keep_ms;
    if (young)
        lg_buf_add(out, shared->text, shared->text_len);
    pthread_mutex_unlock(&shared->lock);
    return young;
}

void lg_shared_put(const char *text, size_t n)
{
    if (!shared || n > sizeof shared->text || !take_lock())
        return;
    memcpy(shared->text, text, n);
    shared->text_len = n;
    shared->text_at = lg_clock_mono();
    pthread_mutex_unlock(&shared->lock);
}
