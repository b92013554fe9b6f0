/*
 * lodge-runner from the inside. One master (queue, deadlines, children; never speaks to an engine) and its
 * children: job workers, a watcher and a reconciler per driver, the keeper and the stream server. Each child
 * opens its own database connection and engine handles after fork, and dies with the master
 * (PR_SET_PDEATHSIG).
 *
 * No transaction is held across an engine call. An operation belongs to its worker until that worker has been
 * reaped.
 */
#ifndef LG_JOB_JOB_H
#define LG_JOB_JOB_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/crypto.h"
#include "driver/driver.h"
#include "driver/volume/volume.h"
#include "model/net.h"
#include "model/state.h"
#include "store/image.h"
#include "store/instance.h"
#include "store/operation.h"
#include "store/volume.h"

#define LG_DRIVERS_MAX 4
#define LG_ALL_DRIVERS -1
#define LG_LOG_LINES   50 /* of a container that ended by itself, kept in its reason */

/* What every process of the runner knows; made by the master before the first fork, read-only afterwards. */
struct lg_runner {
    const struct lg_conf *conf;
    char site[LG_ID_LEN];
    struct lg_key env_key;
    int gid;     /* group of run_user for sockets, -1: leave it */
    int lock_fd; /* flock(2)ed; inherited by every child, so a new master waits for all of them */
    const struct lg_driver *driver[LG_DRIVERS_MAX];
    int hints[LG_DRIVERS_MAX][2]; /* datagrams, each an instance id the driver's reconciler should look at:
                                     [0] read, [1] written, lossy */
    int drivers;
    /* The sandbox pool's process (fcgi/sandbox), when there is one. */
    void (*sandbox)(const struct lg_runner *r, int arg);
};

/* Asks the reconciler of a driver, or with LG_ALL_DRIVERS whichever has it, to look at an instance; never
 * blocks, may be lost. */
void lg_hint(const struct lg_runner *r, int driver, const char *instance_id);

/* ---- engine handles of one process ---- */

struct lg_engines {
    const struct lg_runner *runner;
    struct lg_driver_ctx ctx;
    struct lg_engine *handle[LG_DRIVERS_MAX]; /* same index as runner->driver; opened on first use */
};

/* Opens nothing yet; `cancel` (may be NULL) ends calls that wait for an engine. */
void lg_engines_init(struct lg_engines *s, const struct lg_runner *r, const volatile sig_atomic_t *cancel);
/* Driver and handle of a backend; LG_UNAVAILABLE when none is enabled. */
int lg_engines_get(struct lg_engines *s, const char *backend, const struct lg_driver **d,
                   struct lg_engine **g, struct lg_err *e);
void lg_engines_done(struct lg_engines *s);

/* ---- what an instance should be, for a driver ---- */

struct lg_spec {
    struct lg_inst_spec inst; /* borrows from here and from the instance it was made of */
    struct lg_net net;
    char address[16], mac[18];
    struct lg_vm_spec vm;
    struct lg_port_spec *ports; /* owned, as are the arrays below */
    const char **command, **ssh_keys;
    char **env;
    struct lg_nic_spec *nics;
    struct lg_nic_names {
        char bridge[16], name[16], mac[18];
    } * nic_names; /* of the cards */
    struct lg_volume_spec *volumes;
    char (*sources)[LG_VOLUME_PATH_LEN]; /* of the volumes */
    json_t *config;
};

/* From an instance with its parts loaded (secrets in clear), which must outlive the spec. */
int lg_spec_make(struct lg_spec *s, const struct lg_runner *r, const struct lg_instance *in,
                 struct lg_err *e);
/* The part only a virtual machine has, from `s->config`; called by lg_spec_make. */
int lg_spec_make_vm(struct lg_spec *s, const struct lg_instance *in, struct lg_err *e);
void lg_spec_done(struct lg_spec *s);                        /* wipes the environment */
struct lg_net_spec lg_net_spec_of(const struct lg_net *net); /* borrows */

/* ---- from the engine's word to the database's ---- */

struct lg_truth {
    bool known; /* the engine was asked and answered */
    struct lg_inst_status st;
    struct lg_buf log; /* last lines of one that ended by itself */
    char text[600];    /* room for the reason's sentence */
    struct lg_reason reason;
};

/* Asks the engine; failing leaves `known` false. With `logs`, also fetches the last lines of an ended one. */
int lg_truth_ask(struct lg_truth *t, const struct lg_driver *d, struct lg_engine *g, const char *id,
                 bool logs, struct lg_err *e);
