#include "api/page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int no_cursor(struct lg_err *e)
{
    lg_fail(e, LG_INVALID, "query parameter cursor must be what `next` of the page before says");
    return lg_err_detail(e, "field", "cursor");
}

int lg_page_of(const struct lg_req *q, struct lg_page *p, struct lg_err *e)
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
        return no_cursor(e);
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

void lg_page_end(struct lg_json *j, const struct lg_page *p)
{
    char next[LG_PAGE_KEY + 24];
    snprintf(next, sizeof next, "%lld.%s", (long long)p->last_n, p->last_s);
    lg_json_end_arr(j);
    lg_json_int(j, "total", p->total);
    lg_json_int(j, "page", p->page);
    lg_json_int(j, "pageSize", p->size);
    lg_json_str(j, "next", p->more ? next : NULL);
    lg_json_end_obj(j);
}
