/*
 * Fetches a file from an address that a tenant named. lodge-intake (intake/wire.h), without
 * privileges, speaks to the network; it holds the open file and a pipe, nothing else. Private, loopback and
 * link-local addresses are refused (setting fetch_allow names exceptions), for the first address and after
 * each redirect, and the connection goes to the very address that was looked at. Called by lodge-runner's
 * workers; blocks.
 */
#ifndef LG_DRIVER_FETCH_H
#define LG_DRIVER_FETCH_H

#include "driver/driver.h"

struct lg_fetch {
    const struct lg_conf *conf;
    const char *url;
    int fd;            /* open for writing, at its beginning; stays the caller's */
    int64_t max_bytes; /* more than that is refused */
};

/* 0, or LG_INVALID (the address may not be spoken to, the answer is no file), LG_TOO_LARGE, LG_BACKEND (the
 * server said no, or cannot be reached), LG_CANCELLED. */
int lg_fetch(const struct lg_fetch *f, const volatile sig_atomic_t *cancel, lg_progress_fn *fn, void *arg,
             struct lg_err *e);

#endif
