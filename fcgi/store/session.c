#include "store/session.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/sql.h"
#include "store/token.h"

#define SESSIONS_MAX 50
#define WINDOW_MS    60000
/* A user may fail so many times as often as an address: else one address could keep anybody from signing in.
 */
#define USER_SHARE 5

/* 1 and id, 0 none: the user's oldest session that is not `keep`. */
static int oldest(struct lg_db *db, const char *user_id, const char *keep, char id[LG_ID_LEN],
                  struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_SESSION_ONE_OF_USER, e, "tt", user_id, keep);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        lg_col_copy(s, 0, id, LG_ID_LEN);
    lg_sql_done(s);
    return rc;
}

static int count_of(struct lg_db *db, const char *user_id, int64_t *n, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_SESSION_COUNT_OF_USER, e, "t", user_id), n, e);
}

int lg_session_add(struct lg_db *db, const char *user_id, const uint8_t digest[LG_DIGEST_BYTES],
                   const char *address, int64_t life_ms, char id[LG_ID_LEN], struct lg_err *e)
{
    int64_t now = lg_clock_ms(), n;
    int rc = count_of(db, user_id, &n, e);
    for (; !rc && n >= SESSIONS_MAX; n--) {
        rc = oldest(db, user_id, "", id, e);
        rc = rc > 0 ? lg_session_end(db, id, user_id, e) : rc;
    }
    if (rc)
        return rc;
    lg_id_new(id);
    rc = lg_sql_run(db, Q_SESSION_ADD, e, "btttii", digest, (size_t)LG_DIGEST_BYTES, id, user_id, address,
                    now, now + life_ms);
    return rc < 0 ? rc : 0;
}

int lg_session_end(struct lg_db *db, const char *id, const char *user_id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_SESSION_REMOVE, e, "t", id);
    if (rc <= 0)
        return rc;
    lg_cleanup_buf struct lg_buf b = {.max = 256};
    lg_buf_fmt(&b, "{\"user\":\"%s\"}", user_id);
    return lg_event_add(db,
                        &(struct lg_event){.kind = "session.ended",
                                           .admin = true,
                                           .subject_type = "session",
                                           .subject_id = id,
                                           .data = lg_buf_cstr(&b)},
                        e);
}

int lg_session_end_all(struct lg_db *db, const char *user_id, const char *keep, struct lg_err *e)
{
    char id[LG_ID_LEN];
    int rc;
    while ((rc = oldest(db, user_id, keep, id, e)) > 0)
        if ((rc = lg_session_end(db, id, user_id, e)) < 0)
            break;
    return rc;
}

int lg_session_set_tenant(struct lg_db *db, const char *id, const char *tenant_id, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_SESSION_SET_TENANT, e, "tt", id, tenant_id);
    return rc < 0 ? rc : 0;
}

/* Ends one expired session: 1, or 0 when there is none. */
static int end_expired(struct lg_db *db, int64_t now, struct lg_err *e)
{
    char id[LG_ID_LEN] = "", user[LG_ID_LEN] = "";
    lg_stmt *s = lg_sql(db, Q_SESSION_ONE_EXPIRED, e, "i", now);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        lg_col_copy(s, 0, id, sizeof id);
        lg_col_copy(s, 1, user, sizeof user);
    }
    lg_sql_done(s);
    if (rc <= 0)
        return rc;
    rc = lg_session_end(db, id, user, e);
    return rc < 0 ? rc : 1;
}

static int due(struct lg_db *db, int64_t now, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_SESSION_DUE, e, "iii", now, now - WINDOW_MS, now - LG_TOKEN_KEEP_MS);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        rc = lg_col_int(s, 0) != 0;
    lg_sql_done(s);
    return rc;
}

int lg_session_sweep(struct lg_db *db, struct lg_err *e)
{
    int64_t now = lg_clock_ms();
    int rc = due(db, now, e);
    if (rc <= 0)
        return rc;
    rc = lg_tx_write(db, e);
    if (rc)
        return rc;
    while ((rc = end_expired(db, now, e)) > 0)
        ;
    if (!rc)
        rc = lg_token_sweep(db, now, e);
    if (!rc)
        rc = lg_sql_run(db, Q_SIGN_IN_PRUNE, e, "i", now - WINDOW_MS);
    if (rc >= 0)
        rc = lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc;
}

static void user_subject(const char *username, char out[80])
{
    int n = snprintf(out, 80, "user:%.64s", username);
    for (int i = 0; i < n; i++)
        out[i] = (char)tolower((unsigned char)out[i]);
}

static void address_subject(const char *address, char out[80])
{
    struct in6_addr a;
    char text[INET6_ADDRSTRLEN];
    if (inet_pton(AF_INET6, address, &a) == 1 && !IN6_IS_ADDR_V4MAPPED(&a)) {
        memset(a.s6_addr + 8, 0, 8);
        address = inet_ntop(AF_INET6, &a, text, sizeof text) ? text : address;
    }
    snprintf(out, 80, "address:%.64s", address);
}

int lg_sign_in_wait(struct lg_db *db, const char *username, const char *address, int64_t limit,
                    int64_t *wait_ms, struct lg_err *e)
{
    char user[80], from[80];
    int64_t now = lg_clock_ms();
    user_subject(username, user);
    address_subject(address, from);
    lg_stmt *s =
        lg_sql(db, Q_SIGN_IN_WORST, e, "ttiii", user, from, limit * USER_SHARE, limit, now - WINDOW_MS);
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    *wait_ms = rc ? lg_col_int(s, 0) + WINDOW_MS - now : 0;
    lg_sql_done(s);
    return 0;
}

int lg_sign_in_failed(struct lg_db *db, const char *username, const char *address, struct lg_err *e)
{
    char user[80], from[80];
    int64_t now = lg_clock_ms();
    user_subject(username, user);
    address_subject(address, from);
    int rc = lg_sql_run(db, Q_SIGN_IN_FAILED, e, "tii", user, now, now - WINDOW_MS);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_SIGN_IN_FAILED, e, "tii", from, now, now - WINDOW_MS);
    return rc < 0 ? rc : 0;
}

int lg_sign_in_good(struct lg_db *db, const char *username, struct lg_err *e)
{
    char user[80];
    user_subject(username, user);
    int rc = lg_sql_run(db, Q_SIGN_IN_FORGET, e, "t", user);
    return rc < 0 ? rc : 0;
}
