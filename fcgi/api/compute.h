/* What the handlers of instances, operations, images, ingress and events share. Runs in lodge-api's workers.
 */
#ifndef LG_API_COMPUTE_H
#define LG_API_COMPUTE_H

#include "api/routes.h"
#include "http/body.h"
#include "model/dialect.h"
#include "store/flavor.h"
#include "store/image.h"
#include "store/ingress.h"
#include "store/instance.h"
#include "store/operation.h"

/* --- instance_render.c: the one place that renders an instance --- */

/* Loads what belongs to it and writes the object; inside a transaction of the caller's. */
int lg_render_instance(struct lg_req *q, struct lg_json *j, const char *key, struct lg_instance *in,
                       struct lg_err *e);
/* The whole answer: the instance, its ETag and, when `op` is not NULL, Operation-Location. */
int lg_answer_instance(struct lg_req *q, struct lg_resp *r, int status, struct lg_instance *in,
                       const struct lg_operation *op, struct lg_err *e);

/* --- instance_create.c: from the body to an instance --- */

/* Checks the body and fills `in` with everything but what the store picks; `start`: run it when it is made.
 */
int lg_create_parse(struct lg_req *q, struct lg_instance *in, bool *start, struct lg_err *e);
/* As lg_create_parse, of what the smaller dialects name; `type` and `image` may be NULL. Size: the defaults;
 * tenant_id is left to the caller. */
int lg_create_plain(struct lg_req *q, const char *name, const char *type, const char *image,
                    struct lg_instance *in, struct lg_err *e);
/* Inside the write transaction: image, capacity. */
int lg_create_resolve(struct lg_req *q, struct lg_instance *in, struct lg_err *e);
/* Fills in->labels from a JSON map. */
int lg_labels_parse(const json_t *map, const char *where, struct lg_instance *in, struct lg_err *e);
/* Is a driver for this backend among the setting's? */
bool lg_backend_enabled(const struct lg_conf *c, const char *backend);
/* Is there a driver for this backend name? LG_INVALID_BACKEND, LG_UNAVAILABLE with the reason. */
int lg_backend_check(struct lg_req *q, const char *backend, struct lg_err *e);
/* By which tables these bodies are read: for the parsers and the API description. */
extern const struct lg_field lg_metadata_fields[];
extern const struct lg_body lg_create_body[];

/* --- capacity.c: what one asks for, and what this host has --- */

extern const struct lg_field lg_resource_fields[], lg_cpu_fields[], lg_memory_fields[], lg_storage_fields[];
#define LG_RESOURCES_BODY                                                                                    \
    {.where = "resources.", .fields = lg_resource_fields},                                                   \
        {.where = "resources.cpu.", .fields = lg_cpu_fields},                                                \
        {.where = "resources.memory.", .fields = lg_memory_fields},                                          \
    {                                                                                                        \
        .where = "resources.storage.", .fields = lg_storage_fields                                           \
    }
/* {cpu:{cores},memory:{limit},storage:{totalSpace}} → millis and bytes; -1 where nothing is said. */
struct lg_resources {
    int64_t cpu_millis, memory_bytes, storage_bytes;
};
/* LG_INVALID, details.field; `obj` NULL says nothing. */
int lg_resources_parse(const json_t *obj, struct lg_resources *out, struct lg_err *e);
/* May all instances but `but_id` and these limits run together on this host? LG_LIMIT says which limit. */
int lg_admit(struct lg_req *q, const char *but_id, int64_t cpu_millis, int64_t memory_bytes,
             struct lg_err *e);
/* What this host has. */
int64_t lg_host_cpu_millis(const struct lg_conf *c); /* with cpu_overcommit */
int64_t lg_host_memory_bytes(void);                  /* what is there, without memory_overcommit */
/* --- instances.c, instance_verbs.c: what every dialect asks for in the end --- */

#define LG_VERB_WAIT_S 60 /* how long an answer that says how a verb ended waits for that */

/* Instance, operation and both events in the write transaction at hand. */
int lg_create_add(struct lg_req *q, struct lg_instance *in, bool start, struct lg_operation *op,
                  struct lg_err *e);
/* Checks the verb, adds the operation and puts the instance to work, all in the transaction at hand. `params`
 * is the operation's JSON. */
