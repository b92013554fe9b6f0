#include "api/instance_cache.h"

#include <string.h>

#define SLOTS    32
#define BODY_MAX 8192

static struct slot {
    char id[LG_ID_LEN], tenant_id[LG_ID_LEN];
    struct lg_stamp stamp;
    int status;
    struct lg_buf headers, body;
} slots[SLOTS];

/* Ids are random, so their characters spread well enough. */
static struct slot *slot_of(const char *id)
{
    unsigned h = 0;
    for (const char *p = id; *p; p++)
        h = h * 31 + (unsigned char)*p;
    return &slots[h % SLOTS];
}

bool lg_instance_cache_get(struct lg_req *q, struct lg_resp *r, const char *id)
{
    const struct slot *s = slot_of(id);
    if (strcmp(s->id, id) || strcmp(s->tenant_id, q->who.tenant_id))
        return false;
    struct lg_stamp now = lg_db_stamp(q->db);
    if (!lg_stamp_same(&s->stamp, &now))
        return false;
    r->status = s->status;
    lg_buf_add(&r->headers, s->headers.data, s->headers.len);
    lg_buf_add(&r->body, s->body.data, s->body.len);
    return true;
}

void lg_instance_cache_put(const struct lg_req *q, const struct lg_resp *r, const char *id,
                           const struct lg_stamp *stamp)
{
    struct slot *s = slot_of(id);
    if (r->body.failed || r->headers.failed || r->body.len > BODY_MAX || strlen(id) >= sizeof s->id)
        return;
    *s->id = 0;
    lg_buf_reset(&s->headers);
    lg_buf_reset(&s->body);
    lg_buf_add(&s->headers, lg_buf_cstr(&r->headers), r->headers.len);
    lg_buf_add(&s->body, lg_buf_cstr(&r->body), r->body.len);
    s->stamp = *stamp;
    s->status = r->status;
    memcpy(s->tenant_id, q->who.tenant_id, sizeof s->tenant_id);
    if (!s->body.failed && !s->headers.failed)
        memcpy(s->id, id, strlen(id) + 1);
}
