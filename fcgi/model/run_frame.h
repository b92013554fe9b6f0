/*
 * What the sandbox pool and lodge-stream say to each other about one run, on the pair of sockets they share.
 */
#ifndef LG_MODEL_RUN_FRAME_H
#define LG_MODEL_RUN_FRAME_H

/* Frames between the pool and lodge-stream: as of a log ([type, 0, 0, 0, length] payload), with more types.
 */
enum {
    LG_RUN_FRAME_OUT = 1,       /* bytes of standard output, */
    LG_RUN_FRAME_ERR = 2,       /* of standard error; the compiler's too */
    LG_RUN_FRAME_STATE = 3,     /* JSON {"state":"queued"|"running","id"} */
    LG_RUN_FRAME_END = 4,       /* JSON: how it ended; for an answer in one piece, the answer */
    LG_RUN_FRAME_ERROR = 5,     /* JSON: the error envelope; it could not be run */
    LG_RUN_FRAME_INPUT = 1,     /* the other way: bytes for standard input, */
    LG_RUN_FRAME_EOF = 2,       /* its end, */
    LG_RUN_FRAME_INTERRUPT = 3, /* SIGINT to the program, */
    LG_RUN_FRAME_STOP = 4,      /* the end */
};

#endif
