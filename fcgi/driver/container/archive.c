#include "driver/container/archive.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "driver/confine.h"
#include "intake/wire.h"

#define MEMORY_BYTES ((int64_t)1 << 30)
#define LOOK_MS      (600 * 1000)
#define CPU_S        3600

struct lg_archive {
    const char *image; /* the kind of image archive; NULL: a root file system */
    int fd;            /* where the next bytes come from: the file itself, or the child that rewrites it */
    pid_t pid;         /* that child; 0 none */
};

static struct lg_confine intake(const char *const *argv, int in, int out)
{
    return (struct lg_confine){
        .argv = argv, .fd = {in, out, -1, -1}, .memory_bytes = MEMORY_BYTES, .cpu_s = CPU_S};
}

/* The child's sentence, which may be anything if its file got the better of it. */
static int wrong(const struct lg_buf *said, struct lg_err *e)
{
    char text[200];
    snprintf(text, sizeof text, "%s", lg_buf_cstr(said));
    for (char *p = text; *p; p++)
        *p = isprint((unsigned char)*p) ? *p : ' ';
    return lg_fail(e, LG_INVALID, "%s", *text ? text : "the image file cannot be read");
}

static int find_kind(const struct lg_driver_ctx *ctx, const char *program, int fd, const char **image,
                     struct lg_err *e)
{
    static const char *const kinds[] = {LG_INTAKE_DOCKER, LG_INTAKE_OCI};
    const char *const argv[] = {program, "kind", NULL};
    const struct lg_confine c = intake(argv, fd, -1);
    const struct lg_confine_watch w = {.timeout_ms = LOOK_MS, .cancel = ctx->cancel};
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    int rc = lg_confine_run(&c, &w, &said, e);
    if (rc >= 125)
        return lg_fail(e, LG_INTERNAL, "the image file cannot be looked at: %.200s", lg_buf_cstr(&said));
    if (rc == -(int)LG_INTERNAL || rc == -(int)LG_TIMEOUT) {
        lg_err_clear(e);
        return lg_fail(e, LG_INVALID, "the image file cannot be read: it asks for too much memory or time");
    }
    if (rc)
        return rc < 0 ? rc : wrong(&said, e);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        *image = strcmp(lg_buf_cstr(&said), kinds[i]) ? *image : kinds[i];
    return 0;
}

/* From here on the bytes are the child's. */
static int start_rewrite(struct lg_archive *a, const char *program, const char *ref, struct lg_err *e)
{
    const char *const argv[] = {program, "rewrite", a->image, ref, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    const struct lg_confine c = intake(argv, a->fd, ends[1]);
    a->pid = lg_confine_start(&c, e);
    close(ends[1]);
    lg_fd_close(&a->fd);
    a->fd = ends[0];
    return a->pid < 0 ? a->pid : 0;
}

int lg_archive_open(const struct lg_driver_ctx *ctx, const char *path, const char *ref,
                    struct lg_archive **out, struct lg_err *e)
{
    char program[PATH_MAX];
    *out = NULL;
    lg_intake_program(ctx->conf, program, sizeof program);
    struct lg_archive *a = calloc(1, sizeof *a);
    if (!a)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    a->fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = a->fd < 0 ? lg_fail_errno(e, LG_INVALID, "cannot read the image file")
                       : find_kind(ctx, program, a->fd, &a->image, e);
    if (!rc && a->image)
        rc = start_rewrite(a, program, ref, e);
    else if (!rc && lseek(a->fd, 0, SEEK_SET))
        rc = lg_fail_errno(e, LG_INVALID, "cannot read the image file");
    if (rc)
        lg_archive_close(a);
    else
        *out = a;
    return rc;
}

bool lg_archive_is_image(const struct lg_archive *a)
{
    return a->image != NULL;
}

ssize_t lg_archive_read(void *arg, char *p, size_t cap)
{
    struct lg_archive *a = arg;
    ssize_t n;
    do
        n = read(a->fd, p, cap);
    while (n < 0 && errno == EINTR);
    if (n || a->pid <= 0)
        return n;
    int status = lg_confine_end(a->pid, false); /* the end of a child that broke off is not the archive's */
    a->pid = 0;
    return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
}

void lg_archive_close(struct lg_archive *a)
{
    if (!a)
        return;
    if (a->pid > 0)
        lg_confine_end(a->pid, true);
    lg_fd_close(&a->fd);
    free(a);
}
