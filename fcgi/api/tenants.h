/* The tenant that a path names. Private to fcgi/api. */
#ifndef LG_API_TENANTS_H
#define LG_API_TENANTS_H

#include "http/request.h"
#include "store/tenant.h"

/*
 * The tenant of the path, when the caller may see it, or with `change` what its owners may change. A tenant
 * is none of the caller's business (LG_NOT_FOUND) unless it is an admin or a member; a token speaks for its
 * own tenant alone. From here on the caller acts in this tenant.
 */
int lg_tenant_of_path(struct lg_req *q, bool change, struct lg_tenant *t, struct lg_err *e);

#endif
