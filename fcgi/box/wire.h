/*
 * What the sandbox pool and lodge-box (the first process of a sandbox) say to each other over the container's
 * standard input and output: frames of one type byte, a big-endian 32-bit length and that many bytes. Numbers
 * in texts are decimal. The pool believes nothing of what comes out but its length: whoever took lodge-box
 * over could only falsify its own run.
 */
#ifndef LG_BOX_WIRE_H
#define LG_BOX_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define LG_BOX_HEAD      5
#define LG_BOX_FRAME_MAX 65536             /* payload bytes */
#define LG_BOX_GET_MAX   ((size_t)8 << 20) /* bytes of a file; of a larger one comes one more */
#define LG_BOX_HOST_FD   3                 /* where a host process (see LG_BOX_HOST) reads its orders */

/* To lodge-box. */
enum {
    LG_BOX_FILE = 'F',    /* path below the working directory: the file that data goes to, emptied */
    LG_BOX_DATA = 'D',    /* bytes of that file */
    LG_BOX_COMPILE = 'C', /* argv, each word ended by NUL */
    LG_BOX_ARGV = 'A',    /* argv of the run */
    LG_BOX_ENV = 'E',     /* "K=V", one more */
    LG_BOX_LIMIT = 'L',   /* "cpu 10", "file 16777216", "open 256", "processes 64" */
    LG_BOX_HOST = 'H',  /* argv: start an interpreter ahead of time that reads its orders from descriptor 3 */
    LG_BOX_RUN = 'R',   /* compile, then run. With a host: payload is its order */
    LG_BOX_INPUT = 'I', /* bytes for standard input; to a host with an order, for that order */
    LG_BOX_EOF = 'Z',   /* end of standard input, until the next order */
    LG_BOX_STOP = 'K',  /* SIGINT to what runs: a snippet of a session is interrupted */
    LG_BOX_GET = 'G',   /* path: its bytes as LG_BOX_CONTENT, then LG_BOX_OK */
    LG_BOX_LIST = 'T',  /* all files below the working directory */
};

/* From lodge-box. */
enum {
    LG_BOX_HELLO = 'h', /* it is ready */
    LG_BOX_OUT = '1',   /* bytes of standard output */
    LG_BOX_ERR = '2',   /* of standard error */
    LG_BOX_COUT = '3',  /* the same of the compile step */
    LG_BOX_CERR = '4',
    LG_BOX_ENDED = 'x', /* a step: "run exit 0 signal 0 wall 1234 cpu 1000 rss 9000 full 0 input 0", µs, KiB
                           and bytes; of a snippet's input those it took */
    LG_BOX_CONTENT = 'g', /* bytes of a file */
    LG_BOX_ENTRY = 't',   /* "size mtime-ms path" */
    LG_BOX_OK = 'k',      /* a get or list is whole */
    LG_BOX_REFUSED = 'r', /* the order before failed: one sentence */
};

#endif
