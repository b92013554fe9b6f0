/*
 * The sandbox pool: one process of lodge-runner that holds sandboxes started ahead of time, the runs that
 * wait for them and their deadlines. It never speaks to an engine (its makers do) nor to the database (its
 * scribe does), so nothing that strangers or engines do can stop it. One thread, one epoll loop.
 *
 * Everything in here is the pool process's alone. Sizes are bytes, times milliseconds unless named.
 */
#ifndef LG_SANDBOX_POOL_H
#define LG_SANDBOX_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/json.h"
#include "driver/sandbox.h"
#include "job/job.h"
#include "model/run_frame.h"
#include "sandbox/language.h"
#include "stream/frame.h"
#include "stream/loop.h"

#define LG_BOXES_MAX   256
#define LG_MAKERS      3
#define LG_CLASSES_MAX 16 /* from the table of languages, */
#define LG_NET_CLASSES 16 /* and after them those of tenants whose code has a network */
#define LG_BOX_NAME    64
#define LG_TASK_FILES  64
#define LG_ENDED_MAX   64

struct lg_pool_state;
struct lg_task;
struct lg_repl;

/* ---- sandboxes ---- */

enum lg_box_state { LG_BOX_NONE, LG_BOX_MAKING, LG_BOX_READY, LG_BOX_BUSY, LG_BOX_ENDING };

/* Sandboxes that can stand for each other: one image, one interpreter started ahead of time (or none), and no
 * network, or that of one tenant. Those with a network are made when they are asked for, and one more for as
 * long as that was not long ago. */
struct lg_class {
    struct lg_image_state *image; /* NULL: the slot is free */
    char tenant[LG_ID_LEN];       /* whose network; "" none */
    int64_t asked_at, refused_at; /* for one with a network; when none could be made for this class alone, */
    struct lg_err why;            /* and why */
    const struct lg_language *host; /* NULL: none, any language of the image */
    int64_t used_at[16];            /* when the last ones were taken: demand */
    unsigned used;
};

struct lg_box {
    struct lg_pool_state *pool;
    enum lg_box_state state;
    struct lg_class *class;
    char name[LG_BOX_NAME];
    int net_host; /* its number in the network of its class; 0 none */
    struct lg_source stream;
    struct lg_sandbox sb; /* its stream is the source's */
    struct lg_frames outer;
    uint8_t head[5]; /* of the frame that is arriving (box/wire.h) */
    unsigned have;
    uint32_t left;
    struct lg_buf text; /* payload of one that is collected */
    struct lg_buf out;  /* to it; `sent` bytes of it are gone */
    size_t sent;
    struct lg_task *run;
    struct lg_repl *session; /* it belongs to */
    int64_t retry_at;        /* ENDING: when a maker may be told (again) */
    bool told, hello;
};

/* ---- runs ---- */

enum lg_task_state { LG_TASK_WAITING, LG_TASK_GOING, LG_TASK_DONE };

struct lg_task_file {
    char path[1024];
    size_t size;
};

struct lg_task_limits {
    int64_t time_ms, compile_ms, memory, output, cpu_s, file, processes;
};

struct lg_task_step {
    bool ended;
    int code, signal;
    int64_t wall_us, cpu_us, rss_kib;
    int64_t input;          /* bytes; of a snippet those that it took */
    struct lg_buf out, err; /* for an answer in one piece */
};