void lg_truth_done(struct lg_truth *t);
/* Fills t->reason with why it ended by itself ("exited with code 3 at …"). */
void lg_truth_exit_reason(struct lg_truth *t);
/* State that an engine's word means; LG_ST_ERROR for an absent one. */
enum lg_state lg_truth_state(const struct lg_truth *t);
/* Best knowledge of an instance whose engine does not answer. */
enum lg_state lg_state_without_engine(const struct lg_instance *in, enum lg_verb verb);
/* A virtual machine is healthy while its guest's agent answers; nobody asks a container. NULL: no change. */
const char *lg_truth_health(const struct lg_truth *t, const struct lg_instance *in);
/* Fills the facts (engine_ref, started_at, health) of a change. */
void lg_truth_facts(const struct lg_truth *t, const struct lg_instance *in, struct lg_instance_change *ch);

/* ---- jobs ---- */

struct lg_job {
    const struct lg_runner *runner;
    struct lg_db *db;
    struct lg_engines *engines;
    volatile sig_atomic_t *cancel;
    const struct lg_kind *kind;
    struct lg_operation op;
    json_t *params;        /* of the operation, never NULL */
    struct lg_instance in; /* with parts, for kinds about an instance */
    struct lg_image im;    /* for kinds about an image */
    struct lg_volume vol;  /* for kinds about a volume */
    const struct lg_driver *d;
    struct lg_engine *g;
    struct lg_truth truth;
    int64_t disk_bytes;        /* of a machine whose update failed; 0 unknown */
    struct lg_image_info info; /* what a pull or import brought */
    struct lg_buf log;         /* lines, written with the end */
    int64_t told_at;           /* mono ms of the last committed progress */
    char username[65];
};

enum lg_subject { LG_ON_INSTANCE, LG_ON_IMAGE, LG_ON_VOLUME };

/* One row per kind of operation. */
struct lg_kind {
    const char *name; /* "instance.create" */
    enum lg_subject subject;
    enum lg_verb verb; /* instances only */
    int deadline_s;    /* 0: setting operation_timeout_s, which also is the upper bound of every other */
    int retries;       /* of an engine that does not answer, with growing pauses */
    bool waits;        /* its `timeout` parameter is added to the deadline */
    bool fetches;      /* brings an image here, which takes as long as its sender likes */
    int (*run)(struct lg_job *j, struct lg_err *e); /* the engine calls; idempotent; no transaction */
    /* Facts after it, within the transaction that ends the operation. `why` NULL: it succeeded. */
    int (*settle)(struct lg_job *j, const struct lg_err *why, struct lg_err *e);
};

const struct lg_kind *lg_kind_find(const char *name); /* NULL: no such kind */
/* For one that ends without a worker: what it has written ahead of the engine is taken back, in the
 * transaction that ends it. States are left to the reconciler. */
int lg_settle_alone(struct lg_db *db, const struct lg_operation *op, const struct lg_err *why,
                    struct lg_err *e);
/* How long its worker may take before the master ends it; `params` are the operation's. */
int64_t lg_kind_deadline_ms(const struct lg_kind *k, const struct lg_conf *c, const char *params);

