/* The verbs that change a container. Each looks first: nothing without our labels is touched. */
#include "driver/container/instance.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "driver/container/layer.h"
#include "driver/container/leaks.h"
#include "driver/container/quirks.h"
#include "driver/container/spec.h"

#define SETTLE_MS      20000
#define SETTLE_STEP_MS 50

/* Looks, and refuses what is not ours. `must` exist: else absence is told by st.run alone. */
static int look_ours(struct lg_engine *g, const char *id, bool must, struct lg_ct_look *l, struct lg_err *e)
{
    int rc = lg_ct_look(g, id, l, e);
    if (rc)
        return rc;
    if (l->st.run == LG_RUN_ABSENT)
        return must ? lg_fail(e, LG_NOT_FOUND, "the container engine has no container of this instance") : 0;
    return l->ours ? 0 : lg_fail(e, LG_CONFLICT, "a container of this name in the engine is not Lodge's");
}

/* POST without a body; refusals become errors but for "already so". */
static int post(struct lg_engine *g, const char *id, const char *verb, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "POST", NULL, "/containers/lodge-%s/%s", id, verb);
    if (status < 0)
        return status;
    if (status < 300 || lg_quirk_already(status, &reply))
        return 0;
    char what[64];
    snprintf(what, sizeof what, "cannot %.*s the container", (int)strcspn(verb, "?"), verb);
    return lg_call_fail(lg_quirk_refused(status, &reply), &reply, what, e);
}

static int delete (struct lg_engine *g, const char *id, bool force, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "DELETE", NULL, "/containers/lodge-%s?v=true&force=%s", id,
                          force ? "true" : "false");
    if (status < 0)
        return status;
    if (status < 300 || status == 404)
        return 0;
    if (lg_quirk_conflict(status, &reply))
        status = 409;
    return lg_call_fail(status, &reply, "cannot remove the container", e);
}

/*
 * Somebody has our name. What has run is an instance with its data and is kept whatever it was made from;
 * what never ran is kept when it was made from the same spec. The rest is removed, also what a killed engine
 * left half made (a name without a container): *again is set when create should be tried once more.
 */
static int leftover(struct lg_engine *g, const struct lg_inst_spec *s, const char *digest, bool *again,
                    struct lg_err *e)
{
    struct lg_ct_look l;
    int rc = look_ours(g, s->id, false, &l, e);
    if (rc || (l.st.run != LG_RUN_ABSENT && (l.ever_ran || !strcmp(l.spec, digest))))
        return rc;
    *again = true;
    lg_leak_end(g, l.st.ref);
    return delete (g, s->id, true, e);
}

int lg_ct_create(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char name[LG_CT_NAME_LEN], digest[LG_SPEC_DIGEST_LEN];
    lg_cleanup_buf struct lg_buf body = {0}, reply = {0};
    int rc = lg_ct_name(s->id, name, e);
    if (!rc)
        rc = lg_quirk_identify(g, e);
    if (rc)
        return rc;
    if (s->layer_bytes)
        lg_layer_is_hard(g); /* the body says so */
    lg_spec_body(g, s, &body, digest);
    if (body.failed)
        return lg_fail(e, LG_INVALID, "command and environment are too large");
    for (int attempt = 0;; attempt++) {
        bool again = false;
        int status = lg_callf(g, &reply, e, "POST", lg_buf_cstr(&body), "/containers/create?name=%s", name);
        if (status < 0)
            return status;
        if (status < 300)
            return 0;
        if (!lg_quirk_conflict(status, &reply) || attempt == 2)
            return lg_call_fail(status, &reply, "cannot create the container", e);
        rc = leftover(g, s, digest, &again, e);
        if (rc || !again)
            return rc;
    }
}

/*
 * A killed service's last call of the runtime may still be at work: ours then comes second and is refused.
 * Mostly that call has started the container; what it left otherwise is ended, and the engine makes it anew.
 * *up: it runs.
 */
static bool came_second(struct lg_engine *g, const struct lg_inst_spec *s, const char *ref,
                        const char *message, bool *up)
{
    struct lg_ct_look l;
    if (!strstr(message, "runc start") || !strstr(message, "exit status"))
        return false;
    nanosleep(&(struct timespec){.tv_nsec = 200 * 1000000L}, NULL);
    *up = !lg_ct_look(g, s->id, &l, NULL) && l.st.run == LG_RUN_RUNNING;
    if (!*up)
        lg_leak_end(g, ref);
    return true;
}

/* Starts it; what a killed engine left in the way is cleared, one thing at a time. */
static int start(struct lg_engine *g, const struct lg_inst_spec *s, const char *ref, struct lg_err *e)
{
    for (int attempt = 0;; attempt++) {
        struct lg_err why = {0};
        bool up = false;
        int rc = post(g, s->id, "start", &why);
        if (!rc)
            return 0;
        bool again = rc == -(int)LG_BACKEND && attempt < 4 &&
                     (came_second(g, s, ref, why.msg, &up) || lg_leak_free(g, s, ref, why.msg) ||
                      lg_quirk_free_ports(g, s));
        if (up)
            return 0;
        if (!again)
            return lg_fail(e, why.code, "%s", why.msg);
    }
}

