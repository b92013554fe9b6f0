/* Lists by page: ?page=&pageSize= in, "total", "page", "pageSize", "next" out. */
#ifndef LG_API_PAGE_H
#define LG_API_PAGE_H

#include "http/request.h"

struct lg_page {
    int64_t page, size, offset, total;
};

static inline int lg_page_of(const struct lg_req *q, struct lg_page *p, struct lg_err *e)
{
    int rc = lg_req_page(q, &p->page, &p->size, e);
    p->offset = rc ? 0 : (p->page - 1) * p->size;
    return rc;
}

/* Closes the array of the items and the answer. */
static inline void lg_page_end(struct lg_json *j, const struct lg_page *p)
{
    lg_json_end_arr(j);
    lg_json_int(j, "total", p->total);
    lg_json_int(j, "page", p->page);
    lg_json_int(j, "pageSize", p->size);
    lg_json_null(j, "next"); /* these lists have no cursor */
    lg_json_end_obj(j);
}

#endif
