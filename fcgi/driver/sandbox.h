/*
 * Sandboxes: containers for strangers' code, made ahead of time, used once and thrown away. A table beside
 * the verbs of driver.h, NULL for an engine that has none. They carry LG_LABEL_SANDBOX and not our site's
 * label: what watches and lists instances never sees them.
 *
 * Called by the sandbox pool's makers, each with a handle of its own. Errors as in driver.h.
 */
#ifndef LG_DRIVER_SANDBOX_H
#define LG_DRIVER_SANDBOX_H

#include "driver/driver.h"

#define LG_LABEL_SANDBOX "lodge.sandbox" /* value: our site */

struct lg_sandbox_spec {
    const struct lg_net_place *place; /* NULL: no network */
    const char *name;                 /* the engine's name of it, "lodge-box-<site8>-…" */
    const char *image;                /* has lodge-box at LG_SANDBOX_INIT */
    uint32_t uid;                     /* of its processes, and gid; nobody else's on this host */
    int64_t memory_bytes, cpu_millis, pids;
    int64_t disk_bytes; /* of its working directory; counts as memory */
};

#define LG_SANDBOX_INIT "/usr/lib/lodge/box"

/* A started one. Descriptors are the caller's. */
struct lg_sandbox {
    int stream; /* attached: frames as of an engine's log come out, bytes for its standard input go in */
    int pidfd;  /* its first process: SIGKILL to it ends everything in it */
    char memory[512]; /* its memory cgroup's directory on this host; "" unknown */
    char pids[512];   /* that of its process numbers, */
    char cpu[512];    /* and that of its CPU time */
    bool cgroup2;
};

struct lg_sandbox_ops {
    /* Makes and starts it, attached from before the start on, with no way to gain rights and no network but
     * `place`. An error leaves nothing behind but, after a lost engine, what `sweep` finds. */
    int (*make)(struct lg_engine *g, const struct lg_sandbox_spec *s, struct lg_sandbox *out,
                struct lg_err *e);
    int (*remove)(struct lg_engine *g, const char *name, struct lg_err *e); /* absent: 0 */
    /* Removes every sandbox of our site; how many in *removed. */
    int (*sweep)(struct lg_engine *g, int *removed, struct lg_err *e);
};

/* CPU time that all its processes have used so far, 0 unknown. */
int64_t lg_sandbox_cpu_us(const struct lg_sandbox *s);
/* What a sandbox' memory was at its peak, and how often the kernel killed in it for want of memory; 0
 * unknown. Both since it was made. */
int64_t lg_sandbox_memory_peak(const struct lg_sandbox *s);
int64_t lg_sandbox_oom_kills(const struct lg_sandbox *s);
/* Another limit than it was made with, before the program starts. False when the kernel refuses. */
bool lg_sandbox_memory_limit(const struct lg_sandbox *s, int64_t bytes);
/* The same for processes and threads, its first process among them; and how often it could not make another
 * one because of it (pids.events; 0 unknown). */
bool lg_sandbox_pids_limit(const struct lg_sandbox *s, int64_t pids);
int64_t lg_sandbox_pids_hits(const struct lg_sandbox *s);

#endif