struct lg_task {
    TAILQ_ENTRY(lg_task) all, wait;
    struct lg_pool_state *pool;
    char id[LG_ID_LEN], tenant[LG_ID_LEN], user[LG_ID_LEN];
    const struct lg_language *lang;
    enum lg_task_state state;
    bool whole;       /* one JSON answer at the end, no frames on the way */
    bool interactive; /* standard input stays open */
    bool network;     /* it may be on its tenant's */
    bool attached, gone, full;
    bool again;  /* its listener may come a second time, and is told everything once more */
    bool forgot; /* the beginning of what it said is not here any more */
    json_t *args;
    struct lg_buf blob;      /* code, files, input */
    struct lg_buf code_head; /* what history keeps of the code */
    size_t code_size, input_size;
    struct lg_task_file *files;
    int file_count;
    struct lg_task_limits limits;
    struct lg_box *box;
    struct lg_source client; /* our end of the pair; -1 before somebody attached */
    uint8_t head[8];         /* of the client's frame that is arriving */
    unsigned have;
    struct lg_buf in; /* its payload */
    struct lg_buf out;
    size_t sent;
    struct lg_timer deadline, left; /* since its listener left */
    int64_t created_at, queued_mono, began_mono, ended_mono;
    struct lg_task_step compile, step;
    struct lg_buf mixed; /* both streams as they came: `result`, and the head kept as history */
    int64_t output, memory_peak;
    int64_t pids_hits, oom_kills; /* of its sandbox before it began: a session's earlier snippets */
    struct lg_repl *session;      /* NULL: a sandbox of its own */
    bool snippet;                 /* its session's interpreter goes on */
    bool interrupted;
    const char *limit;    /* which was hit: a word of the API; NULL none */
    struct lg_err failed; /* it could not be run: code != 0 */
};

struct lg_tenant_queue {
    TAILQ_ENTRY(lg_tenant_queue) link;
    char tenant[LG_ID_LEN];
    TAILQ_HEAD(, lg_task) waiting;
    int waiting_count, going;
    int64_t last_at; /* it was last seen with a run */
};

/* ---- sessions ---- */

struct lg_repl {
    TAILQ_ENTRY(lg_repl) link;
    struct lg_pool_state *pool;
    char id[LG_ID_LEN], tenant[LG_ID_LEN], user[LG_ID_LEN];
    const struct lg_language *lang;
    struct lg_box *box;
    struct lg_task *task; /* the snippet at work, or waiting for its turn */
    struct lg_timer lease;
    int64_t ttl_ms, created_at, expires_at;
    bool listens;          /* the sandbox has yet to say its last word about files, */
    struct lg_err refused; /* and has said this */
    void *asker;           /* whoever waits for it; NULL: gone */
    void (*reply)(void *asker, const struct lg_buf *text);
    bool getting;
    struct lg_buf said;
    /* It rests between snippets, and nothing may go on in it then: */
    int64_t rest_cpu_us; /* what its sandbox had used when the last one ended; -1: none has */
    int64_t rest_bytes;  /* that it has printed since */
};

/* One that ended by itself: its client is told why. */
struct lg_ended {
    char id[LG_ID_LEN], tenant[LG_ID_LEN];
    const char *why;
};

/* ---- images ---- */

enum lg_image_step { LG_IMAGE_ABSENT, LG_IMAGE_LOOKING, LG_IMAGE_BUILDING, LG_IMAGE_READY, LG_IMAGE_ERROR };

struct lg_image_state {
    char name[64];        /* as in the table: a recipe's folder, or an engine reference */
    char ref[LG_REF_LEN]; /* the engine's name, once known */
    enum lg_image_step step;
    double progress;
    char text[256];
    pid_t pid;        /* who looks or builds */
    bool built;       /* the last one built */
    int64_t again_at; /* when a build that failed is tried again by itself */
    struct lg_source words;
    struct lg_pool_state *pool;
};

/* ---- the process ---- */

struct lg_maker {
    struct lg_pool_state *pool;
    pid_t pid;
    struct lg_source sock;
    int box; /* at work on, -1 idle */
    bool removing;
    int pidfd; /* came before the stream */
    int64_t start_at;
};

