/*
 * The images that languages run in. An image of the table that has a recipe (a folder below
 * fcgi/driver/images) is built on demand by a child, with progress; any other is an engine reference, which
 * is pulled on demand. It has lodge-box at LG_SANDBOX_INIT.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "sandbox/pool.h"

#define AGAIN_MS     300000 /* from one build to the next that nobody asked for */
#define LINE_MAX_LEN 600

static const char *const words[] = {
    [LG_IMAGE_ABSENT] = "absent", [LG_IMAGE_LOOKING] = "looking", [LG_IMAGE_BUILDING] = "building",
    [LG_IMAGE_READY] = "ready",   [LG_IMAGE_ERROR] = "error",
};

const char *lg_image_word(const struct lg_image_state *im)
{
    return words[im->step];
}

int lg_image_check(const struct lg_image_state *im, const struct lg_language *l, struct lg_err *e)
{
    if (im->step == LG_IMAGE_READY)
        return 0;
    lg_fail(e, LG_UNAVAILABLE,
            "%s is not ready (%s%s%s): prepare it with POST /api/repl/languages/%s/prepare", l->title,
            lg_image_word(im), *im->text ? ": " : "", im->text, l->name);
    lg_err_detail(e, "language", "%s", l->name);
    lg_err_detail(e, "state", "%s", lg_image_word(im));
    return lg_err_detail(e, "progress", "%.2f", im->progress);
}

/* ---- in the child: lines to the pool, "progress 0.5 text", "version python 3.11", "ready REF", "absent",
 * "error text" ---- */

static void say(int sock, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(int sock, const char *fmt, ...)
{
    char text[LINE_MAX_LEN];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    (void)!send(sock, text, len, MSG_NOSIGNAL);
}

static void say_versions(int sock, const char *path)
{
    char line[128];
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        say(sock, "version %s", line);
    }
    if (f)
        fclose(f);
}

struct recipe { /* what its last line said */
    char file[PATH_MAX], ref[LG_REF_LEN], versions[PATH_MAX];
};

static void on_line(int sock, char *line, struct recipe *out)
{
    if (!strncmp(line, "progress ", 9))
        say(sock, "%s", line);
    else if (sscanf(line, "image %4095s %255s %4095s", out->file, out->ref, out->versions) != 3)
        *out->ref = 0;
}

