/* The fake engine's files: instances, images, networks, events; one lock orders all changes. */
#ifndef LG_DRIVER_FAKE_STATE_H
#define LG_DRIVER_FAKE_STATE_H

#include <limits.h>

#include "base/json.h"
#include "driver/driver.h"

struct lg_engine {
    struct lg_driver_ctx ctx;
    char dir[PATH_MAX]; /* $LODGE_STATE/fake */
    bool vm;            /* of virtual machines */
    int grace_s;        /* of the stop at hand */
};

/* Takes the engine's lock; a descriptor to close, or a negative code. */
int lg_fake_lock(struct lg_engine *g, struct lg_err *e);

/* One object a file: kind is "inst", "image" or "net". load: NULL when absent. The caller's to decref. */
json_t *lg_fake_load(struct lg_engine *g, const char *kind, const char *name);
int lg_fake_save(struct lg_engine *g, const char *kind, const char *name, const json_t *o, struct lg_err *e);
void lg_fake_delete(struct lg_engine *g, const char *kind, const char *name);
/* Calls fn with each object of a kind until it returns non-zero. */
void lg_fake_each(struct lg_engine *g, const char *kind, int (*fn)(void *arg, const json_t *o), void *arg);

/* Appends a line to the events; reads those after *at (bytes), advancing it. */
void lg_fake_event(struct lg_engine *g, const char *id, const char *what);
void lg_fake_events(struct lg_engine *g, long *at, struct lg_buf *out);

/* The log as frames, appended to and read whole or from an offset. */
void lg_fake_log(struct lg_engine *g, const char *id, int stream, const char *text);
void lg_fake_log_read(struct lg_engine *g, const char *id, long at, struct lg_buf *out);
void lg_fake_log_delete(struct lg_engine *g, const char *id);

/* Called first by each verb. 0: go on, and call lg_fake_after at the end; negative: the fault's error. */
int lg_fake_fault(struct lg_engine *g, const char *verb, struct lg_err *e);
/* After the work: rc, or what a fault makes of it. */
int lg_fake_after(struct lg_engine *g, const char *verb, int rc, struct lg_err *e);

int64_t lg_fake_int(const json_t *o, const char *key);
void lg_fake_set(json_t *o, const char *key, int64_t v);

/* Sleeps in small pieces; true when cancelled meanwhile. */
bool lg_fake_sleep(struct lg_engine *g, int64_t ms);

#endif
