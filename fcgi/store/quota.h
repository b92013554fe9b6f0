/*
 * Quotas: what a tenant may have at most, beside what its host can carry. Admission asks within the write
 * transaction of the change itself; writers queue, so any number of them at once never passes a limit.
 */
#ifndef LG_STORE_QUOTA_H
#define LG_STORE_QUOTA_H

#include "base/json.h"
#include "store/db.h"

/*   member         name        unit                     */
#define LG_QUOTAS(X)                                                                                         \
    X(instances, "instances", "instances")                                                                   \
    X(cpu_millis, "cpu", "thousandths of a core")                                                            \
    X(memory_bytes, "memory", "bytes")                                                                       \
    X(storage_bytes, "storage", "bytes")                                                                     \
    X(ingress, "ingress", "ingress rules")                                                                   \
    X(tokens, "tokens", "tokens")

/* Limits (-1: none), use, or what a change adds to it. */
struct lg_amounts {
#define X(member, name, unit) int64_t member;
    LG_QUOTAS(X)
#undef X
};

/* What one run of the tenant's code may have at most, whatever others have: the sandbox pool looks at it, and
 * at the host's settings (sandbox_*), which hold as well.
 *   member         name */
#define LG_CEILINGS(X)                                                                                       \
    X(time_ms, "codeTimeMs")                                                                                 \
    X(memory_bytes, "codeMemory")                                                                            \
    X(output_bytes, "codeOutput")

struct lg_ceilings { /* -1: none */
#define X(member, name) int64_t member;
    LG_CEILINGS(X)
#undef X
};

struct lg_quota {
    struct lg_amounts limit;
    struct lg_ceilings code;
    int64_t version, updated_at; /* 0: never set */
};

/* A tenant without any has no limits and version 0. */
int lg_quota_get(struct lg_db *db, const char *tenant_id, struct lg_quota *q, struct lg_err *e);
/* What counts against them now. */
int lg_quota_used(struct lg_db *db, const char *tenant_id, struct lg_amounts *used, struct lg_err *e);

/* Both below need a write transaction. */

/* Sets every limit; grows version. A limit below what is in use takes nothing away: it only admits nothing
 * more. */
int lg_quota_put(struct lg_db *db, const char *tenant_id, struct lg_quota *q, struct lg_err *e);
/* May the tenant have that much more? Only what grows is looked at. LG_LIMIT with details limit, unit, total,
 * used, requested, scope and raisedBy. */
int lg_quota_admit(struct lg_db *db, const char *tenant_id, const struct lg_amounts *more, struct lg_err *e);

/* Members of the object that is open: "instances":…,"cpu":cores,"memory":bytes,…; -1 is null. */
void lg_amounts_render(struct lg_json *j, const struct lg_amounts *a);
void lg_ceilings_render(struct lg_json *j, const struct lg_ceilings *c);

#endif
