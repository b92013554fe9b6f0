/*
 * One-shots: containers of any image that run one command and are thrown away. A table beside the verbs of
 * driver.h, NULL for an engine that has none. They carry LG_LABEL_ONESHOT and not our site's label: what
 * watches and lists instances never sees them. Called by the runner's one-shot processes, each with a handle
 * of its own. Errors as in driver.h.
 */
#ifndef LG_DRIVER_ONESHOT_H
#define LG_DRIVER_ONESHOT_H

#include "driver/driver.h"

#define LG_LABEL_ONESHOT "lodge.oneshot" /* value: our site */

struct lg_oneshot_spec {
    const struct lg_net_place *place; /* NULL: no network */
    const char *name;                 /* the engine's name of it, LG_ONESHOT_PREFIX and the id of the run */
    const char *image;                /* an engine reference that is there */
    const char *const *command;       /* NULL-terminated; empty: the image's own */
    uint32_t uid;                     /* of its processes, and gid; nobody else's on this host */
    int64_t memory_bytes, cpu_millis, pids;
    int64_t disk_bytes; /* of each place it can write to; counts as memory */
};

#define LG_ONESHOT_PREFIX "lodge-run-"

struct lg_oneshot_ops {
    /* Makes and starts it, with no network but `place`, a read-only root and no way to gain rights. *stream
     * gets a descriptor that yields its output as frames of an engine's log until it ends. What an error
     * leaves behind `remove` and `sweep` find. */
    int (*start)(struct lg_engine *g, const struct lg_oneshot_spec *s, int *stream, struct lg_err *e);
    /* How it ended. LG_STATE while it runs, LG_NOT_FOUND when it is gone. */
    int (*ended)(struct lg_engine *g, const char *name, int *exit_code, bool *oom, struct lg_err *e);
    int (*remove)(struct lg_engine *g, const char *name, struct lg_err *e); /* running too; absent: 0 */
    int (*sweep)(struct lg_engine *g, int *removed, struct lg_err *e);      /* all of our site */
};

#endif
