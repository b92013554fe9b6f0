#include "api/signin.h"

#include <string.h>

#include "http/route.h"
#include "store/session.h"

static int check_rate(struct lg_req *q, const char *username, struct lg_err *e)
{
    int64_t wait_ms = 0;
    int rc = lg_sign_in_wait(q->db, username, q->address, q->app->conf.sign_in_per_minute, &wait_ms, e);
    if (rc || wait_ms <= 0)
        return rc;
    int seconds = (int)((wait_ms + 999) / 1000);
    lg_fail(e, LG_RATE, "too many failed sign-ins; try again in %d seconds", seconds);
    return lg_err_detail(e, "retryAfter", "%d", seconds);
}

/* A hash that nothing matches, so that an unknown name takes as long as a wrong password. */
static const char *nobodys_hash(struct lg_err *e)
{
    static char hash[LG_PWHASH_LEN];
    char random[LG_TOKEN_LEN];
    lg_token_new(random);
    return *hash || !lg_password_hash(random, hash, e) ? hash : NULL;
}

/* Counts the failure and writes it down. A name that nobody has is not: it may be a password in the wrong
 * field. */
static int refuse(struct lg_req *q, const char *username, const struct lg_user *known, struct lg_err *e)
{
    struct lg_audit a = {.username = known ? known->username : "",
                         .address = q->address,
                         .action = q->route->action,
                         .subject = known ? known->id : "",
                         .result = lg_code_name(LG_UNAUTHENTICATED),
                         .details = !known            ? "unknown user name"
                                    : known->disabled ? "the user is disabled"
                                                      : "wrong password"};
    int rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_sign_in_failed(q->db, username, q->address, e);
    if (!rc)
        rc = lg_audit_add(q->db, &a, e);
    if (!rc) {
        q->in_tx = false;
        rc = lg_tx_commit(q->db, e);
    }
    return rc ? rc : lg_fail(e, LG_UNAUTHENTICATED, "wrong user name or password");
}

int lg_prove_password(struct lg_req *q, const char *username, const char *password, struct lg_user *u,
                      struct lg_err *e)
{
    int rc = check_rate(q, username, e);
    int known = rc ? 0 : lg_user_by_name(q->db, username, u, e);
    const char *nobody = rc || known < 0 ? NULL : nobodys_hash(e);
    if (rc || known < 0 || !nobody)
        return rc ? rc : known < 0 ? known : -(int)LG_INTERNAL;
    bool right = lg_password_check(known ? u->password_hash : nobody, password);
    if (right && known && !u->disabled)
        return 0;
    return refuse(q, username, known ? u : NULL, e);
}