int lg_ct_start(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    struct lg_ct_look l;
    char limits[LG_LIMITS_LEN];
    int rc = look_ours(g, s->id, true, &l, e);
    if (rc || l.st.run == LG_RUN_RUNNING)
        return rc;
    rc = start(g, s, l.st.ref, e);
    lg_spec_limits(s, limits);
    return rc || !strcmp(limits, l.limits) ? rc : lg_ct_update(g, s, e);
}

/*
 * A crash loop between two lives looks like an end, and the engine would start the container again right
 * after a stop that found nothing to stop. So it is watched until the engine has decided; not for ever, its
 * helper may have died.
 */
static bool may_revive(const struct lg_ct_look *l)
{
    return l->settling && lg_clock_ms() - l->st.finished_at < SETTLE_MS;
}

/* Success says little: Podman answers it too when it found nothing to end, and may revive that one
 * afterwards. */
static int stop_once(struct lg_engine *g, const struct lg_ct_look *l, const char *id, int timeout_s,
                     struct lg_err *e)
{
    char path[96];
    lg_cleanup_buf struct lg_buf reply = {0};
    int rc = l->st.run == LG_RUN_PAUSED ? lg_ct_unpause(g, id, e) : 0; /* a frozen process hears no TERM */
    if (rc)
        return rc;
    snprintf(path, sizeof path, "/containers/lodge-%s/stop?t=%d", id, timeout_s);
    struct lg_call c = {
        .method = "POST", .path = path, .patience_ms = g->ctx.conf->engine_timeout_ms + timeout_s * 1000LL};
    int status = lg_call(g, &c, &reply, e);
    if (status < 0 || status < 300 || status == 304)
        return status < 0 ? status : 0;
    return lg_call_fail(status, &reply, "cannot stop the container", e);
}

int lg_ct_stop(struct lg_engine *g, const char *id, int timeout_s, struct lg_err *e)
{
    struct lg_ct_look l;
    int rc = look_ours(g, id, true, &l, e);
    for (int i = 0; !rc && i < SETTLE_MS / SETTLE_STEP_MS; i++) {
        if (l.st.run == LG_RUN_RUNNING || l.st.run == LG_RUN_PAUSED) {
            rc = stop_once(g, &l, id, timeout_s, e);
        } else if (!may_revive(&l)) {
            return 0;
        } else {
            nanosleep(&(struct timespec){.tv_nsec = SETTLE_STEP_MS * 1000000L}, NULL);
        }
        if (!rc)
            rc = look_ours(g, id, true, &l, e);
    }
    return rc ? rc : lg_fail(e, LG_BACKEND, "the container engine starts the container again and again");
}

int lg_ct_pause(struct lg_engine *g, const char *id, struct lg_err *e)
{
    struct lg_ct_look l;
    int rc = look_ours(g, id, true, &l, e);
    return rc || l.st.run == LG_RUN_PAUSED ? rc : post(g, id, "pause", e);
}

int lg_ct_unpause(struct lg_engine *g, const char *id, struct lg_err *e)
{
    struct lg_ct_look l;
    int rc = look_ours(g, id, true, &l, e);
    return rc || l.st.run == LG_RUN_RUNNING ? rc : post(g, id, "unpause", e);
}

int lg_ct_remove(struct lg_engine *g, const char *id, bool force, struct lg_err *e)
{
    struct lg_ct_look l;
    int rc = look_ours(g, id, false, &l, e);
    if (rc)
        return rc;
    if (l.st.run == LG_RUN_CREATED)
        lg_leak_end(g, l.st.ref);
    if (force && l.stopping && (rc = lg_leak_kill(&l.st, e)))
        return rc;
    /* Also when it seems absent: a killed engine may have left its name and layer behind. */
    return delete (g, id, force || l.st.run == LG_RUN_ABSENT, e);
}

int lg_ct_update(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char name[LG_CT_NAME_LEN];
    struct lg_ct_look l;
    int rc = look_ours(g, s->id, true, &l, e);
    if (!rc)
        rc = lg_ct_name(s->id, name, e);
    if (rc || (lg_quirk_forgets_update(g) && l.st.run != LG_RUN_RUNNING && l.st.run != LG_RUN_PAUSED))
        return rc; /* the next start sets them */
    return lg_quirk_update(g, name, s, e);
}

int lg_ct_revived(struct lg_engine *g, const struct lg_inst_spec *s, struct lg_err *e)
{
    char limits[LG_LIMITS_LEN];
    struct lg_ct_look l;
    int rc = look_ours(g, s->id, true, &l, e);
    lg_spec_limits(s, limits);
    return rc || !lg_quirk_forgets_update(g) || !strcmp(limits, l.limits) ? rc : lg_ct_update(g, s, e);
}
