/* The runner's log frames: [1|2, 0, 0, 0, big-endian length] payload. An incremental decoder, no allocation.
 */
#ifndef LG_STREAM_FRAME_H
#define LG_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lg_frames {
    uint8_t head[8];
    uint8_t have;  /* bytes of the head that have arrived */
    uint32_t left; /* payload bytes still to come */
};

struct lg_piece {
    int stream; /* 1 standard output, 2 standard error */
    const uint8_t *p;
    size_t n;
};

/*
 * Takes bytes off the front of `p` and `n`. Returns 1 with a piece of payload (never empty; a frame may come
 * in several pieces), 0 when all bytes are used, -1 when they are not frames (nothing may follow then).
 */
int lg_frames_next(struct lg_frames *f, const uint8_t **p, size_t *n, struct lg_piece *out);

/* True between frames: where end of file is no truncation. */
bool lg_frames_whole(const struct lg_frames *f);

/* Bytes at the end of p that begin a UTF-8 sequence whose rest is missing (0–3). */
size_t lg_utf8_open_tail(const uint8_t *p, size_t n);

/* A stream of text that comes in pieces: the beginning of a character whose rest is in the next one. */
struct lg_utf8_carry {
    uint8_t byte[4], count;
};
/* The whole characters of what was carried and the `n` bytes of `p` into `out` (n + 4 bytes); returns how
 * many bytes. `last`: an unfinished one, too. */
size_t lg_utf8_whole(struct lg_utf8_carry *c, const uint8_t *p, size_t n, bool last, uint8_t *out);

#endif