int lg_verb_ask(struct lg_req *q, struct lg_instance *in, enum lg_verb v, bool force, const char *params,
                struct lg_operation *op, struct lg_err *e);
/* The same for a verb as another dialect means it (model/dialect.h), with the host's usual time for a stop.
 */
int lg_verb_ask_as(struct lg_req *q, enum lg_dialect d, enum lg_verb asked, struct lg_instance *in,
                   struct lg_operation *op, struct lg_err *e);
/* Other sizes in the transaction at hand: admitted, noted, and an operation that gives them to the engine,
 * `op`; left alone when none is needed. The flavor stays as long as they are its own. */
int lg_sizes_ask(struct lg_req *q, struct lg_instance *in, struct lg_sizes want, struct lg_operation *op,
                 struct lg_err *e);

/* A page of instances, kept. */
struct lg_instance_list {
    struct lg_instance *at;
    int count, limit;
    bool more;
};
int lg_instance_list(struct lg_db *db, struct lg_instance_filter *f, int limit, int64_t *total,
                     struct lg_instance_list *l, struct lg_err *e); /* sets f->limit; total may be NULL */
void lg_instance_list_done(struct lg_instance_list *l);
#define lg_cleanup_instance_list __attribute__((cleanup(lg_instance_list_done)))

/* For views: the operation of a wait that ended. 1 when it is done, 0 when it still runs, what it failed of
 * otherwise. */
int lg_wait_operation(struct lg_req *q, const struct lg_handoff *h, struct lg_operation *op,
                      struct lg_err *e);
/* The same, with the instance it was about. One that is deleted by now leaves `in` empty. */
int lg_wait_result(struct lg_req *q, const struct lg_handoff *h, struct lg_operation *op,
                   struct lg_instance *in, struct lg_err *e);

/* --- operations.c --- */

/* Requester and tenant of the operation from the request. */
void lg_operation_from(struct lg_operation *op, const struct lg_req *q, const char *kind);
/* The answer while `op` is at work: Operation-Location. */
void lg_operation_header(struct lg_resp *r, const struct lg_operation *op);
/* Parks the request until `op` ends or `seconds` have passed; then /render shows `view` of `id`. */
int lg_park(struct lg_req *q, struct lg_resp *r, const struct lg_operation *op, const char *view,
            const char *id, int seconds, struct lg_err *e);

/* --- ingress.c: of the instance in the route's first parameter --- */

/* `strict`: unknown fields are refused. */
int lg_ingress_parse(struct lg_req *q, bool strict, struct lg_ingress *rule, struct lg_err *e);
int lg_ingress_create(struct lg_req *q, struct lg_ingress *rule, struct lg_err *e); /* begins and commits */
lg_handler lg_ingress_delete; /* second parameter: the port */

/* --- flavors.c --- */

/* {"name","vcpus","ramGB","diskGB","description"}, and "gpus" of one that has some. */
void lg_flavor_render(struct lg_json *j, const struct lg_flavor *f);

/* --- cloud.c --- */

/* {"type":"containers","data":[…]} as of the transaction at hand. */
int lg_cloud_snapshot(struct lg_db *db, const char *tenant_id, struct lg_buf *out, struct lg_err *e);

/* --- health.c --- */
bool lg_health_is_well(struct lg_req *q); /* every part works */

/* --- small things --- */

/* Ends the read transaction at the end of the scope. */
static inline void lg_read_end(struct lg_db **db)
{
    lg_tx_rollback(*db);
}
/* events.c: after which event a stream begins: Last-Event-ID of a reconnecting EventSource counts more than
 * the `since` it was opened with; -1: nothing said. LG_INVALID. */
int lg_req_event_position(const struct lg_req *q, int64_t *after, struct lg_err *e);

#define lg_cleanup_read __attribute__((cleanup(lg_read_end)))

/* `page`+`pageSize` or `cursor` of a list. */
struct lg_keyset {
    int64_t page, size, before; /* before: 0 without a cursor */
};
/* LG_INVALID, details.field. */
int lg_keyset_parse(const struct lg_req *q, struct lg_keyset *p, struct lg_err *e);
int lg_keyset_offset(const struct lg_keyset *p); /* 0 with a cursor */
/* Writes total, page, pageSize and next (0: null). */
void lg_keyset_render(struct lg_json *j, const struct lg_keyset *p, int64_t total, int64_t next);

#endif
