/* Handlers of users.c that hash a password, for the pool that does so. Private to fcgi/api. */
#ifndef LG_API_USERS_H
#define LG_API_USERS_H

#include "http/body.h"
#include "http/route.h"

lg_handler lg_user_create, lg_user_update;

/* The change at hand is the host's, not the chosen tenant's: its audit line names none. */
void lg_act_for_host(struct lg_req *q);

/* What these two read, for their routes in session.c. */
extern const struct lg_body lg_user_create_body[], lg_user_update_body[];

#endif
