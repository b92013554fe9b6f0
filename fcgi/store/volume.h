/*
 * Volumes and their attachments. lodge-api writes wishes (create, size, attach, detach), lodge-runner facts
 * (state, made). Each change writes its event (volume.created, volume.updated, volume.deleted) and grows
 * `version`; an attachment also touches its instance.
 */
#ifndef LG_STORE_VOLUME_H
#define LG_STORE_VOLUME_H

#include "base/json.h"
#include "model/volume.h"
#include "store/instance.h"

struct lg_volume {
    char id[LG_ID_LEN], tenant_id[LG_ID_LEN], tenant_slug[64], name[64];
    char kind[12]; /* filesystem, block; "": its first attachment will decide */
    int64_t size_bytes;
    char state[12]; /* creating ready error deleting */
    char error[480];
    bool made; /* its file exists, or is lost */
    char owner_id[LG_ID_LEN];
    int64_t version, created_at, updated_at;
};

/* Fills id, version and times; LG_CONFLICT when the name is taken (details.field "name"). */
int lg_volume_add(struct lg_db *db, struct lg_volume *v, struct lg_err *e);
int lg_volume_get(struct lg_db *db, const char *id, struct lg_volume *v, struct lg_err *e); /* LG_NOT_FOUND */
/* 1 and fills v, 0 when the tenant has none of that name. */
int lg_volume_by_name(struct lg_db *db, const char *tenant_id, const char *name, struct lg_volume *v,
                      struct lg_err *e);
/* Those of a tenant, oldest first, from after the one made at that moment with that id on (0, "": from the
 * first); *total (may be NULL) counts all. Returns how many. */
int lg_volume_each(struct lg_db *db, const char *tenant_id, int64_t after_at, const char *after_id,
                   int64_t limit, int64_t offset, int64_t *total,
                   void (*fn)(void *arg, const struct lg_volume *v), void *arg, struct lg_err *e);
/* 1 when there is one of this id, 0 when not. */
int lg_volume_exists(struct lg_db *db, const char *id, struct lg_err *e);
/* Those whose file was made. */
int lg_volume_made_each(struct lg_db *db,
                        void (*fn)(void *arg, const char *id, const char *name, const char *kind), void *arg,
                        struct lg_err *e);
/* Bytes that all volumes of all tenants may hold together. */
int lg_volume_total(struct lg_db *db, int64_t *bytes, struct lg_err *e);

/* Facts: `made` true is kept for ever. `error` "" unless the state is error. */
int lg_volume_set_state(struct lg_db *db, struct lg_volume *v, const char *state, bool made,
                        const char *error, struct lg_err *e);
/* Decides the kind of an undecided one; LG_CONFLICT when it is another already. */
int lg_volume_set_kind(struct lg_db *db, struct lg_volume *v, const char *kind, struct lg_err *e);
int lg_volume_set_size(struct lg_db *db, struct lg_volume *v, int64_t size_bytes, struct lg_err *e);
/* The end of the row; nothing may be attached. */
int lg_volume_remove(struct lg_db *db, struct lg_volume *v, struct lg_err *e);

/* --- attachments --- */

/* LG_CONFLICT: it is attached to this instance already, or the path is taken. `host_path` "" for a volume,
 * `v` NULL for a host directory. */
int lg_attachment_add(struct lg_db *db, struct lg_instance *in, struct lg_volume *v, const char *host_path,
                      const char *path, bool read_only, struct lg_err *e);
/* Of one volume, with instance_name. Returns how many. */
int lg_attachment_each(struct lg_db *db, const char *volume_id,
                       void (*fn)(void *arg, const struct lg_attachment *a), void *arg, struct lg_err *e);
/* Into in->attachments; part of lg_instance_load_parts. */
int lg_attachment_load(struct lg_db *db, struct lg_instance *in, struct lg_err *e);
/* Calls fn with the id of each instance that has or had one. */
int lg_attachment_instances(struct lg_db *db, void (*fn)(void *arg, const char *instance_id), void *arg,
                            struct lg_err *e);
/* The engine is about to be told of all the instance's places. */
int lg_attachment_place(struct lg_db *db, const char *instance_id, struct lg_err *e);
/* An operation begins to take it away, or failed to. */
int lg_attachment_set_detaching(struct lg_db *db, const char *instance_id, const char *volume_id, bool on,
                                struct lg_err *e);
/* It is away: what the engine was told of stays as an empty place. Touches both. */
int lg_attachment_remove(struct lg_db *db, struct lg_instance *in, struct lg_volume *v, struct lg_err *e);

/* With what has it; reads the attachments. */
int lg_volume_render(struct lg_db *db, struct lg_json *j, const char *key, const struct lg_volume *v,
                     struct lg_err *e);

#endif