/* Runs the recipe and passes its progress on as it comes. */
static int run_recipe(const struct lg_conf *c, const char *name, bool look, int sock, struct recipe *out,
                      struct lg_err *e)
{
    char script[PATH_MAX + 80], box[PATH_MAX + 16], line[PATH_MAX * 2 + 300];
    int pipe_fd[2];
    size_t n = 0;
    snprintf(script, sizeof script, "%s/fcgi/driver/images/%s/build", c->share_dir, name);
    snprintf(box, sizeof box, "%s/lodge-box", c->bin_dir);
    const char *argv[] = {script, c->sandbox_cache, box, look ? "look" : NULL, NULL};
    if (pipe2(pipe_fd, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    pid_t pid = lg_proc_start(
        &(struct lg_proc){
            .argv = argv, .stdout_fd = pipe_fd[1], .stderr_fd = pipe_fd[1], .die_with_parent = 1},
        e);
    close(pipe_fd[1]);
    FILE *f = pid > 0 ? fdopen(pipe_fd[0], "r") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        n = strcspn(line, "\n");
        line[n] = 0;
        on_line(sock, line, out);
    }
    if (f)
        fclose(f);
    if (pid < 0)
        return pid;
    return *out->ref
               ? 0
               : lg_fail(e, LG_INTERNAL, "the image's recipe failed: %.300s", n ? line : "without a word");
}

static void on_pull(void *arg, double fraction, const char *text)
{
    const int *sock = arg;
    say(*sock, "progress %.2f pulling the image: %s", fraction < 0 ? 0.0 : fraction, text);
}

static int look_or_build(struct lg_pool_state *p, const struct lg_image_state *im, bool build, int sock,
                         struct lg_err *e)
{
    char path[PATH_MAX + 160];
    struct lg_driver_ctx ctx = {.conf = p->runner->conf, .site = p->runner->site};
    struct lg_engine *g = NULL;
    struct lg_image_info info;
    struct recipe made = {0};
    snprintf(path, sizeof path, "%s/fcgi/driver/images/%s/build", p->runner->conf->share_dir, im->name);
    bool recipe =
        strspn(im->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(im->name) && !access(path, X_OK);
    int rc = p->driver->open(&ctx, &g, e);
    if (!rc && recipe)
        rc = run_recipe(p->runner->conf, im->name, !build, sock, &made, e);
    const char *ref = recipe ? made.ref : im->name;
    if (!rc && p->driver->image_find(g, ref, &info, e)) {
        if (e->code != LG_NOT_FOUND)
            return -(int)e->code;
        if (!build) {
            say(sock, "absent");
            return 0;
        }
        lg_err_clear(e);
        if (recipe)
            say(sock, "progress 0.8 putting the image into the engine");
        rc = recipe ? p->driver->image_import(g, &(struct lg_import){.path = made.file, .ref = ref}, NULL,
                                              NULL, &info, e)
                    : p->driver->image_pull(g, ref, on_pull, &sock, &info, e);
    }
    if (rc)
        return rc;
    if (recipe)
        say_versions(sock, made.versions);
    say(sock, "ready %s", ref);
    return 0;
}

static void child(struct lg_pool_state *p, const struct lg_image_state *im, bool build, int sock)
{
    struct lg_err e = {0};
    for (int fd = 3; fd < 4096; fd++)
        if (fd != sock && fd != p->runner->lock_fd)
            close(fd);
    if (look_or_build(p, im, build, sock, &e))
        say(sock, "error %s", e.msg);
    _exit(0);
}

/* ---- in the pool ---- */

static void version(struct lg_pool_state *p, const struct lg_image_state *im, const char *text)
{
    char name[64], v[32];
    if (sscanf(text, "%63s %31s", name, v) != 2)
        return;
    for (int i = 0; i < p->langs.count; i++)
        if (!strcmp(p->langs.lang[i].name, name) && !strcmp(p->langs.lang[i].image, im->name))
            snprintf(p->langs.lang[i].version, sizeof p->langs.lang[i].version, "%s", v);
}

static void word(struct lg_image_state *im, char *line)
{
    if (!strncmp(line, "progress ", 9)) {
        char *text;
        im->progress = strtod(line + 9, &text);
        snprintf(im->text, sizeof im->text, "%.255s", *text == ' ' ? text + 1 : text);
    } else if (!strncmp(line, "version ", 8)) {
        version(im->pool, im, line + 8);
    } else if (!strncmp(line, "ready ", 6)) {
        im->step = LG_IMAGE_READY;
        im->progress = 1;
        *im->text = 0;
        snprintf(im->ref, sizeof im->ref, "%.255s", line + 6);
    } else if (!strcmp(line, "absent")) {
        im->step = LG_IMAGE_ABSENT;
    } else if (!strncmp(line, "error ", 6)) {
        im->step = LG_IMAGE_ERROR;
        snprintf(im->text, sizeof im->text, "%.255s", line + 6);
        lg_log(LG_WARN, "an image for code runs cannot be had", "image", im->name, "why", im->text, NULL);
    }
}

static void on_words(struct lg_source *s, uint32_t events)
{
    struct lg_image_state *im = lg_container_of(s, struct lg_image_state, words);
    char line[LINE_MAX_LEN + 1];
    (void)events;
    ssize_t n = recv(s->fd, line, sizeof line - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lg_loop_close(&im->pool->loop, s);
        if (im->step == LG_IMAGE_LOOKING || im->step == LG_IMAGE_BUILDING) {
            im->step = LG_IMAGE_ERROR;
            snprintf(im->text, sizeof im->text, "it was interrupted");
        }
        return;
    }
    line[n] = 0;
    word(im, line);
}

static int begin(struct lg_image_state *im, bool build, struct lg_err *e)
{
    int pair[2];
    if (im->step == LG_IMAGE_BUILDING || im->step == LG_IMAGE_READY || im->pid)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket pair");
    pid_t pid = lg_child_fork("lodge-image", e);
    if (!pid)
        child(im->pool, im, build, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pid;
    }
    im->pid = pid;
    im->step = build ? LG_IMAGE_BUILDING : LG_IMAGE_LOOKING;
    im->built = build;
    im->again_at = build ? lg_clock_mono() + AGAIN_MS : 0;
    im->progress = 0;
    *im->text = 0;
    lg_loop_close(&im->pool->loop, &im->words);
    im->words = (struct lg_source){.fd = pair[0], .events = EPOLLIN, .ready = on_words};
    return lg_loop_add(&im->pool->loop, &im->words) ? lg_fail_errno(e, LG_INTERNAL, "cannot watch a build")
                                                    : 0;
}

void lg_image_look(struct lg_image_state *im)
{
    struct lg_err e = {0};
    if (begin(im, false, &e))
        lg_log_err(LG_WARN, "an image for code runs is not looked for", &e);
}

int lg_image_prepare(struct lg_image_state *im, struct lg_err *e)
{
    return begin(im, true, e);
}

void lg_images_lost(struct lg_pool_state *p, pid_t pid)
{
    for (int i = 0; i < p->images; i++)
        if (p->image[i].pid == pid)
            p->image[i].pid = 0;
}

struct lg_image_state *lg_image_of(struct lg_pool_state *p, const struct lg_language *l)
{
    for (int i = 0; i < p->images; i++)
        if (!strcmp(p->image[i].name, l->image))
            return &p->image[i];
    return NULL;
}

int lg_images_init(struct lg_pool_state *p, struct lg_err *e)
{
    for (int i = 0; i < p->langs.count; i++) {
        const struct lg_language *l = &p->langs.lang[i];
        struct lg_image_state *im = lg_image_of(p, l);
        if (!im) {
            if (p->images == LG_IMAGES_MAX || p->classes == LG_CLASSES_MAX)
                return lg_fail(e, LG_INVALID, "the languages name more than %d images", LG_IMAGES_MAX);
            im = &p->image[p->images++];
            *im = (struct lg_image_state){.pool = p, .words = {.fd = -1}};
            snprintf(im->name, sizeof im->name, "%s", l->image);
            p->class[p->classes++] = (struct lg_class){.image = im};
        }
        if (l->host && p->classes == LG_CLASSES_MAX)
            return lg_fail(e, LG_INVALID, "more than %d interpreters are to be started ahead of time",
                           LG_CLASSES_MAX);
        if (l->host)
            p->class[p->classes++] = (struct lg_class){.image = im, .host = l};
    }
    return 0;
}
