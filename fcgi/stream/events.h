/*
 * Event streams. A client is paged from its last id until it has caught up, then lives on pushed events;
 * whatever it missed in between is fetched again rather than kept, so a client costs no memory per event.
 */
#ifndef LG_STREAM_EVENTS_H
#define LG_STREAM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

struct lg_server;
struct lg_client;

enum lg_events_state {
    LG_EVENTS_HELLO, /* wants only new events and waits for a feeder to say where that is */
    LG_EVENTS_WANT,  /* in the queue for a page */
    LG_EVENTS_ASKED, /* a page is on its way */
    LG_EVENTS_DRAIN, /* its buffer is half full: the next page when that has been written */
    LG_EVENTS_LIVE,
};

struct lg_events {
    enum lg_events_state state;
    int64_t last;   /* everything up to here was sent or did not concern it */
    int64_t missed; /* highest id that was pushed past it while it was not live */
    int64_t again;  /* value of `missed` for which a page was fetched once more */
    bool ready_sent;
};

/* One event, rendered once for all who get it. Strings are the caller's. */
struct lg_event {
    int64_t id;
    bool admin;
    const char *tenant, *kind, *subject; /* tenant "*": everybody's; subject: the name of what it is about */
    struct lg_buf ws, sse;               /* whole WebSocket frame; whole SSE block */
    struct lg_buf cloud; /* WebSocket frame of the cloud dialect; empty when it has nothing to say of this */
};

extern const struct lg_client_ops lg_events_ops;

bool lg_kinds_match(const char *kinds, const char *kind); /* a comma-separated list of dotted prefixes */
void lg_event_render(struct lg_event *ev, const char *data, size_t n);
/* Further, for clients of the cloud dialect: the status of a container, if this event changes it there. */
void lg_event_render_cloud(struct lg_event *ev, const json_t *data);
void lg_event_done(struct lg_event *ev);

void lg_events_push(struct lg_server *s, const struct lg_event *ev); /* a live one, to all it concerns */
void lg_events_feeder_came(struct lg_server *s);
void lg_events_feeder_left(struct lg_server *s);
void lg_events_pump(struct lg_server *s); /* asks for pages while there are places; end of turn */

/* The feeder's answer to a resume: events in order, false when no more are wanted from this page; then the
 * page's end. */
bool lg_events_page(struct lg_client *c, const struct lg_event *ev);
/* The first message of a client that wants one: the whole state, as of the page's `next`. */
void lg_events_first(struct lg_client *c, const char *message, size_t n);
void lg_events_page_end(struct lg_client *c, bool cut, bool more, int64_t next);
void lg_events_gone(struct lg_client *c, int64_t oldest);
bool lg_events_mine(const struct lg_client *c, const struct lg_event *ev);
/* The id after which this client would have to resume; -1 while unknown. */
int64_t lg_events_position(const struct lg_client *c);

#endif
