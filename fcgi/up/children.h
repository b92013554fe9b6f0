/*
 * The processes that `lodge up` keeps running: started from a table, started again when they die, stopped in
 * order. Each is the leader of its own process group. One supervisor per process; not thread-safe.
 */
#ifndef LG_UP_CHILDREN_H
#define LG_UP_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/err.h"

struct lg_child {
    const char *name;        /* also its log: $LODGE_STATE/log/<name>.log */
    const char *const *argv; /* NULL-terminated; argv[0] a path, or a name looked up in LG_PROC_PATH */
    const char *const *env;  /* NULL: PATH, HOME, LANG and every LODGE_* of ours */
    int restart_ms; /* first wait before it is started again; doubles up to 10 s while it keeps dying */
    int grace_ms;   /* between SIGTERM and SIGKILL */
    bool sweep;     /* what is left of its group when it died is ended too; never for the engine, whose
                       group may hold instances' monitors */
    /* state */
    pid_t pid;          /* 0: not running */
    int64_t started_at; /* monotonic ms */
    int64_t due_at;     /* when not running: monotonic ms at which to start it */
    int wait_ms;        /* present back-off */
    int deaths;
};

struct lg_family {
    const struct lg_conf *conf;
    struct lg_child *child; /* in the order of starting */
    int count;
};

/* Starts all of them. A program that cannot be executed shows as its death. */
int lg_family_start(struct lg_family *f, struct lg_err *e);
/* Reaps what died and starts what is due. Returns ms until it wants to be called again (at most 1000). */
int lg_family_tend(struct lg_family *f);
/* Ends them in the reverse order, each by its pid: SIGTERM, then SIGKILL after its grace. */
void lg_family_stop(struct lg_family *f);

/*
 * Ends what an earlier supervisor of the same state directory left running when it was killed: the processes
 * it wrote down, recognised by pid and start time, and members of the groups it allowed to sweep. Returns how
 * many.
 */
int lg_family_sweep(const struct lg_conf *c);

/*
 * A process that does nothing but outlive us: should we be killed, it runs lg_family_sweep and ends. It holds
 * a copy of every descriptor without CLOEXEC semantics mattering (no exec), so our lock stays until it has
 * swept. Returns a descriptor to keep open for life; *guard is its pid, to be waited for once that is closed.
 */
int lg_family_guard(const struct lg_conf *c, pid_t *guard, struct lg_err *e);

#endif
