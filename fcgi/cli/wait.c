/* Waiting for the end of an operation, and telling how it goes. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"

#define LOST_S 60 /* a server that does not answer for so long ends a wait */

static void show_progress(const struct lg_cli *c, const json_t *op, char last[128])
{
    const char *step = lg_text_at(op, "step");
    const json_t *p = lg_at(op, "progress");
    char now[128];
    if (c->quiet || c->json || !isatty(STDERR_FILENO) || !*step)
        return;
    snprintf(now, sizeof now, "%.80s", step);
    if (json_is_number(p))
        snprintf(now + strlen(now), sizeof now - strlen(now), " %.0f %%", json_number_value(p) * 100);
    if (!strcmp(now, last))
        return;
    memcpy(last, now, sizeof now);
    fputs("  ", stderr);
    lg_print_clean(stderr, now);
    fputc('\n', stderr);
}

static int judge(const struct lg_cli *c, const json_t *op)
{
    const char *status = lg_text_at(op, "status"), *why = lg_text_at(op, "error.message");
    const char *kind = lg_text_at(op, "kind");
    if (!strcmp(status, "done"))
        return 0;
    int code = lg_exit_of(lg_code_of(lg_text_at(op, "error.code")));
    char text[700];
    snprintf(text, sizeof text, "%s %s%s%s", kind, status, *why ? ": " : "", why);
    return lg_client_complain(c, code, text);
}

static bool ended(const json_t *op)
{
    const char *s = lg_text_at(op, "status");
    return strcmp(s, "queued") != 0 && strcmp(s, "running") != 0;
}

int lg_wait_operation(struct lg_cli *c, const char *id, long timeout_s, json_t **end)
{
    char path[LG_PATH_LEN], last[128] = "";
    time_t begun = time(NULL), heard = begun;
    for (;;) {
        lg_cleanup_answer struct lg_answer a;
        struct lg_err e = {0};
        long left = timeout_s > 0 ? timeout_s - (long)(time(NULL) - begun) : 60;
        if (left <= 0)
            return lg_say(LG_EXIT_FAILED, "operation %s has not ended in %ld seconds", id, timeout_s);
        bool progress = isatty(STDERR_FILENO) && !c->quiet;
        snprintf(path, sizeof path, "%s?timeout=%ld",
                 lg_path((char[LG_PATH_LEN]){0}, "/operations/%s/wait", id),
                 progress    ? 2
                 : left > 60 ? 60
                             : left);
        int rc = lg_try(c, "GET", path, NULL, &a, &e);
        bool lost = rc == LG_EXIT_UNREACHABLE || a.status >= 500;
        if (rc && (!lost || time(NULL) - heard > LOST_S))
            return *e.msg ? lg_say(rc, "%s", e.msg) : rc;
        if (rc) {
            nanosleep(&(struct timespec){0, 500000000}, NULL);
            continue;
        }
        heard = time(NULL);
        if (ended(a.json)) {
            if (end)
                *end = json_incref(a.json);
            return judge(c, a.json);
        }
        show_progress(c, a.json, last);
    }
}

int lg_finish(struct lg_cli *c, const struct lg_answer *a, json_t **end)
{
    return c->wait && *a->operation ? lg_wait_operation(c, a->operation, 0, end) : 0;
}
