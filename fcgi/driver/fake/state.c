#include "driver/fake/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "model/frame.h"

static void path_of(struct lg_engine *g, char out[PATH_MAX], const char *kind, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s%s", g->dir, kind, *name ? "-" : "");
    for (; *name && n < PATH_MAX - 1; name++)
        out[n++] = *name == '/' ? '%' : *name;
    out[n] = 0;
}

int lg_fake_lock(struct lg_engine *g, struct lg_err *e)
{
    char path[PATH_MAX];
    mkdir(g->ctx.conf->state_dir, 0755);
    mkdir(g->dir, 0755);
    path_of(g, path, "lock", "");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX)) {
        lg_fd_close(&fd);
        return lg_fail_errno(e, LG_UNAVAILABLE, "cannot lock the fake engine");
    }
    return fd;
}

json_t *lg_fake_load(struct lg_engine *g, const char *kind, const char *name)
{
    char path[PATH_MAX];
    path_of(g, path, kind, name);
    return json_load_file(path, 0, NULL);
}

int lg_fake_save(struct lg_engine *g, const char *kind, const char *name, const json_t *o, struct lg_err *e)
{
    char path[PATH_MAX], tmp[PATH_MAX];
    path_of(g, path, kind, name);
    path_of(g, tmp, "new", name);
    if (json_dump_file(o, tmp, JSON_COMPACT) || rename(tmp, path))
        return lg_fail_errno(e, LG_BACKEND, "the fake engine cannot write");
    return 0;
}

void lg_fake_delete(struct lg_engine *g, const char *kind, const char *name)
{
    char path[PATH_MAX];
    path_of(g, path, kind, name);
    unlink(path);
}

void lg_fake_each(struct lg_engine *g, const char *kind, int (*fn)(void *arg, const json_t *o), void *arg)
{
    DIR *d = opendir(g->dir);
    size_t n = strlen(kind);
    bool stop = false;
    for (struct dirent *f; d && !stop && (f = readdir(d));) {
        char path[PATH_MAX];
        if (strncmp(f->d_name, kind, n) != 0 || f->d_name[n] != '-' ||
            snprintf(path, sizeof path, "%s/%s", g->dir, f->d_name) >= PATH_MAX)
            continue;
        lg_cleanup_json json_t *o = json_load_file(path, 0, NULL);
        stop = o && fn(arg, o);
    }
    if (d)
        closedir(d);
}

static void append(const char *path, const void *p, size_t n)
{
    lg_cleanup_fd int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, p, n) < 0)
        return;
}

static void read_from(const char *path, long at, struct lg_buf *out)
{
    char tmp[16384];
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && (n = pread(fd, tmp, sizeof tmp, at)) > 0; at += n)
        lg_buf_add(out, tmp, (size_t)n);
}

void lg_fake_event(struct lg_engine *g, const char *id, const char *what)
{
    char path[PATH_MAX], line[128];
    path_of(g, path, "events", "");
    int n = snprintf(line, sizeof line, "%s %s\n", id, what);
    append(path, line, (size_t)n);
}

void lg_fake_events(struct lg_engine *g, long *at, struct lg_buf *out)
{
    char path[PATH_MAX];
    struct stat st;
    path_of(g, path, "events", "");
    if (*at < 0) {
        *at = stat(path, &st) ? 0 : (long)st.st_size;
        return;
    }
    size_t before = out->len;
    read_from(path, *at, out);
    *at += (long)(out->len - before);
}

void lg_fake_log(struct lg_engine *g, const char *id, int stream, const char *text)
{
    char path[PATH_MAX];
    lg_cleanup_buf struct lg_buf b = {0};
    lg_frame_add(&b, stream, text, strlen(text));
    path_of(g, path, "log", id);
    append(path, b.data, b.len);
}

void lg_fake_log_read(struct lg_engine *g, const char *id, long at, struct lg_buf *out)
{
    char path[PATH_MAX];
    path_of(g, path, "log", id);
    read_from(path, at, out);
}

void lg_fake_log_delete(struct lg_engine *g, const char *id)
{
    lg_fake_delete(g, "log", id);
}

int64_t lg_fake_int(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

void lg_fake_set(json_t *o, const char *key, int64_t v)
{
    json_object_set_new(o, key, json_integer(v));
}

bool lg_fake_sleep(struct lg_engine *g, int64_t ms)
{
    int64_t end = lg_clock_mono() + ms;
    for (int64_t left; (left = end - lg_clock_mono()) > 0;) {
        if (g->ctx.cancel && *g->ctx.cancel)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = (left < 20 ? left : 20) * 1000000}, NULL);
    }
    return g->ctx.cancel && *g->ctx.cancel;
}
