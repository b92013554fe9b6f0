/* What /proc says about processes that are not our children. */
#ifndef LG_UP_PROCFS_H
#define LG_UP_PROCFS_H

#include <sys/types.h>

/* Start time of a process in clock ticks since boot: with the pid it names one process for ever. 0 when
 * absent or only a zombie. */
unsigned long long lg_proc_born(pid_t pid);

/* Signals the members of process group `group` that were born no earlier than `born` and are programs of ours
 * or nginx (the number may have been given to somebody else since). The leader is left out. Returns how many
 * there are. */
int lg_proc_end_group(pid_t group, unsigned long long born, int sig);

#endif
