#include "driver/container/usage.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/container/instance.h"
#include "driver/sandbox.h"

#define NO_LIMIT ((int64_t)1 << 60) /* cgroup v1 writes "no limit" as a huge number */

static bool slurp(const char *path, char *out, size_t cap)
{
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
    out[n > 0 ? n : 0] = 0;
    return n > 0;
}

struct cgroups { /* directories of one process, "" where there is none */
    char cpu[512], memory[512], pids[512];
    bool v2;
};

static bool has_controller(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)); p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == 0))
            return true;
    return false;
}

static void set_dir(char out[512], const char *controller, const char *path)
{
    snprintf(out, 512, "/sys/fs/cgroup/%s%s", controller, path);
}

/* Reads /proc/<pid>/cgroup. False when the process is gone or is not this container's any more. */
static bool find_cgroups(int64_t pid, const char *ref, struct cgroups *c)
{
    char path[64], text[8192], *save = NULL;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/cgroup", pid);
    memset(c, 0, sizeof *c);
    if (pid <= 0 || !*ref || !slurp(path, text, sizeof text) || !strstr(text, ref))
        return false;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':'), *dir = list ? strchr(++list, ':') : NULL;
        if (!dir)
            continue;
        *dir++ = 0;
        if (has_controller(list, "cpuacct"))
            set_dir(c->cpu, "cpuacct", dir);
        if (has_controller(list, "memory"))
            set_dir(c->memory, "memory", dir);
        if (has_controller(list, "pids"))
            set_dir(c->pids, "pids", dir);
        if (!*list && !*c->memory) { /* the unified hierarchy, alone on newer hosts */
            set_dir(c->cpu, "", dir);
            set_dir(c->memory, "", dir);
            set_dir(c->pids, "", dir);
            c->v2 = true;
        }
    }
    c->v2 = c->v2 && !strncmp(c->cpu, "/sys/fs/cgroup//", 16);
    return *c->memory != 0;
}

/* A number in `dir`/`file`, or behind `key` in it. 0 when absent. */
static int64_t number(const char *dir, const char *file, const char *key)
{
    char path[600], text[8192];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (!slurp(path, text, sizeof text))
        return 0;
    if (!key)
        return isdigit((unsigned char)*text) ? strtoll(text, NULL, 10) : 0; /* "max" is no limit */
    size_t n = strlen(key);
    for (const char *p = text; p; p = strchr(p, '\n'), p += p != NULL)
        if (!strncmp(p, key, n) && p[n] == ' ')
            return strtoll(p + n, NULL, 10);
    return 0;
}

static int64_t cpu_us(const char *dir, bool v2)
{
    return v2 ? number(dir, "cpu.stat", "usage_usec") : number(dir, "cpuacct.usage", NULL) / 1000;
}

/* Memory without the page cache that the kernel can take back at once. */
static void read_cgroups(const struct cgroups *c, struct lg_usage *u)
{
    bool v2 = c->v2;
    u->cpu_us = cpu_us(c->cpu, v2);
    int64_t used = number(c->memory, v2 ? "memory.current" : "memory.usage_in_bytes", NULL);
    int64_t cache = number(c->memory, "memory.stat", v2 ? "inactive_file" : "total_inactive_file");
    u->memory_bytes = used > cache ? used - cache : used;
    u->memory_limit_bytes = number(c->memory, v2 ? "memory.max" : "memory.limit_in_bytes", NULL);
    if (u->memory_limit_bytes > NO_LIMIT)
        u->memory_limit_bytes = 0;
    u->pids = number(c->pids, "pids.current", NULL);
}

/* All interfaces of its network namespace but the loopback. */
static void read_network(int64_t pid, struct lg_usage *u)
{
    char path[64], text[8192], *save = NULL;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/net/dev", pid);
    if (!slurp(path, text, sizeof text))
        return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        long long rx, tx;
        char *colon = strchr(line, ':');
        if (!colon || strstr(line, " lo:") || !strncmp(line, "lo:", 3))
            continue;
        if (sscanf(colon + 1, "%lld %*d %*d %*d %*d %*d %*d %*d %lld", &rx, &tx) == 2) {
            u->rx_bytes += rx;
            u->tx_bytes += tx;
        }
    }
}

static bool read_process(int64_t pid, const char *ref, struct lg_usage *u)
{
    struct cgroups c;
    memset(u, 0, sizeof *u);
    u->disk_bytes = -1;
    if (!find_cgroups(pid, ref, &c))
        return false;
    read_cgroups(&c, u);
    read_network(pid, u);
    return true;
}

