/* The event table: written in the transaction of the change it tells of, tailed by the feeder. */
#ifndef LG_STORE_EVENT_H
#define LG_STORE_EVENT_H

#include "base/json.h"
#include "store/db.h"

/* As tenant_id: every tenant may see it. */
#define LG_EVENT_ALL_TENANTS "*"

struct lg_event {
    int64_t id, at;
    const char *kind, *tenant_id, *tenant_slug;
    bool admin; /* only for admins */
    const char *subject_type, *subject_id, *subject_name;
    const char *operation_id; /* "" none */
    bool op_done;
    const char *data; /* JSON object */
};

/* Adds it (id, at and tenant_slug are ignored); needs a write transaction. */
int lg_event_add(struct lg_db *db, const struct lg_event *ev, struct lg_err *e);

/* For an event with more than a line of data: begin, write members, end. */
struct lg_event_draft {
    struct lg_buf data;
    struct lg_json j;
};
#define lg_cleanup_event_draft __attribute__((cleanup(lg_event_draft_done)))
void lg_event_draft_done(struct lg_event_draft *d);
/* The inside of the data's object, `d`'s own. */
struct lg_json *lg_event_begin(struct lg_event_draft *d);
/* Adds the event with that data; its own `data` is ignored. */
int lg_event_end(struct lg_db *db, struct lg_event_draft *d, const struct lg_event *ev, struct lg_err *e);

/* Highest id ever given and lowest one kept (0 when none). */
int lg_event_bounds(struct lg_db *db, int64_t *last, int64_t *oldest, struct lg_err *e);

/* Calls fn for up to `limit` events with id > after, in order; `tenant_id` NULL means all. Returns how many.
 * The pointers live during the call of fn; fn must not use the database. */
int lg_event_each(struct lg_db *db, int64_t after, const char *tenant_id, int limit,
                  void (*fn)(void *arg, const struct lg_event *ev), void *arg, struct lg_err *e);

/* Keeps the newest `keep`. */
int lg_event_prune(struct lg_db *db, int64_t keep, struct lg_err *e);

/* The event as clients get it: {id,at,kind,tenant,subject,data}. */
void lg_event_render(struct lg_json *j, const char *key, const struct lg_event *ev);

#endif
