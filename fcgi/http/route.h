/*
 * Routes: a file of handlers has one array of them, and fcgi/api/routes.c lists the arrays. Everything that
 * can be decided from the table is decided before a handler runs.
 */
#ifndef LG_HTTP_ROUTE_H
#define LG_HTTP_ROUTE_H

#include "http/request.h"

enum lg_perm {
    LG_PERM_PUBLIC, /* nobody need sign in; who is filled when somebody did */
    LG_PERM_USER,   /* any user */
    LG_PERM_MEMBER, /* a user acting in one of its tenants: who.tenant_id is set */
    LG_PERM_OWNER,  /* owner of that tenant, or admin */
    LG_PERM_ADMIN,
};

struct lg_body;

/* Fills the answer, or returns a negative code with `e` filled. */
typedef int lg_handler(struct lg_req *q, struct lg_resp *r, struct lg_err *e);

struct lg_route {
    const char *method;  /* "GET", or several: "PUT|POST" */
    const char *pattern; /* "/api/v1/tokens/:id"; a :name is one segment */
    enum lg_perm perm;
    const char *action; /* what the audit record says; NULL: changes nothing */
    size_t body_max;    /* bytes; 0: a body is refused */
    lg_handler *handler;
    enum lg_dialect dialect; /* how errors of this route are told */
    const char *doc;         /* one line for the API description */
    bool keyed;              /* what has no action and yet is done once by its Idempotency-Key */
    bool if_match;           /* refused (428) without If-Match: whoever changes it has seen what it was */
    /* What its JSON body is read by (body.h), for the description too; NULL: none is described. */
    const struct lg_body *body;
};

#define LG_BODY_SMALL ((size_t)64 << 10)
#define LG_BODY_LARGE ((size_t)1 << 20)

/* A table ends with an entry whose method is NULL; a list of tables with NULL. */
struct lg_route_set {
    const struct lg_route *const *tables;
};

/*
 * Finds the route and fills q->route and q->param. LG_NOT_FOUND, or LG_METHOD with details.allow ("GET,
 * PUT"). HEAD is answered as GET.
 */
int lg_route_find(const struct lg_route *const *tables, struct lg_req *q, struct lg_err *e);

#endif
