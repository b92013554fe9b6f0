/* Proving a password: the one place where a guess is counted. Private to fcgi/api. */
#ifndef LG_API_SIGNIN_H
#define LG_API_SIGNIN_H

#include "http/request.h"
#include "store/user.h"

/*
 * Fills `u` when `username` may sign in with `password`. Otherwise LG_UNAUTHENTICATED (whatever is wrong, in
 * the same time: a hash is checked for unknown names too), or LG_RATE with details.retryAfter after too many
 * failures of this user or address. Counts and audits failures in a transaction of its own; needs none to be
 * open.
 */
int lg_prove_password(struct lg_req *q, const char *username, const char *password, struct lg_user *u,
                      struct lg_err *e);

#endif