struct lg_pool_state {
    const struct lg_runner *runner;
    const struct lg_driver *driver; /* that has sandboxes */
    struct lg_loop loop;
    struct lg_languages langs;
    struct lg_image_state image[LG_IMAGES_MAX];
    int images;
    struct lg_class class[LG_CLASSES_MAX + LG_NET_CLASSES];
    int classes;
    struct lg_box box[LG_BOXES_MAX];
    struct lg_maker maker[LG_MAKERS];
    bool swept;
    unsigned next_uid, next_name;
    TAILQ_HEAD(, lg_task) runs;
    TAILQ_HEAD(, lg_tenant_queue) tenants; /* the least recently served first */
    int going, waiting;
    TAILQ_HEAD(, lg_repl) sessions;
    struct lg_ended ended[LG_ENDED_MAX]; /* the last ones, in a ring */
    unsigned endings;
    int64_t look_at_rest;
    struct lg_source submit, attach, signals;
    struct lg_timer tick;
    bool pressure;  /* the host is short of memory */
    bool shared;    /* more than one tenant is about */
    int64_t end_by; /* the process is to end: until then it removes what it has. 0: it is not */
    int64_t engine_down_until;
    char engine_why[256];
    int scribe; /* datagrams to the scribe, -1 */
    pid_t scribe_pid;
    TAILQ_HEAD(, lg_task) done; /* freed at the end of a turn */
    int64_t pace_ms;            /* how long a run took lately: for Retry-After */
};

/* boxes.c */
void lg_boxes_tend(struct lg_pool_state *p); /* makes and removes what is due */
/* NULL: none is ready but the last `keep` of its kind, or fewer where fewer can be ready. */
struct lg_box *lg_boxes_take(struct lg_pool_state *p, struct lg_task *r, int keep);
/* On the network of `tenant`, NULL: on none. */
struct lg_box *lg_boxes_take_plain(struct lg_pool_state *p, const struct lg_language *l, const char *tenant);
/* Why the one that was asked for after `since` cannot be made, NULL: it can. The rest of the pool goes on. */
const struct lg_err *lg_boxes_refused(struct lg_pool_state *p, const struct lg_language *l,
                                      const char *tenant, int64_t since);
int lg_boxes_free_host(const struct lg_pool_state *p, const struct lg_box *b); /* 0: all are in use */
void lg_box_end(struct lg_box *b);          /* kills it now, removes it later */
bool lg_boxes_end(struct lg_pool_state *p); /* ends all that have started; true when none is left */
/* What it does not take in any more ends it: `state` says so afterwards, and its run and session are off it.
 */
void lg_box_send(struct lg_box *b, int type, const void *p, size_t n);
void lg_box_flush(struct lg_box *b);
void lg_box_pause(struct lg_box *b, bool pause); /* whether its output is read */
void lg_box_started(struct lg_box *b, int stream, int pidfd, const struct lg_sandbox *meta);
void lg_boxes_count(const struct lg_pool_state *p, const struct lg_class *c, int *ready, int *making);

/* makers.c */
int lg_makers_start(struct lg_pool_state *p, struct lg_err *e);
bool lg_makers_idle(const struct lg_pool_state *p);
bool lg_maker_make(struct lg_pool_state *p, struct lg_box *b); /* false: none is idle */
bool lg_maker_remove(struct lg_pool_state *p, struct lg_box *b);
void lg_makers_tend(struct lg_pool_state *p);
void lg_makers_lost(struct lg_pool_state *p, pid_t pid);

/* images.c */
int lg_images_init(struct lg_pool_state *p, struct lg_err *e);
void lg_image_look(struct lg_image_state *im);
int lg_image_prepare(struct lg_image_state *im, struct lg_err *e); /* begins to build; at work already is 0 */
void lg_images_lost(struct lg_pool_state *p, pid_t pid);
struct lg_image_state *lg_image_of(struct lg_pool_state *p, const struct lg_language *l);
/* 0, or LG_UNAVAILABLE with how to get it ready. */
int lg_image_check(const struct lg_image_state *im, const struct lg_language *l, struct lg_err *e);
const char *lg_image_word(const struct lg_image_state *im);

