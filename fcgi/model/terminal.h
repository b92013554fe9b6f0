/*
 * What lodge-stream says to lodge-runner's end of a terminal in a container: frames as of a log
 * ([type, 0, 0, 0, length big-endian u32] payload). The other way go the terminal's bytes as they are.
 */
#ifndef LG_MODEL_TERMINAL_H
#define LG_MODEL_TERMINAL_H

#define LG_TERMINAL_HEAD    8
#define LG_TERMINAL_PAYLOAD 65536 /* bytes at most */
#define LG_TERMINAL_WORDS   32    /* of a command, */
#define LG_TERMINAL_COMMAND 2048  /* and bytes of its JSON */
#define LG_TERMINAL_COLUMNS 80    /* of one whose viewer says nothing */
#define LG_TERMINAL_ROWS    24
#define LG_TERMINAL_MOST    1000 /* columns or rows */

enum {
    LG_TERMINAL_INPUT = 0, /* bytes that were typed */
    LG_TERMINAL_SIZE = 4,  /* BE16 columns, BE16 rows */
};

#endif