/* Adds a line to the operation's log; committed with its end. */
void lg_job_log(struct lg_job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Commits step and progress, at most every 250 ms (`arg` is the job); a failing commit is no failure of the
 * job. */
void lg_job_progress(void *arg, double fraction, const char *text);
/* "name": true in the parameters */
bool lg_job_flag(const struct lg_job *j, const char *name, bool otherwise);
/* Finds the image in the engine, pulls it when it is a registry's. LG_NOT_FOUND when there is none. */
int lg_job_image(struct lg_job *j, const char *ref, struct lg_err *e);

int lg_run_create(struct lg_job *j, struct lg_err *e);
int lg_run_start(struct lg_job *j, struct lg_err *e);
int lg_run_stop(struct lg_job *j, struct lg_err *e);
int lg_run_restart(struct lg_job *j, struct lg_err *e);
int lg_run_pause(struct lg_job *j, struct lg_err *e);
int lg_run_unpause(struct lg_job *j, struct lg_err *e);
int lg_run_update(struct lg_job *j, struct lg_err *e);
int lg_run_suspend(struct lg_job *j, struct lg_err *e);
int lg_run_wake(struct lg_job *j, struct lg_err *e);
int lg_run_reset(struct lg_job *j, struct lg_err *e);
int lg_run_delete(struct lg_job *j, struct lg_err *e);
int lg_settle_instance(struct lg_job *j, const struct lg_err *why, struct lg_err *e);
/* After an update that failed and lg_truth_ask: gives the engine the sizes that the instance had. */
void lg_undo_update(struct lg_job *j);
int lg_run_pull(struct lg_job *j, struct lg_err *e);
int lg_run_import(struct lg_job *j, struct lg_err *e);
int lg_run_fetch(struct lg_job *j, struct lg_err *e);
int lg_run_image_delete(struct lg_job *j, struct lg_err *e);
int lg_settle_image(struct lg_job *j, const struct lg_err *why, struct lg_err *e);

/* volume.c */
int lg_run_volume_create(struct lg_job *j, struct lg_err *e);
int lg_run_volume_resize(struct lg_job *j, struct lg_err *e);
int lg_run_volume_delete(struct lg_job *j, struct lg_err *e);
int lg_settle_volume(struct lg_job *j, const struct lg_err *why, struct lg_err *e);
int lg_run_attach(struct lg_job *j, struct lg_err *e);
int lg_run_detach(struct lg_job *j, struct lg_err *e);
int lg_settle_attach(struct lg_job *j, const struct lg_err *why, struct lg_err *e);
int lg_settle_detach(struct lg_job *j, const struct lg_err *why, struct lg_err *e);

/* network.c */
int lg_run_network_change(struct lg_job *j, struct lg_err *e);
int lg_settle_network_change(struct lg_job *j, const struct lg_err *why, struct lg_err *e);
/* The bridges an instance's further cards are on; and those cards in the running container of `pid`. */
int lg_networks_ready(const struct lg_driver_ctx *ctx, const struct lg_instance *in, struct lg_err *e);
int lg_networks_live(const struct lg_driver_ctx *ctx, const struct lg_instance *in, int64_t pid,
                     struct lg_err *e);

/* What an instance's attachments need on the host before its engine makes or starts it. `in` with its parts.
 */
int lg_volumes_ready(const struct lg_driver_ctx *ctx, struct lg_db *db, struct lg_instance *in,
                     struct lg_err *e);
/* Brings the mounts in the running container whose first process is `pid` up to date. */
int lg_volumes_live(const struct lg_driver_ctx *ctx, const struct lg_instance *in, int64_t pid,
                    struct lg_err *e);

/* devices.c: a virtual machine's disks and cards as the rows have them now, in a running one at once; `goes`:
 * one of them is on its way out. After lg_truth_ask. LG_STATE: it must be stopped, woken or unpaused first.
 */
int lg_devices_live(struct lg_job *j, bool goes, struct lg_err *e);

/* ---- master and worker talk (SOCK_SEQPACKET) ---- */

enum lg_order {
    LG_ORDER_RUN,
    LG_ORDER_FAIL
}; /* FAIL: end it as `code` says, with the engine's truth as state */
struct lg_order_msg {
    enum lg_order what;
    char op[LG_ID_LEN];
    enum lg_code code; /* FAIL: LG_CANCELLED, LG_TIMEOUT, LG_INTERNAL */
    char text[480];
};

enum lg_word {
    LG_WORD_ENDED,     /* the operation has ended, or had before */
    LG_WORD_LATER,     /* the database refused: still queued, try again */
    LG_WORD_COMMITTING /* the engine has done its part; the end only waits for the database: no deadline any
                          more */
};
struct lg_word_msg {
    enum lg_word word;
    char op[LG_ID_LEN];
};

/* ---- the processes ---- */

int lg_master_main(struct lg_runner *r, struct lg_err *e); /* returns after SIGTERM or SIGINT */
void lg_worker_main(const struct lg_runner *r, int sock) __attribute__((noreturn));
void lg_reconcile_main(const struct lg_runner *r, int driver_index) __attribute__((noreturn));
void lg_keeper_main(const struct lg_runner *r, int arg) __attribute__((noreturn));
void lg_layers_main(const struct lg_runner *r, int arg) __attribute__((noreturn));
void lg_streams_main(const struct lg_runner *r, int arg) __attribute__((noreturn));
void lg_oneshots_main(const struct lg_runner *r, int arg) __attribute__((noreturn));
void lg_watch_main(const struct lg_runner *r, int driver_index) __attribute__((noreturn));

/* fork, with the child named, tied to this process's life, its signals reset. As fork(2); no database may be
 * open. */
pid_t lg_child_fork(const char *name, struct lg_err *e);
/* Opens the database, waiting for it as long as it takes (a full disk, a restart). */
struct lg_db *lg_child_db(const struct lg_runner *r);
void lg_pause_ms(int ms); /* a signal ends it early */

#endif
