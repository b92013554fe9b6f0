/* Faults on demand; fake.h says how they are asked for. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "driver/calls.h"
#include "driver/fake/state.h"

struct fault {
    char verb[32], what[32];
    int times; /* 0: for ever */
};

static bool parse(const char *line, struct fault *f)
{
    memset(f, 0, sizeof *f);
    return sscanf(line, "%31s %31s %d", f->verb, f->what, &f->times) >= 2 && f->verb[0] != '#';
}

static bool fits(const struct fault *f, const char *verb)
{
    return !strcmp(f->verb, "*") || !strcmp(f->verb, verb);
}

static bool from_environment(const char *verb, struct fault *f)
{
    const char *env = getenv("LODGE_FAKE_FAULTS");
    char copy[1024], *save = NULL;
    snprintf(copy, sizeof copy, "%s", env ? env : "");
    for (char *line = strtok_r(copy, "|", &save); line; line = strtok_r(NULL, "|", &save))
        if (parse(line, f) && fits(f, verb))
            return true;
    return false;
}

/* Finds the fault in the file, taking one from its count. The caller holds the lock. */
static bool from_file(struct lg_engine *g, const char *verb, struct fault *f)
{
    char path[PATH_MAX], line[256];
    lg_cleanup_buf struct lg_buf rest = {0};
    bool found = false, counted = false;
    struct fault seen;
    snprintf(path, sizeof path, "%.4000s/faults", g->dir);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    while (fgets(line, sizeof line, in)) {
        bool is_fault = parse(line, &seen);
        if (is_fault && !found && fits(&seen, verb)) {
            found = true;
            *f = seen;
            counted = seen.times > 0;
            if (seen.times > 1)
                lg_buf_fmt(&rest, "%s %s %d\n", seen.verb, seen.what, seen.times - 1);
            else if (!counted)
                lg_buf_str(&rest, line);
        } else {
            lg_buf_str(&rest, line);
        }
    }
    fclose(in);
    FILE *out = counted ? fopen(path, "we") : NULL;
    if (out) {
        fputs(lg_buf_cstr(&rest), out);
        fclose(out);
    }
    return found;
}

/* A fault that strikes after the work is remembered from before it: one verb at a time in a process. */
static char after[32];
static int64_t begun_us;

/* Waits until nobody holds the engine any more; true when it was cancelled meanwhile. */
static bool held(struct lg_engine *g)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/hold", g->dir);
    bool cancelled = false;
    while (!cancelled && !access(path, F_OK))
        cancelled = lg_fake_sleep(g, 20);
    return cancelled;
}

static int strike(struct lg_engine *g, const struct fault *f, struct lg_err *e)
{
    if (!strcmp(f->what, "hang")) {
        if (lg_fake_sleep(g, g->ctx.conf->engine_timeout_ms))
            return lg_fail(e, LG_CANCELLED, "cancelled while the fake engine was at work");
        return lg_fail(e, LG_TIMEOUT, "the fake engine did not answer within %ld ms",
                       g->ctx.conf->engine_timeout_ms);
    }
    if (!strcmp(f->what, "gone"))
        return lg_fail(e, LG_UNAVAILABLE, "the fake engine does not answer");
    if (!strcmp(f->what, "fail"))
        return lg_fail(e, LG_BACKEND, "the fake engine was told to fail");
    if (!strcmp(f->what, "die"))
        kill(getpid(), SIGKILL);
    if ((!strncmp(f->what, "slow=", 5) && lg_fake_sleep(g, atoi(f->what + 5))) ||
        (!strcmp(f->what, "held") && held(g)))
        return lg_fail(e, LG_CANCELLED, "cancelled while the fake engine was at work");
    snprintf(after, sizeof after, "%s", f->what);
    return 0;
}

int lg_fake_fault(struct lg_engine *g, const char *verb, struct lg_err *e)
{
    struct fault f;
    after[0] = 0;
    begun_us = lg_clock_mono_us();
    bool found = from_environment(verb, &f);
    if (!found) {
        lg_cleanup_fd int fd = lg_fake_lock(g, e);
        if (fd < 0)
            return fd;
        found = from_file(g, verb, &f);
    }
    int rc = found ? strike(g, &f, e) : 0;
    if (rc)
        lg_calls_add("docker", verb, lg_clock_mono_us() - begun_us, rc); /* no lg_fake_after will */
    return rc;
}

int lg_fake_after(struct lg_engine *g, const char *verb, int rc, struct lg_err *e)
{
    (void)g;
    lg_calls_add("docker", verb, lg_clock_mono_us() - begun_us, rc);
    if (!strcmp(after, "die-after"))
        kill(getpid(), SIGKILL);
    if (!rc && !strcmp(after, "lost"))
        return lg_fail(e, LG_UNAVAILABLE, "the fake engine broke off after %s", verb);
    return rc;
}
