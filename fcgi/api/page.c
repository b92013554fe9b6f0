#include "api/page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int page_of(const struct lg_req *q, struct lg_page *p, struct lg_err *e)
{
    const char *cursor = lg_req_query(q, "cursor", NULL);
    char *end;
    memset(p, 0, sizeof *p);
    int rc = lg_req_page(q, &p->page, &p->size, e);
    if (rc || !cursor) {
        p->offset = rc ? 0 : (p->page - 1) * p->size;
        return rc;
    }
    errno = 0;
    p->key_n = strtoll(cursor, &end, 10);
    if (errno || end == cursor || *end != '.' || strlen(end + 1) >= sizeof p->key_s)
        return lg_invalid_query(e, "cursor", "must be what `next` of the page before says");
    snprintf(p->key_s, sizeof p->key_s, "%s", end + 1);
    p->keyed = true;
    return 0;
}

bool lg_page_take(struct lg_page *p, int64_t n, const char *s)
{
    if (p->count == p->size) {
        p->more = true;
        return false;
    }
    p->count++;
    p->last_n = n;
    snprintf(p->last_s, sizeof p->last_s, "%s", s);
    return true;
}

bool lg_page_take_of_all(struct lg_page *p, int64_t n, const char *s)
{
    bool before =
        p->keyed ? n < p->key_n || (n == p->key_n && strcmp(s, p->key_s) <= 0) : p->total < p->offset;
    p->total++;
    return !before && lg_page_take(p, n, s);
}

int lg_list_begin(struct lg_list *l, struct lg_req *q, struct lg_resp *r, const char *items, struct lg_err *e)
{
    int rc = page_of(q, &l->p, e);
    if (rc)
        return rc;
    l->q = q;
    l->e = e;
    l->rc = 0;
    lg_resp_json(r, 200, &l->j);
    lg_json_arr(&l->j, items);
    return 0;
}

int lg_list_end(struct lg_list *l, int rc)
{
    const struct lg_page *p = &l->p;
    struct lg_json *j = &l->j;
    char next[LG_PAGE_KEY + 24];
    snprintf(next, sizeof next, "%lld.%s", (long long)p->last_n, p->last_s);
    lg_json_end_arr(j);
    lg_json_int(j, "total", p->total);
    lg_json_int(j, "page", p->page);
    lg_json_int(j, "pageSize", p->size);
    lg_json_str(j, "next", p->more ? next : NULL);
    lg_json_end_obj(j);
    return rc < 0 ? rc : l->rc;
}
