/*
 * The service registry. What a tenant's services say of themselves stands until its lease ends; Lodge's own
 * entries have none. Every change adds an event in the same transaction: service.registered, service.updated,
 * service.deregistered, service.expired, with {"service":{…}}; those of Lodge's own go to all tenants.
 */
#ifndef LG_STORE_SERVICE_H
#define LG_STORE_SERVICE_H

#include "base/json.h"
#include "model/service.h"
#include "store/db.h"

#define LG_SERVICES_MAX         1000 /* of one tenant */
#define LG_SERVICE_METADATA_MAX 8192 /* bytes of JSON */

struct lg_service {
    int64_t lease_id;
    char tenant_id[LG_ID_LEN]; /* "": Lodge's own */
    char name[129], id[129], address[256], version[129];
    int port; /* 0: none, Lodge's own only */
    enum lg_service_status status;
    char metadata[LG_SERVICE_METADATA_MAX + 1]; /* JSON object of strings */
    int64_t ttl_ms, registered_at, expires_at;  /* expires_at 0: Lodge's own */
};

/*
 * Registers it anew: gives lease_id, registered_at and expires_at. What had the same name and id is replaced,
 * and its lease is worth nothing any more. With tenant_id "" it is Lodge's own and has no lease; one that
 * says nothing new is left as it is. LG_LIMIT: too many of this tenant. In a write transaction.
 */
int lg_service_put(struct lg_db *db, struct lg_service *s, struct lg_err *e);

/*
 * Renews a lease of this tenant; `status` -1: unchanged. Fills `s`. LG_NOT_FOUND when it has ended, was
 * replaced, or is somebody else's. In a write transaction.
 */
int lg_service_renew(struct lg_db *db, const char *tenant_id, int64_t lease_id, int status,
                     struct lg_service *s, struct lg_err *e);

/* 1: it was there and is removed; 0: it was not (any more). tenant_id "": Lodge's own. In a write
 * transaction. */
int lg_service_remove(struct lg_db *db, const char *tenant_id, const char *name, const char *id,
                      struct lg_err *e);

/* The tenant's live ones and Lodge's own by name; `name` "" for all. Returns how many. */
int lg_service_each(struct lg_db *db, const char *tenant_id, const char *name,
                    void (*fn)(void *arg, const struct lg_service *s), void *arg, struct lg_err *e);
/* Lodge's own alone. */
int lg_service_each_own(struct lg_db *db, void (*fn)(void *arg, const struct lg_service *s), void *arg,
                        struct lg_err *e);

/* When the next lease ends, epoch ms; 0: none. */
int lg_service_next_expiry(struct lg_db *db, int64_t *at, struct lg_err *e);
/* Removes what has expired, in transactions of its own. Returns how many, or a negative code. */
int lg_service_sweep(struct lg_db *db, struct lg_err *e);

/* ServiceInfo: {name,id,address,port,status,metadata,version}; with `more` also what the native API adds. */
void lg_service_render(struct lg_json *j, const char *key, const struct lg_service *s, bool more);

#endif