/* runs.c */
int lg_task_submit(struct lg_pool_state *p, struct lg_task *r, struct lg_err *e); /* takes it when 0 */
void lg_task_free(struct lg_task *r);
struct lg_task *lg_task_find(struct lg_pool_state *p, const char *id);
void lg_tasks_tend(struct lg_pool_state *p);                              /* starts what can start */
void lg_task_frame(struct lg_task *r, int type, const char *p, size_t n); /* from its sandbox */
void lg_task_box_gone(struct lg_task *r, const char *why);
void lg_task_stop(struct lg_task *r, const char *limit); /* kills it; it ends with that word */
void lg_task_fail(struct lg_task *r, enum lg_code code, const char *why);
void lg_task_bury(struct lg_task *r); /* out of every list; freed at the end of the turn */
/* As lg_task_submit, into a session; it has begun already when it is its turn. */
int lg_task_enter(struct lg_pool_state *p, struct lg_task *r, struct lg_repl *s, struct lg_err *e);

/* Seconds until it is worth trying again, from how long the queue takes. */
int lg_task_retry_after(const struct lg_pool_state *p);

/* room.c: the memory that runs and sessions hold */
/* For `n` bytes more of this tenant; LG_RATE: too much is held already. One alone always finds room. */
int lg_room_for(const struct lg_pool_state *p, const char *tenant, size_t n, struct lg_err *e);
/* What begins will have something to say: not while too much of what others said is not fetched yet. */
bool lg_room_to_begin(const struct lg_pool_state *p, const char *tenant);

/* listener.c */
/* Nobody listens; or whoever does is to be replaced, and told everything `again`. */
bool lg_task_may_attach(const struct lg_task *r, bool again);
void lg_task_attach(struct lg_task *r, int fd);
void lg_task_drained(struct lg_task *r); /* its sandbox took the input that waited */
bool lg_task_emit(struct lg_task *r, int type, const void *p, size_t n);
void lg_task_flush(struct lg_task *r);

/* sessions.c */
struct lg_repl *lg_repl_find(struct lg_pool_state *p, const char *id, const char *tenant);
/* LG_NOT_FOUND, and why it ended where that is known. */
int lg_repl_none(const struct lg_pool_state *p, const char *id, const char *tenant, struct lg_err *e);
void lg_repls_tend(struct lg_pool_state *p); /* ends those that do not rest between snippets */
/* 1: no sandbox is ready yet, but there will be one. */
int lg_repl_start(struct lg_pool_state *p, const struct lg_language *l, const char *tenant, const char *user,
                  int64_t ttl_ms, bool network, struct lg_repl **out, struct lg_err *e);
void lg_repl_end(struct lg_repl *s);                          /* frees it; no snippet is going on in it */
void lg_repl_end_because(struct lg_repl *s, const char *why); /* the same; `why` is kept, a literal */
int lg_repl_enter(struct lg_repl *s, struct lg_task *r, struct lg_err *e); /* LG_CONFLICT: busy */
/* Sends the snippet's code and appends the order to run it. */
void lg_repl_order(struct lg_buf *order, struct lg_task *r);
void lg_repl_leave(struct lg_repl *s, bool keep);
/* LG_BOX_FILE: puts; LG_BOX_LIST; LG_BOX_GET. 1: `reply` is called later. */
int lg_repl_files(struct lg_repl *s, int what, const char *path, const char *p, size_t n, void *asker,
                  void (*reply)(void *asker, const struct lg_buf *text), struct lg_err *e);
void lg_repl_frame(struct lg_repl *s, int type, const char *p, size_t n);
void lg_repl_json(const struct lg_repl *s, struct lg_json *j);

/* answer.c */
void lg_task_json(const struct lg_task *r, bool whole, struct lg_buf *out);

/* serve.c */
void lg_serve_tend(struct lg_pool_state *p); /* answers whoever waits for a sandbox */
void lg_serve_end(struct lg_pool_state *p);  /* nobody new is let in */
int lg_serve_listen(struct lg_pool_state *p, struct lg_err *e);

/* scribe.c */
void lg_scribe_start(struct lg_pool_state *p);
void lg_scribe_write(const struct lg_task *r);
void lg_scribe_end(struct lg_pool_state *p); /* it writes what it has, and ends */

/* The process; `arg` is not used. */
void lg_sandbox_main(const struct lg_runner *r, int arg) __attribute__((noreturn));

#endif
