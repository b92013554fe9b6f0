/* Do the parts of this Lodge answer? For /health and /metrics; runs in lodge-api's workers. */
#ifndef LG_API_PARTS_H
#define LG_API_PARTS_H

#include "api/compute.h"

/* What lodge-stream's own /health says; zeroed when it does not answer. */
struct lg_stream_state {
    bool answers, feeder;
    int64_t clients, waits; /* clients counts waits too */
};
/* Waits for the answer for a second at most. */
void lg_stream_look(const struct lg_req *q, struct lg_stream_state *s);

/* Somebody listens at lodge-runner's socket. */
bool lg_runner_answers(const struct lg_req *q);

/* The request came over the plain listener, which nginx opens on loopback alone, from this host. */
bool lg_is_local(const struct lg_req *q);

#endif
