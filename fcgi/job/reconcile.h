/*
 * Private to the reconcilers, one process per driver, so that an engine that hangs keeps nobody from seeing
 * what happens in the other: reconcile.c (sweeps), correct.c (one instance), sample.c (usage). Each looks
 * after the instances of its own driver alone.
 */
#ifndef LG_JOB_RECONCILE_H
#define LG_JOB_RECONCILE_H

#include "job/job.h"

#define LG_REVIVES 256

/* Restarts by policy after a host's reboot, with growing pauses. */
struct lg_revive {
    char id[LG_ID_LEN];
    int64_t next_at; /* mono ms */
    int times;
};

struct lg_rec {
    const struct lg_runner *r;
    int driver; /* index */
    bool host;  /* what is no single driver's is done by this one */
    struct lg_db *db;
    struct lg_engines engines;
    struct lg_db *history; /* samples.db; opened with the first sample */
    bool history_failed;   /* said once */
    int64_t rolled_at;     /* wall clock, ms: when the wider buckets were made last; 0 not yet */
    struct lg_revive revive[LG_REVIVES];
    int next_revive;
    struct lg_ids running; /* as of the last sweep; what the sampler measures */
};

/* Driver and handle of an instance with this backend; LG_UNAVAILABLE when it is another driver's. */
int lg_rec_engine(struct lg_rec *rec, const char *backend, const struct lg_driver **d, struct lg_engine **g,
                  struct lg_err *e);
/* Makes the database say what the engine says about one instance, unless an operation is at work on it. */
void lg_correct(struct lg_rec *rec, const char *instance_id);
/* Usage of everything that runs, in one transaction. */
void lg_sample_sweep(struct lg_rec *rec);

/* volume_keep.c: mounts of running instances, and places nobody needs; one instance's alone. */
void lg_volumes_keep(struct lg_rec *rec);
void lg_volumes_keep_one(struct lg_rec *rec, const char *instance_id);

/* network.c: cards of running instances on tenants' own networks; bridges of deleted ones. */
void lg_networks_keep(struct lg_rec *rec);
void lg_networks_keep_one(struct lg_rec *rec, const char *instance_id);
void lg_networks_remove(struct lg_rec *rec);

/* exec.c: ends what runs on terminals whose child was killed. */
void lg_terminals_keep(struct lg_rec *rec);

#endif
