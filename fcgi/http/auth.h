/* Who is asking: bearer token, X-API-Key or the dashboard's cookie; and what a cookie's bearer must prove on
 * writes. */
#ifndef LG_HTTP_AUTH_H
#define LG_HTTP_AUTH_H

#include "http/request.h"

#define LG_COOKIE "__Host-lodge"

/* Fills q->who, q->signed_in, q->by_cookie. 0 also when no credential was sent; LG_UNAUTHENTICATED when a
 * wrong one was; LG_FORBIDDEN when Lodge-Tenant or X-Tenant-ID names a tenant that is not the caller's. */
int lg_authenticate(struct lg_req *q, struct lg_err *e);
/* A write by cookie needs `Lodge-CSRF: 1` and, when the browser sends Origin, our own. LG_FORBIDDEN. */
int lg_check_csrf(const struct lg_req *q, struct lg_err *e);
/* True when Origin is absent or is this very host. */
bool lg_same_origin(const struct lg_req *q);
/* Value of a cookie of the request into out; false when absent or longer. */
bool lg_req_cookie(const struct lg_req *q, const char *name, char *out, size_t cap);

/*
 * On the gateway's listeners X-Tenant-ID (absent: "default") stands for the tenant, no credential is asked
 * for, and "gateway" is who acts. A tenant that does not exist has the id LG_GATEWAY_NOBODY, which owns
 * nothing. LG_FORBIDDEN for a page of another site, LG_INVALID for what can be no tenant's name.
 */
#define LG_GATEWAY_NOBODY "00000000-0000-0000-0000-000000000000"
int lg_gateway_enter(struct lg_req *q, struct lg_err *e);
/* Within the write transaction of what needs the tenant: makes it when it does not exist yet. */
int lg_gateway_tenant(struct lg_req *q, struct lg_err *e);
/* The same in a transaction of its own, for what the database does not keep. */
int lg_gateway_settle(struct lg_req *q, struct lg_err *e);

#endif
