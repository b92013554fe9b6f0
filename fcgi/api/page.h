/*
 * Lists: ?page=&pageSize= or ?cursor=&pageSize= in, "total", "page", "pageSize", "next" out. A cursor is the
 * key of the last row that was shown, a number and a text in the order of the list: what comes or goes in
 * between moves nothing.
 */
#ifndef LG_API_PAGE_H
#define LG_API_PAGE_H

#include "http/request.h"

#define LG_PAGE_KEY 256

struct lg_page {
    int64_t page, size, offset, total; /* offset: 0 with a cursor */
    bool keyed;
    int64_t key_n;
    char key_s[LG_PAGE_KEY];
    /* Of the last row that was shown. */
    int64_t count, last_n;
    char last_s[LG_PAGE_KEY];
    bool more;
};

/* Is the next row, whose key this is, on the page? One more than `size` is asked of the store, to know
 * whether there is a next page. */
bool lg_page_take(struct lg_page *p, int64_t n, const char *s);
/* The same where the store hands out all rows, oldest first: counts them, and skips those before the page. */
bool lg_page_take_of_all(struct lg_page *p, int64_t n, const char *s);

/* A list being answered, for the callback that writes its rows. `rc` is the callback's own. */
struct lg_list {
    struct lg_json j;
    struct lg_page p;
    struct lg_req *q;
    struct lg_err *e;
    int rc;
};
/* Reads the page that is asked for, and opens the answer up to the first of `items`. LG_INVALID,
 * details.field "cursor", for what is none. */
int lg_list_begin(struct lg_list *l, struct lg_req *q, struct lg_resp *r, const char *items,
                  struct lg_err *e);
/* Closes the array and the answer. `rc`: what the store's function returned; returns the answer's. */
int lg_list_end(struct lg_list *l, int rc);

#endif
