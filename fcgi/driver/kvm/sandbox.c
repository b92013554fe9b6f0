#include "driver/kvm/sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/confine.h"

#define MEMORY_BYTES ((int64_t)2 << 30)

/* An empty /tmp of its own with nothing in it but the two files. */
static bool own_tmp(const void *arg)
{
    const struct lg_sandbox *s = arg;
    lg_cleanup_fd int in = open(s->in, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    lg_cleanup_fd int out = s->out ? open(s->out, O_PATH | O_CLOEXEC | O_NOFOLLOW) : -1;
    char from[2][32];
    if (in < 0 || (s->out && out < 0) ||
        mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=1m"))
        return false;
    snprintf(from[0], sizeof from[0], "/proc/self/fd/%d", in);
    snprintf(from[1], sizeof from[1], "/proc/self/fd/%d", out);
    const char *const to[] = {"/tmp/in", "/tmp/out"};
    for (int i = 0; i < 1 + (s->out != NULL); i++) {
        int fd = open(to[i], O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
        if (fd < 0 || close(fd) || mount(from[i], to[i], NULL, MS_BIND, NULL))
            return false;
    }
    return !mount(NULL, "/tmp/in", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
}

/* The newest "(12.34/100%)" in what was said; such text is progress and not kept. */
static void tell(void *arg, struct lg_buf *said)
{
    const struct lg_sandbox *s = arg;
    double percent = -1;
    for (const char *p = lg_buf_cstr(said); (p = strchr(p, '('));) {
        char *end;
        double v = strtod(++p, &end);
        if (!strncmp(end, "/100%)", 6))
            percent = v;
    }
    if (percent < 0)
        return;
    s->fn(s->arg, percent / 100, s->step);
    lg_buf_reset(said);
}

int lg_sandbox_run(const struct lg_sandbox *s, const char *const *argv, struct lg_buf *said, struct lg_err *e)
{
    const struct lg_confine c = {.argv = argv,
                                 .fd = {-1, -1, -1, -1},
                                 .file_bytes = s->max_bytes,
                                 .memory_bytes = MEMORY_BYTES,
                                 .cpu_s = s->timeout_ms / 1000 + 1,
                                 .prepare = own_tmp,
                                 .arg = s};
    struct lg_sandbox told = *s;
    const struct lg_confine_watch w = {
        .timeout_ms = s->timeout_ms, .cancel = s->cancel, .hear = s->fn ? tell : NULL, .arg = &told};
    return lg_confine_run(&c, &w, said, e);
}
