/* Pages of lists: a number, or a keyset cursor that costs the same however far one goes. */
#include "api/compute.h"

int lg_keyset_parse(const struct lg_req *q, struct lg_keyset *p, struct lg_err *e)
{
    int rc = lg_req_page(q, &p->page, &p->size, e);
    return rc ? rc : lg_req_query_int(q, "cursor", 1, INT64_MAX - 1, 0, &p->before, e);
}

int lg_keyset_offset(const struct lg_keyset *p)
{
    int64_t offset = p->before ? 0 : (p->page - 1) * p->size;
    return offset > INT32_MAX ? INT32_MAX : (int)offset;
}

void lg_keyset_render(struct lg_json *j, const struct lg_keyset *p, int64_t total, int64_t next)
{
    char cursor[24];
    snprintf(cursor, sizeof cursor, "%lld", (long long)next);
    lg_json_int(j, "total", total);
    lg_json_int(j, "page", p->page);
    lg_json_int(j, "pageSize", p->size);
    lg_json_str(j, "next", next ? cursor : NULL);
}
