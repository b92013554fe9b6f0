#include "base/histogram.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define MAGIC 0x4c474832u /* grows with each change of the layout */
#define SLOTS 128

const struct lg_histogram_step lg_histogram_steps[LG_HISTOGRAM_STEPS] = {
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},     {25000, "0.025"}, {50000, "0.05"},
    {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},     {1000000, "1"},   {2500000, "2.5"},
    {10000000, "10"}, {60000000, "60"}, {INT64_MAX, "+Inf"},
};

enum { FREE, CLAIMED, READY };

struct slot {
    atomic_uint state; /* a process killed in CLAIMED wastes it */
    char a[LG_HISTOGRAM_LABEL], b[LG_HISTOGRAM_LABEL];
    atomic_uint_fast64_t bucket[LG_HISTOGRAM_STEPS], sum_us, failed;
};

struct lg_histogram {
    uint32_t magic;
    struct slot slot[SLOTS];
};

/* A new file beside it, then the name: whoever maps the old one keeps it whole. */
int lg_histogram_make(struct lg_histogram **out, const char *path, int gid, struct lg_err *e)
{
    char tmp[PATH_MAX];
    snprintf(tmp, sizeof tmp, "%s.new", path);
    unlink(tmp);
    lg_cleanup_fd int fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    /* All its blocks now: on a full disk a write to a mapped hole is a SIGBUS. */
    if (fd < 0 || (errno = posix_fallocate(fd, 0, sizeof **out)) || fchmod(fd, 0640) ||
        (gid >= 0 && fchown(fd, (uid_t)-1, (gid_t)gid)))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", tmp);
    void *at = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return lg_fail_errno(e, LG_INTERNAL, "cannot map %s", tmp);
    *out = at;
    (*out)->magic = MAGIC;
    if (!rename(tmp, path))
        return 0;
    munmap(at, sizeof **out);
    *out = NULL;
    return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", path);
}

static void cut(char out[LG_HISTOGRAM_LABEL], const char *s)
{
    snprintf(out, LG_HISTOGRAM_LABEL, "%s", s);
}

static struct slot *find(struct lg_histogram *h, const char *a, const char *b)
{
    char la[LG_HISTOGRAM_LABEL], lb[LG_HISTOGRAM_LABEL];
    cut(la, a);
    cut(lb, b);
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &h->slot[i];
        unsigned state = atomic_load_explicit(&s->state, memory_order_acquire);
        if (state == READY && !strcmp(s->a, la) && !strcmp(s->b, lb))
            return s;
        if (state != FREE || !atomic_compare_exchange_strong(&s->state, &state, CLAIMED))
            continue; /* two processes may each make one of the same labels: the reader adds them up */
        memcpy(s->a, la, sizeof la);
        memcpy(s->b, lb, sizeof lb);
        atomic_store_explicit(&s->state, READY, memory_order_release);
        return s;
    }
    return NULL;
}

static void add(atomic_uint_fast64_t *to, uint64_t n)
{
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

void lg_histogram_add(struct lg_histogram *h, const char *a, const char *b, int64_t took_us, bool failed)
{
    struct slot *s = h ? find(h, a, b) : NULL;
    int step = 0;
    if (!s)
        return;
    while (took_us > lg_histogram_steps[step].up_to_us)
        step++;
    add(&s->bucket[step], 1);
    add(&s->sum_us, took_us > 0 ? (uint64_t)took_us : 0);
    add(&s->failed, failed);
}

/* ---- reading ---- */

static void add_up(struct lg_histogram_row *r, const struct slot *s)
{
    for (int i = 0; i < LG_HISTOGRAM_STEPS; i++) {
        uint64_t n = atomic_load_explicit(&s->bucket[i], memory_order_relaxed);
        r->bucket[i] += n;
        r->count += n;
    }
    r->sum_us += atomic_load_explicit(&s->sum_us, memory_order_relaxed);
    r->failed += atomic_load_explicit(&s->failed, memory_order_relaxed);
}

static bool same(const struct slot *x, const struct slot *y)
{
    return !strcmp(x->a, y->a) && !strcmp(x->b, y->b);
}

/* Slots of the same labels are one row, told where the first of them stands. */
static void each_row(struct lg_histogram *h, void (*fn)(void *arg, const struct lg_histogram_row *r),
                     void *arg)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &h->slot[i];
        s->a[sizeof s->a - 1] = s->b[sizeof s->b - 1] = 0;
        struct lg_histogram_row r = {.a = s->a, .b = s->b};
        bool first = atomic_load(&s->state) == READY;
        for (int k = 0; first && k < i; k++)
            first = atomic_load(&h->slot[k].state) != READY || !same(&h->slot[k], s);
        for (int k = i; first && k < SLOTS; k++)
            if (atomic_load(&h->slot[k].state) == READY && same(&h->slot[k], s))
                add_up(&r, &h->slot[k]);
        if (r.count)
            fn(arg, &r);
    }
}

int lg_histogram_read(const char *path, void (*fn)(void *arg, const struct lg_histogram_row *r), void *arg,
                      struct lg_err *e)
{
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : lg_fail_errno(e, LG_INTERNAL, "cannot read %s", path);
    struct lg_histogram *copy = malloc(sizeof *copy);
    bool ok = copy && pread(fd, copy, sizeof *copy, 0) == (ssize_t)sizeof *copy && copy->magic == MAGIC;
    if (ok)
        each_row(copy, fn, arg);
    free(copy);
    return ok ? 0 : lg_fail(e, LG_INTERNAL, "%s holds no histograms of this version", path);
}
