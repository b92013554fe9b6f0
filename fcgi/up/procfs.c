#include "up/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

struct stat_line {
    char comm[32], state;
    int group;
    unsigned long long born;
};

/* The name is in brackets and may itself hold brackets and spaces, so the fields are counted from the last
 * one. */
static int read_stat(pid_t pid, struct stat_line *s)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return -1;
    text[n] = 0;
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (!name || !end)
        return -1;
    *end = 0;
    snprintf(s->comm, sizeof s->comm, "%s", name + 1);
    /* fields 3 state, 5 pgrp, 22 starttime */
    return sscanf(end + 1, " %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  &s->state, &s->group, &s->born) == 3
               ? 0
               : -1;
}

unsigned long long lg_proc_born(pid_t pid)
{
    struct stat_line s;
    return read_stat(pid, &s) || s.state == 'Z' ? 0 : s.born;
}

int lg_proc_end_group(pid_t group, unsigned long long born, int sig)
{
    DIR *d = opendir("/proc");
    int found = 0;
    for (struct dirent *f; d && (f = readdir(d));) {
        pid_t pid = (pid_t)atoi(f->d_name);
        struct stat_line s;
        if (pid <= 1 || pid == group || read_stat(pid, &s) || s.state == 'Z' || s.group != group ||
            s.born < born)
            continue;
        if (strncmp(s.comm, "lodge", 5) && strcmp(s.comm, "nginx"))
            continue;
        kill(pid, sig);
        found++;
    }
    if (d)
        closedir(d);
    return found;
}
