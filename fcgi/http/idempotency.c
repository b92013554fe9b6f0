#include "http/idempotency.h"

#include <string.h>

#include "base/log.h"
#include "http/route.h"
#include "store/operation.h"

#define REPLAYED "Idempotent-Replayed"

/* Whose key it is. A tenant by its name: in gateway mode it may be made by the very request. */
static void set_owner(const struct lg_req *q, struct lg_idempotency *i)
{
    const char *caller = *q->who.token_id ? q->who.token_id : q->who.user_id;
    snprintf(i->caller, sizeof i->caller, "%s", *caller ? caller : "gateway");
    snprintf(i->tenant, sizeof i->tenant, "%s", q->who.tenant_slug);
}

static int set_key(struct lg_idempotency *i, const char *key, struct lg_err *e)
{
    size_t n = strlen(key);
    for (size_t k = 0; k < n; k++)
        if (key[k] <= 0x20 || key[k] > 0x7e)
            n = 0;
    if (!n || n > LG_IDEMPOTENCY_KEY_MAX)
        return lg_fail(e, LG_INVALID, "Idempotency-Key must be 1 to %d visible characters",
                       LG_IDEMPOTENCY_KEY_MAX);
    memcpy(i->key, key, n + 1);
    return 0;
}

static void add_part(struct lg_buf *b, const char *p, size_t n)
{
    lg_buf_fmt(b, "%zu:", n);
    lg_buf_add(b, p, n);
}

/* What an upload holds nginx stored: its digest stands for it. */
static int upload_digest(const struct lg_req *q, char hex[2 * LG_DIGEST_BYTES + 1], struct lg_err *e)
{
    uint8_t digest[LG_DIGEST_BYTES];
    const char *file = lg_req_upload(q);
    *hex = 0;
    if (!file)
        return 0;
    int rc = lg_digest_file(&q->app->token_key, file, digest, e);
    if (!rc)
        lg_hex(digest, sizeof digest, hex);
    return rc;
}

static int set_request(const struct lg_req *q, struct lg_idempotency *i, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {0};
    char stored[2 * LG_DIGEST_BYTES + 1];
    int rc = upload_digest(q, stored, e);
    if (rc)
        return rc;
    const char *query = lg_req_header(q, "QUERY_STRING");
    const char *parts[] = {q->method, q->path, query ? query : "", stored};
    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
        add_part(&b, parts[k], strlen(parts[k]));
    add_part(&b, q->body ? q->body : "", q->body_len);
    if (b.failed)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    lg_digest(&q->app->token_key, b.data, b.len, i->request);
    return 0;
}

static int unseal(const struct lg_req *q, const struct lg_buf *sealed, struct lg_buf *out, struct lg_err *e)
{
    if (!sealed->len || lg_unseal(&q->app->env_key, sealed->data, sealed->len, out))
        return 0;
    return lg_fail(e, LG_INTERNAL, "the answer of the first request cannot be read any more");
}

static int in_flight(struct lg_resp *r, const char *operation, struct lg_err *e)
{
    char path[80];
    lg_fail(e, LG_IN_FLIGHT, "the request with this Idempotency-Key is still at work");
    if (!*operation)
        return -(int)LG_IN_FLIGHT;
    snprintf(path, sizeof path, "/api/v1/operations/%.40s", operation);
    lg_resp_header(r, "Operation-Location", path);
    lg_err_detail(e, "operation", "%s", operation);
    return lg_err_detail(e, "retryAfter", "1");
}

/* The first answer was to wait for an operation and nobody was there to be shown it. */
static int show_now(struct lg_req *q, struct lg_resp *r, const struct lg_idempotency *i, lg_idem_show *show,
                    void *arg, struct lg_err *e)
{
    const struct lg_handoff h = {
        .k = "wait", .op = i->operation_id, .view = i->view, .id = i->subject_id, .idem = i->key};
    if (!lg_idem_final(q, &h))
        return in_flight(r, i->operation_id, e);
    show(q, r, &h, arg);
    lg_idem_keep(q, r, &h);
    lg_resp_header(r, REPLAYED, "true");
    return 1;
}

static int replay(struct lg_req *q, struct lg_resp *r, const struct lg_idempotency *i,
                  const struct lg_buf *headers, const struct lg_buf *body, struct lg_err *e)
{
    int rc = unseal(q, headers, &r->headers, e);
    if (!rc)
        rc = unseal(q, body, &r->body, e);
    if (rc)
        return rc;
    r->status = i->status;
    lg_resp_header(r, REPLAYED, "true");
    return 1;
}

