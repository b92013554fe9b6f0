/* Reading the audit record (written by lg_audit_add of store/identity.h). */
#ifndef LG_STORE_AUDIT_H
#define LG_STORE_AUDIT_H

#include "base/json.h"
#include "store/db.h"

/* Strings live during the call of fn. `tenant` is a slug while that tenant exists, "" for host-wide changes.
 */
struct lg_audit_line {
    int64_t id, at;
    const char *user_id, *username, *token_id, *address, *action, *subject, *tenant, *result, *details;
};

/* Newest first, of one tenant unless tenant_id is NULL, with `find` somewhere in them ("": all), from
 * before the line before_id on. Returns how many; `total` gets how many there are. */
int lg_audit_each(struct lg_db *db, const char *tenant_id, const char *find, int64_t before_id, int64_t limit,
                  int64_t offset, int64_t *total, void (*fn)(void *arg, const struct lg_audit_line *a),
                  void *arg, struct lg_err *e);
/* Forgets up to `most` lines from before `before_at`, within a write transaction. Returns how many. */
int lg_audit_prune(struct lg_db *db, int64_t before_at, int64_t most, struct lg_err *e);
void lg_audit_render(struct lg_json *j, const char *key, const struct lg_audit_line *a);

#endif