/* Is it still this container's process? */
static bool still_there(const struct lg_seen *s)
{
    struct cgroups c;
    return find_cgroups(s->pid, s->ref, &c);
}

int lg_ct_seen(struct lg_engine *g, const char *id, const struct lg_seen **out, struct lg_err *e)
{
    struct lg_ct_look l;
    struct lg_seen *s = NULL;
    for (unsigned i = 0; i < LG_USAGE_CACHE && !s; i++)
        if (!strcmp(g->seen[i].id, id))
            s = &g->seen[i];
    *out = s;
    if (s && *id && still_there(s))
        return 0;
    int rc = lg_ct_look(g, id, &l, e);
    if (rc)
        return rc;
    if (l.st.run == LG_RUN_ABSENT)
        return lg_fail(e, LG_NOT_FOUND, "the container engine has no container of this instance");
    if (!s)
        s = &g->seen[g->next_seen++ % LG_USAGE_CACHE];
    *s = (struct lg_seen){.pid = l.st.pid};
    snprintf(s->id, sizeof s->id, "%s", id);
    snprintf(s->ref, sizeof s->ref, "%s", l.st.ref);
    snprintf(s->upper, sizeof s->upper, "%s", l.upper);
    *out = s;
    return still_there(s) ? 0 : lg_fail(e, LG_STATE, "the container does not run");
}

void lg_ct_processes(const struct lg_seen *seen, void (*fn)(void *arg, int64_t pid), void *arg)
{
    struct cgroups c;
    char path[600];
    long long pid;
    if (!find_cgroups(seen->pid, seen->ref, &c))
        return;
    snprintf(path, sizeof path, "%s/cgroup.procs", c.memory);
    FILE *f = fopen(path, "re");
    while (f && fscanf(f, "%lld", &pid) == 1)
        fn(arg, pid);
    if (f)
        fclose(f);
}

int lg_ct_usage(struct lg_engine *g, const char *id, struct lg_usage *u, struct lg_err *e)
{
    const struct lg_seen *s;
    int rc = lg_ct_seen(g, id, &s, e);
    if (rc)
        return rc;
    return read_process(s->pid, s->ref, u) ? 0 : lg_fail(e, LG_STATE, "the container does not run");
}

bool lg_ct_sandbox_cgroups(int64_t pid, const char *ref, struct lg_sandbox *out)
{
    struct cgroups c;
    if (!find_cgroups(pid, ref, &c))
        return false;
    memcpy(out->memory, c.memory, sizeof out->memory);
    memcpy(out->pids, c.pids, sizeof out->pids);
    memcpy(out->cpu, c.cpu, sizeof out->cpu);
    out->cgroup2 = c.v2;
    return true;
}

int64_t lg_sandbox_cpu_us(const struct lg_sandbox *s)
{
    return *s->cpu ? cpu_us(s->cpu, s->cgroup2) : 0;
}

int64_t lg_sandbox_memory_peak(const struct lg_sandbox *s)
{
    return *s->memory ? number(s->memory, s->cgroup2 ? "memory.peak" : "memory.max_usage_in_bytes", NULL) : 0;
}

int64_t lg_sandbox_oom_kills(const struct lg_sandbox *s)
{
    return *s->memory ? number(s->memory, s->cgroup2 ? "memory.events" : "memory.oom_control", "oom_kill")
                      : 0;
}

static bool write_number(const char *dir, const char *file, int64_t v)
{
    char path[600], text[32];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    lg_cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    int n = snprintf(text, sizeof text, "%" PRId64, v);
    return fd >= 0 && write(fd, text, (size_t)n) == n;
}

bool lg_sandbox_memory_limit(const struct lg_sandbox *s, int64_t bytes)
{
    static const char memory[] = "memory.limit_in_bytes", with_swap[] = "memory.memsw.limit_in_bytes";
    if (!*s->memory)
        return false;
    if (s->cgroup2)
        return write_number(s->memory, "memory.max", bytes);
    /* Memory must never be above memory and swap: down in one order, up in the other. */
    bool down = bytes < number(s->memory, memory, NULL);
    return write_number(s->memory, down ? memory : with_swap, bytes) &&
           write_number(s->memory, down ? with_swap : memory, bytes);
}

bool lg_sandbox_pids_limit(const struct lg_sandbox *s, int64_t pids)
{
    return *s->pids && write_number(s->pids, "pids.max", pids);
}

int64_t lg_sandbox_pids_hits(const struct lg_sandbox *s)
{
    return *s->pids ? number(s->pids, "pids.events", "max") : 0;
}
