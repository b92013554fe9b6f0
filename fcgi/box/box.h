/* lodge-box from the inside: one loop, no threads, no allocation after the start but for argument lists. */
#ifndef LG_BOX_BOX_H
#define LG_BOX_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "box/wire.h"

#define LG_BOX_DIR   "/box" /* working directory of what runs; a tmpfs */
#define LG_ARGS_MAX  1024
#define LG_LIMIT_MAX 4

struct lg_words { /* NUL-ended words in one block, and pointers to them */
    char *text;
    char *word[LG_ARGS_MAX + 1];
    int count;
};

struct lg_step { /* what runs now */
    pid_t pid;   /* 0: nothing */
    int in, out, err, host;
    int pipe; /* of an interpreter's standard input: no end of it, but each can be opened by it; -1 none */
    int64_t input; /* bytes that were given to what runs */
    bool compiling, ended;
    bool hosted, working; /* an interpreter that waits for orders; that has one */
    bool rests; /* between the snippets of a session nothing runs: what one leaves behind goes on with the
                    next, and what it has printed until then stays in the pipes */
    int64_t began_us;
    int status;
    int64_t cpu_us, rss_kib;
};

struct lg_box {
    struct lg_words compile, argv, env, host;
    uint64_t limit[LG_LIMIT_MAX];
    struct lg_step step;
    int file; /* being written, -1 none */
};

/* wire.c: frames out; the process ends when its reader is gone. */
void lg_say(int type, const void *p, size_t n);
void lg_sayf(int type, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* words.c */
bool lg_words_set(struct lg_words *w, const char *p,
                  size_t n); /* replaces them; false: too many, no memory */
bool lg_words_add(struct lg_words *w, const char *p, size_t n); /* one more */

/* step.c: processes */
int lg_step_start(struct lg_box *b, const struct lg_words *argv, bool compiling,
                  bool hosted); /* 0 or errno */
bool lg_limit_set(struct lg_box *b, const char *p, size_t n);
/* Reads what is there and says it; false once both descriptors are at their end. */
bool lg_step_output(struct lg_step *s);
/* Each order of an interpreter has standard input of its own: opened, and ended once more. What is left of it
 * then was not read, is thrown away and does not count as input. */
void lg_step_input_open(struct lg_step *s);
void lg_step_input_drain(struct lg_step *s);
void lg_step_reap(struct lg_step *s);

/* file.c: paths stay below LG_BOX_DIR, whatever links lie there. Return a descriptor or -errno. */
int lg_file_create(const char *path);
void lg_file_get(const char *path);
void lg_file_list(void);
bool lg_file_full(void); /* the disk of the sandbox */

/* filter.c: system calls that nothing in here may make; 0 or errno. Lasts and is inherited. */
int lg_filter_install(void);

#endif
