/*
 * What lodge-stream and lodge-runner's end of a terminal in a container say to each other, in the frames of
 * model/frame.h.
 */
#ifndef LG_MODEL_TERMINAL_H
#define LG_MODEL_TERMINAL_H

#include "model/frame.h"

#define LG_TERMINAL_PAYLOAD 65536 /* bytes at most */
#define LG_TERMINAL_WORDS   32    /* of a command, */
#define LG_TERMINAL_COMMAND 2048  /* and bytes of its JSON */
#define LG_TERMINAL_COLUMNS 80    /* of one whose viewer says nothing */
#define LG_TERMINAL_ROWS    24
#define LG_TERMINAL_MOST    1000 /* columns or rows */

enum {
    LG_TERMINAL_INPUT = 0,  /* down: bytes that were typed */
    LG_TERMINAL_OUTPUT = 1, /* up: bytes to be shown */
    LG_TERMINAL_SIZE = 4,   /* down: BE16 columns, BE16 rows */
    LG_TERMINAL_EXIT = 2,   /* up, the last one: BE32 exit code of the program */
};

#endif
