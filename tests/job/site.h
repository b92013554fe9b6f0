/*
 * A site of its own for each test: a fresh database, the fake engine, and a real lodge-runner. The test plays
 * lodge-api: it writes wishes as lodge-api does, and looks at what becomes of them in the database and in the
 * engine.
 */
#ifndef LG_TESTS_JOB_SITE_H
#define LG_TESTS_JOB_SITE_H

#include <signal.h>
#include <unistd.h>

#include "store/fixture.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "model/state.h"
#include "store/image.h"
#include "store/instance.h"
#include "store/operation.h"

#define IMAGE "registry.test/app:1"

struct site {
    struct fixture *f;
    struct lg_db *db; /* = f->db */
    pid_t runner;     /* 0: not running */
    char tenant[LG_ID_LEN];
    struct lg_key key;
    const struct lg_driver *d;
    struct lg_engine *g; /* the test's own look at the fake engine */
};

/* A wish and what came of it. */
struct wish {
    char id[LG_ID_LEN], op[LG_ID_LEN];
};

int site_up(void **state);
int site_down(void **state);
#define with_site(fn) cmocka_unit_test_setup_teardown(fn, site_up, site_down)

void runner_start(struct site *s);
void runner_signal(struct site *s, int sig); /* and waits for its end */
/* Pids of its children with this name ("lodge-job"); returns how many. */
int runner_children(const struct site *s, const char *name, pid_t *out, int cap);

/* As POST /instances: `command` is what `sh -c` would run (NULL: runs until stopped). */
struct wish wish_create(struct site *s, const char *name, const char *command, const char *params);
struct wish wish_create_full(struct site *s, const char *name, const char *config, const char *image,
                             const char *params);
/* The same of a virtual machine, whose image is in the engine already. */
struct wish wish_create_vm(struct site *s, const char *name, const char *image);
/* As PUT …/<verb> and DELETE: op "" when it was refused (s->f->e says why). */
struct wish wish_verb(struct site *s, const char *id, enum lg_verb v, const char *params, bool force);
void cancel(struct site *s, const char *op);

/* Waits for the end of an operation and fails the test unless it ended so; returns it (static). */
const struct lg_operation *ended(struct site *s, const char *op, const char *status);
const struct lg_operation *operation(struct site *s, const char *op);
/* Waits until the operation is at work. */
void at_work(struct site *s, const char *op);
enum lg_state state_of(struct site *s, const char *id); /* LG_ST_COUNT: there is no such instance */
const char *reason_of(struct site *s, const char *id);  /* JSON or "" (static) */
struct lg_inst_status engine_status(struct site *s, const char *id);
int engine_count(struct site *s); /* things of our site in the engine */

/* Replaces the engine's faults ("" : none); those of the engine in this folder. */
void faults(struct site *s, const char *lines);
void faults_of(struct site *s, const char *folder, const char *lines);

#define until(cond)                                                                                          \
    do {                                                                                                     \
        int tries_ = 3000;                                                                                   \
        while (!(cond) && --tries_)                                                                          \
            usleep(20000);                                                                                   \
        if (!tries_)                                                                                         \
            fail_msg("never: %s", #cond);                                                                    \
    } while (0)

#define ok(s, call)                                                                                          \
    do {                                                                                                     \
        if ((call) < 0)                                                                                      \
            fail_msg("%s: %s", #call, (s)->f->e.msg);                                                        \
    } while (0)

#endif
