/* (written below) */
#include "sandbox/pool.h"

void lg_scribe_start(struct lg_pool_state *p)
{
    (void)p;
}

void lg_scribe_write(const struct lg_task *r)
{
    (void)r;
}