static bool wants_key(const struct lg_req *q)
{
    return (q->route->action || q->route->keyed) && q->route->perm != LG_PERM_PUBLIC && q->signed_in &&
           strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0;
}

int lg_idem_open(struct lg_req *q, struct lg_resp *r, lg_idem_show *show, void *arg, struct lg_err *e)
{
    static struct lg_idem idem; /* a worker has one request at a time */
    const char *key = lg_req_header(q, "HTTP_IDEMPOTENCY_KEY");
    if (!key || !wants_key(q))
        return 0;
    lg_cleanup_buf struct lg_buf headers = {0}, body = {0};
    memset(&idem, 0, sizeof idem);
    set_owner(q, &idem.row);
    int rc = set_key(&idem.row, key, e);
    if (!rc)
        rc = set_request(q, &idem.row, e);
    if (rc)
        return rc;
    struct lg_idempotency known = idem.row;
    rc = lg_idempotency_get(q->db, &known, &headers, &body, e);
    q->idem = rc ? NULL : &idem;
    if (rc <= 0)
        return rc;
    if (memcmp(known.request, idem.row.request, sizeof known.request) != 0)
        return lg_fail(e, LG_KEY_REUSED, "this Idempotency-Key was used for another request");
    return known.status ? replay(q, r, &known, &headers, &body, e) : show_now(q, r, &known, show, arg, e);
}

int lg_idem_check(struct lg_req *q, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf headers = {0}, body = {0};
    if (!q->idem)
        return 0;
    struct lg_idempotency known = q->idem->row;
    int rc = lg_idempotency_get(q->db, &known, &headers, &body, e);
    q->idem->raced = rc > 0;
    return rc > 0 ? lg_fail(e, LG_IN_FLIGHT, "the request with this Idempotency-Key is at work") : rc;
}

void lg_idem_parked(struct lg_req *q, const struct lg_handoff *h)
{
    if (!q->idem || !h->op || !h->view)
        return;
    snprintf(q->idem->row.operation_id, sizeof q->idem->row.operation_id, "%s", h->op);
    snprintf(q->idem->row.view, sizeof q->idem->row.view, "%s", h->view);
    snprintf(q->idem->row.subject_id, sizeof q->idem->row.subject_id, "%s", h->id ? h->id : "");
}

static int seal(const struct lg_req *q, const struct lg_buf *plain, struct lg_buf *out, struct lg_err *e)
{
    if (plain->len)
        lg_seal(&q->app->env_key, plain->data, plain->len, out);
    return out->failed ? lg_fail(e, LG_INTERNAL, "out of memory") : 0;
}

int lg_idem_commit(struct lg_req *q, const struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf headers = {0}, body = {0};
    struct lg_idempotency *i = &q->idem->row;
    int rc = r->body.failed || r->headers.failed ? lg_fail(e, LG_INTERNAL, "the answer is too large") : 0;
    if (!rc && !*i->operation_id) {
        i->status = r->status ? r->status : 200;
        rc = seal(q, &r->headers, &headers, e);
        if (!rc)
            rc = seal(q, &r->body, &body, e);
    }
    if (!rc)
        rc = lg_idempotency_put(q->db, i, &headers, &body, e);
    if (rc)
        return rc;
    q->in_tx = q->idem->deferred = false;
    return lg_tx_commit(q->db, e);
}

bool lg_idem_final(struct lg_req *q, const struct lg_handoff *h)
{
    struct lg_operation op;
    return h->idem && *h->idem && !lg_operation_get(q->db, h->op, &op, NULL) && lg_operation_ended(&op);
}

void lg_idem_keep(struct lg_req *q, const struct lg_resp *r, const struct lg_handoff *h)
{
    lg_cleanup_buf struct lg_buf headers = {0}, body = {0};
    struct lg_err e = {0};
    struct lg_idempotency i = {.status = r->status ? r->status : 200};
    set_owner(q, &i);
    int rc = set_key(&i, h->idem, &e);
    if (!rc)
        rc = seal(q, &r->headers, &headers, &e);
    if (!rc)
        rc = seal(q, &r->body, &body, &e);
    if (!rc)
        rc = lg_tx_write(q->db, &e);
    if (!rc)
        rc = lg_idempotency_finish(q->db, &i, &headers, &body, &e);
    if (!rc)
        rc = lg_tx_commit(q->db, &e);
    if (rc) { /* the next one who asks is shown it anew */
        lg_tx_rollback(q->db);
        lg_log_err(LG_WARN, "an answer could not be kept for its Idempotency-Key", &e);
    }
}
