/* Ingress rules and the look-up behind every request to an application. */
#ifndef LG_STORE_INGRESS_H
#define LG_STORE_INGRESS_H

#include "base/json.h"
#include "store/instance.h"

struct lg_ingress {
    char instance_id[LG_ID_LEN], tenant_id[LG_ID_LEN], host[64], access[12];
    int port, target_port;
    int64_t created_at;
};

/* LG_CONFLICT when the host is taken (details.field "host") or the instance has a rule for that port. Event.
 */
int lg_ingress_add(struct lg_db *db, const struct lg_instance *in, struct lg_ingress *r, struct lg_err *e);
int lg_ingress_remove(struct lg_db *db, const struct lg_instance *in, int port,
                      struct lg_err *e); /* LG_NOT_FOUND */
/* Rules of an instance, or with instance_id "" of the whole tenant. Returns how many. */
int lg_ingress_each(struct lg_db *db, const char *tenant_id, const char *instance_id,
                    void (*fn)(void *arg, const struct lg_ingress *r), void *arg, struct lg_err *e);

/* What a host leads to: 1 and fills, 0 unknown host. */
struct lg_route_target {
    char instance_id[LG_ID_LEN], tenant_id[LG_ID_LEN], access[12];
    enum lg_state state;
    int net_index, host_number, target_port;
};
/* Who serves this host name: 1 and fills t, 0 nobody. */
int lg_ingress_lookup(struct lg_db *db, const char *host, struct lg_route_target *t, struct lg_err *e);

/* One-time codes that carry a member from the dashboard to an application's cookie; kept as keyed hashes. */
struct lg_app_code {
    char host[64], user_id[LG_ID_LEN], path[1024];
    int64_t expires_at;
};
int lg_app_code_add(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], const struct lg_app_code *c,
                    struct lg_err *e);
/* Consumes it: 1 and fills `c`, 0 when it is unknown, used or expired. */
int lg_app_code_take(struct lg_db *db, const uint8_t digest[LG_DIGEST_BYTES], struct lg_app_code *c,
                     struct lg_err *e);
/* May this user open the tenant's members-only applications now? 1 / 0. */
int lg_app_member(struct lg_db *db, const char *user_id, const char *tenant_id, struct lg_err *e);

/* The address that a browser opens. */
#define LG_INGRESS_URL 512
void lg_ingress_url(const struct lg_ingress *r, const struct lg_conf *c, char out[LG_INGRESS_URL]);
void lg_ingress_render(struct lg_json *j, const char *key, const struct lg_ingress *r,
                       const struct lg_conf *c);

#endif
