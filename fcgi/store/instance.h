/*
 * Instances. lodge-api writes wishes (create, desired state, limits, labels), lodge-runner writes facts
 * (state, reason, engine_ref, started_at). Each write also writes its event (instance.created,
 * instance.state, …) and grows `version`.
 */
#ifndef LG_STORE_INSTANCE_H
#define LG_STORE_INSTANCE_H

#include "base/crypto.h"
#include "base/json.h"
#include "model/net.h"
#include "model/state.h"
#include "model/validate.h"
#include "model/volume.h"
#include "store/db.h"
#include "store/vm.h"

struct lg_env {
    char *name, *value; /* owned; value in clear */
    bool secret;
};

struct lg_label {
    char key[64], value[257];
};

/* What it has of volumes and host directories (store/volume.h). */
struct lg_attachment {
    int number;                                                  /* names its place on the host */
    char volume_id[LG_ID_LEN], volume_name[64], volume_kind[12]; /* "": a host directory, or an empty place */
    int64_t size_bytes;
    bool made; /* the volume's file has been there before */
    char instance_id[LG_ID_LEN], instance_name[64];
    char host_path[LG_MOUNT_PATH_LEN], path[LG_MOUNT_PATH_LEN];
    bool read_only;
    bool placed;    /* the engine may have been told of it: its place is needed at each start */
    bool detaching; /* an operation takes it away */
};

/* A card on one of the tenant's own networks (store/network.h). */
struct lg_nic {
    int64_t seq, network_number;
    char instance_id[LG_ID_LEN], instance_name[64], network_id[LG_ID_LEN], network_name[64];
    char address[16];
    int prefix, position; /* eth<position> in a container */
    bool detaching;       /* an operation takes it away */
};

struct lg_instance {
    int64_t seq;
    char id[LG_ID_LEN], tenant_id[LG_ID_LEN], tenant_slug[64], name[64], type[12], backend[12];
    enum lg_state state;
    char desired[12]; /* running stopped paused absent */
    char health[12];
    char *reason; /* owned JSON object or NULL */
    char image_id[LG_ID_LEN], image[256], image_ref[256];
    char *config; /* owned JSON {command,ports,networkMode,restartPolicy,volumes} */
    int64_t cpu_millis, memory_bytes, storage_bytes;
    char
        pending[32]; /* which of them a running machine gets at its next start: "", "vcpus", "vcpus memory" */
    char flavor[32]; /* name of a flavor, or "" */
    bool ssh_enabled;
    int host_number, net_index;
    char engine_ref[256], owner_id[LG_ID_LEN], owner_name[65];
    int64_t version, created_at, updated_at, started_at; /* 0: not running */
    /* Loaded on request (lg_instance_load_parts) or given to lg_instance_add; owned arrays. */
    struct lg_env *env;
    int env_count;
    struct lg_label *labels;
    int label_count;
    struct lg_port *ports;
    int port_count;
    struct lg_instance_vm *vm;         /* owned; NULL of a container */
    struct lg_attachment *attachments; /* not for lg_instance_add: store/volume.h adds them */
    int attachment_count;
    struct lg_nic *nics; /* not for lg_instance_add: store/network.h adds them */
    int nic_count;
    char (*networks)[64]; /* owned; what a create asks for: names or ids; never loaded */
    int network_count;
    struct lg_mount *mounts; /* owned; what a create asks for, as parsed; never loaded */
    int mount_count;
};

void lg_instance_done(struct lg_instance *in); /* frees what it owns and zeroes it */
#define lg_cleanup_instance __attribute__((cleanup(lg_instance_done)))

/*
 * Adds it with env, labels and ports: picks a free host number (not quarantined; LG_LIMIT when the network is
 * full), fills id, seq, created_at. LG_CONFLICT: the name (details.field "name") or a host port
 * (details.field "config.ports") is taken. `env_key` seals secret values.
 */
int lg_instance_add(struct lg_db *db, struct lg_instance *in, const struct lg_key *env_key, struct lg_err *e);

/* LG_NO_INSTANCE when there is none. tenant_id "" means any tenant (runner, ingress); a foreign one is not
 * found. */
int lg_instance_get(struct lg_db *db, const char *tenant_id, const char *id, struct lg_instance *in,
                    struct lg_err *e);
int lg_instance_by_name(struct lg_db *db, const char *tenant_id, const char *name, struct lg_instance *in,
                        struct lg_err *e);
/* 1 when any instance has been given the GPU at this PCI address. */
int lg_instance_has_gpu(struct lg_db *db, const char *address, struct lg_err *e);
/* `which` is an id or a name. */
int lg_instance_find(struct lg_db *db, const char *tenant_id, const char *which, struct lg_instance *in,
                     struct lg_err *e);
/* env (secrets opened when env_key is not NULL, else value "" ), labels, ports, attachments, what a VM has
 * besides. */
int lg_instance_load_parts(struct lg_db *db, struct lg_instance *in, const struct lg_key *env_key,
                           struct lg_err *e);

struct lg_instance_filter {
    const char *tenant_id;               /* required */
    int state;                           /* -1: any */
    const char *backend, *name, *q;      /* "" : any; q: part of the name or image */
    const char *label_key, *label_value; /* "" : any */
    int64_t before_seq;                  /* cursor: 0 from the newest */
    int limit, offset;
};
/* Newest first, without parts. fn may keep `in` by copying and zeroing it; returns how many.
 * *total (may be NULL) gets the count over all pages. */
