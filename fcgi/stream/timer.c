#include "stream/timer.h"

#include <limits.h>
#include <stddef.h>

static struct lg_timer *meld(struct lg_timer *a, struct lg_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->due < a->due) {
        struct lg_timer *t = a;
        a = b;
        b = t;
    }
    b->next = a->child;
    b->prev = a;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* The two passes of a pairing heap, without recursion: the list may be as long as there are clients. */
static struct lg_timer *meld_siblings(struct lg_timer *first)
{
    struct lg_timer *pairs = NULL, *root = NULL;
    while (first) {
        struct lg_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        struct lg_timer *m = meld(a, b);
        m->next = pairs;
        pairs = m;
    }
    while (pairs) {
        struct lg_timer *rest = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

static void unlink_from_parent(struct lg_timer *t)
{
    if (t->prev->child == t)
        t->prev->child = t->next;
    else
        t->prev->next = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

void lg_timer_cancel(struct lg_timers *h, struct lg_timer *t)
{
    if (!t->armed)
        return;
    struct lg_timer *rest = meld_siblings(t->child);
    if (t == h->root) {
        h->root = rest;
    } else {
        unlink_from_parent(t);
        h->root = meld(h->root, rest);
    }
    t->child = t->next = t->prev = NULL;
    t->armed = false;
}

void lg_timer_set(struct lg_timers *h, struct lg_timer *t, int64_t due)
{
    lg_timer_cancel(h, t);
    /* While timers run, nothing may come due again in the same run: that would be an endless loop. */
    t->due = due > h->past ? due : h->past + 1;
    t->child = t->next = t->prev = NULL;
    t->armed = true;
    h->root = meld(h->root, t);
}

void lg_timers_run(struct lg_timers *h, int64_t now)
{
    h->past = now;
    while (h->root && h->root->due <= now) {
        struct lg_timer *t = h->root;
        lg_timer_cancel(h, t);
        t->fire(t);
    }
    h->past = INT64_MIN;
}

int lg_timers_wait(const struct lg_timers *h, int64_t now)
{
    if (!h->root)
        return -1;
    int64_t left = h->root->due - now;
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