int lg_instance_each(struct lg_db *db, const struct lg_instance_filter *f, int64_t *total,
                     void (*fn)(void *arg, struct lg_instance *in), void *arg, struct lg_err *e);
/* What all instances but `but_id` ("" none) may use together: what admission counts. */
int lg_instance_admitted(struct lg_db *db, const char *but_id, int64_t *cpu_millis, int64_t *memory_bytes,
                         struct lg_err *e);
/* What all instances of one backend may use together. */
int lg_instance_admitted_of(struct lg_db *db, const char *backend, int64_t *cpu_millis, int64_t *memory_bytes,
                            struct lg_err *e);
/* All instances of a backend, for the reconciler: id, tenant_id, state, desired, engine_ref, updated_at are
 * filled. */
int lg_instance_each_of_backend(struct lg_db *db, const char *backend,
                                void (*fn)(void *arg, struct lg_instance *in), void *arg, struct lg_err *e);

/* What a reason is made of; rendered to JSON by the store. text is one sentence. */
struct lg_reason {
    const char *code; /* exited, oom_killed, start_failed, stopped_by_user, engine_lost, image_missing, … */
    const char *text;
    int exit_code; /* -1: none */
    bool oom_killed;
    const char *log; /* last lines or NULL */
};

/* Facts and wishes that change; NULL or -1 leave a field as it is. */
struct lg_instance_change {
    int state; /* enum lg_state, or -1 */
    const char *desired;
    const char *health;
    const char *engine_ref;
    const char *pending;
    const struct lg_reason *reason; /* NULL: keep; with text "" : clear */
    int64_t started_at;             /* -1 keep, 0 not running */
    const char *operation_id;       /* the event names it; NULL none */
};
/* Applies it; writes instance.state when the state changes, instance.updated otherwise. */
int lg_instance_change(struct lg_db *db, struct lg_instance *in, const struct lg_instance_change *ch,
                       struct lg_err *e);
#define LG_UPDATE_PARAMS 192

/* What an update changes, all of it. */
struct lg_sizes {
    int64_t cpu_millis, memory_bytes, storage_bytes;
    char flavor[32]; /* the name of these (lg_flavor_keep), or "" */
};
struct lg_sizes lg_instance_sizes(const struct lg_instance *in);
/* Parameters of an instance.update: the sizes before it, which it gives back if it fails. Until it has ended
 * they are promised as well (queries quota_used, instance_admitted, flavor_uses). */
void lg_update_params(const struct lg_sizes *was, char out[LG_UPDATE_PARAMS]);
bool lg_update_was(const json_t *params, struct lg_sizes *was); /* false: they say none */
/* Event instance.updated, which names the operation (NULL none). */
int lg_instance_set_sizes(struct lg_db *db, struct lg_instance *in, const struct lg_sizes *s,
                          const char *operation_id, struct lg_err *e);
/* Whether its owner wants SSH into it; event instance.updated. */
int lg_instance_set_ssh(struct lg_db *db, struct lg_instance *in, bool enabled, struct lg_err *e);
int lg_instance_set_labels(struct lg_db *db, struct lg_instance *in, const struct lg_label *labels, int count,
                           struct lg_err *e);

/* The end: removes the row with all parts and ingress, writes the tombstone, quarantines its address, event
 * instance.deleted. */
int lg_instance_remove(struct lg_db *db, struct lg_instance *in, const char *operation_id, struct lg_err *e);

/* Tombstones and quarantine, for the reconciler. */
bool lg_tombstone_exists(struct lg_db *db, const char *instance_id);
int lg_quarantine_put(struct lg_db *db, const char *backend, const char *engine_ref, const char *instance_id,
                      struct lg_err *e);
int lg_quarantine_clear(struct lg_db *db, const char *backend, const char *engine_ref, struct lg_err *e);
int lg_quarantine_each(struct lg_db *db,
                       void (*fn)(void *arg, const char *backend, const char *engine_ref,
                                  const char *instance_id, int64_t found_at),
                       void *arg, struct lg_err *e);

/* Usage: newest sample. */
struct lg_sample {
    char instance_id[LG_ID_LEN];
    int64_t at, cpu_us, memory_bytes, rx_bytes, tx_bytes, disk_bytes, pids;
    double cpu_percent;
};
/* Replaces the instance's last one; nothing when the instance is gone. */
int lg_sample_put(struct lg_db *db, const struct lg_sample *s, struct lg_err *e);
/* 1 and fills s, 0 when there is none. */
int lg_sample_get(struct lg_db *db, const char *instance_id, struct lg_sample *s, struct lg_err *e);
/* The newest sample of everything of a tenant that runs or is paused, by name. fn must not use `db`. */
typedef void lg_sample_fn(void *arg, const char *name, const struct lg_sample *m);
int lg_sample_each(struct lg_db *db, const char *tenant_id, lg_sample_fn *fn, void *arg, struct lg_err *e);

/* Engines' health. */
struct lg_engine_state {
    char backend[12], type[16], version[64], api_version[32], reason[256];
    bool healthy;
    int64_t checked_at;
};
/* What the runner's keeper found; replaces the backend's last one. */
int lg_engine_state_put(struct lg_db *db, const struct lg_engine_state *s, struct lg_err *e);
int lg_engine_state_get(struct lg_db *db, const char *backend, struct lg_engine_state *s,
                        struct lg_err *e); /* 1 / 0 */

#endif
