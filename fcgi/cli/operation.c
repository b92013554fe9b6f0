/* lodge operation …, lodge events */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

static void text_percent(const json_t *v, struct lg_buf *out)
{
    if (json_is_number(v))
        lg_buf_fmt(out, "%.0f %%", json_number_value(v) * 100);
}

static const struct lg_col operation_cols[] = {
    {"ID", "id", NULL},          {"KIND", "kind", NULL},
    {"STATUS", "status", NULL},  {"INSTANCE", "instanceName", NULL},
    {"STEP", "step", NULL},      {"PROGRESS", "progress", text_percent},
    {"BY", "requestedBy", NULL}, {"AGE", "createdAt", lg_text_age},
    {NULL, NULL, NULL},
};
static const struct lg_col operation_record[] = {
    {"Id", "id", NULL},
    {"Kind", "kind", NULL},
    {"Status", "status", NULL},
    {"Instance", "instanceName", NULL},
    {"Step", "step", NULL},
    {"Progress", "progress", text_percent},
    {"Error", "error.message", NULL},
    {"By", "requestedBy", NULL},
    {"Created", "createdAt", NULL},
    {"Started", "startedAt", NULL},
    {"Ended", "endedAt", NULL},
    {NULL, NULL, NULL},
};

static void print_operation(const struct lg_cli *c, const json_t *op)
{
    size_t i;
    const json_t *line;
    lg_print_record(c, op, operation_record, "id");
    if (!c->json && !c->quiet)
        json_array_foreach(lg_at(op, "log"), i, line)
        {
            printf("  ");
            lg_print_clean(stdout, json_string_value(line) ? json_string_value(line) : "");
            putchar('\n');
        }
}

int lg_cli_operation_ls(struct lg_cli *c)
{
    char id[40] = "", path[LG_PATH_LEN];
    long limit;
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    const char *of = lg_flag_value(c, "instance"), *status = lg_flag_value(c, "status");
    int rc = lg_flag_int(c, "limit", 1, 500, 50, &limit);
    if (!rc && of)
        rc = lg_instance_id(c, of, id);
    if (rc)
        return rc;
    char size[24];
    snprintf(size, sizeof size, "%ld", limit);
    lg_path(path, "/operations?pageSize=%s", size);
    if (*id)
        strncat(path, lg_path((char[LG_PATH_LEN]){0}, "&instance=%s", id), 64);
    if (status)
        strncat(path, lg_path((char[LG_PATH_LEN]){0}, "&status=%s", status), 64);
    rc = lg_call(c, "GET", path, NULL, &a);
    if (!rc)
        lg_print_rows(c, lg_at(a.json, "operations"), "operations", operation_cols, "id");
    return rc;
}

int lg_cli_operation_get(struct lg_cli *c)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "GET", lg_path(path, "/operations/%s", c->arg[0]), NULL, &a);
    if (!rc)
        print_operation(c, a.json);
    return rc;
}

int lg_cli_operation_wait(struct lg_cli *c)
{
    long timeout;
    int worst = 0, rc = lg_flag_int(c, "timeout", 1, 86400, 0, &timeout);
    for (int i = 0; !rc && i < c->argc; i++) {
        json_t *op = NULL;
        int one = lg_wait_operation(c, c->arg[i], timeout, &op);
        worst = one ? one : worst;
        if (op && c->json)
            lg_print_json(op, true);
        else if (op)
            printf("%s %s\n", lg_text_at(op, "id"), lg_text_at(op, "status"));
        json_decref(op);
    }
    return rc ? rc : worst;
}

int lg_cli_operation_cancel(struct lg_cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->argc; i++) {
        char path[LG_PATH_LEN];
        lg_cleanup_answer struct lg_answer a = {.status = 0};
        int rc = lg_call(c, "DELETE", lg_path(path, "/operations/%s", c->arg[i]), NULL, &a);
        worst = rc ? rc : worst;
    }
    return worst;
}

/* ── events ── */

#define EVENTS_SHOWN 50 /* how far back `lodge events` looks, in events of the whole host */

struct watch {
    struct lg_cli *c;
    int64_t after;
};

static void print_event(const struct lg_cli *c, const json_t *e)
{
    if (c->json) {
        lg_print_json(e, true);
        return;
    }
    char line[512];
    const char *state = lg_text_at(e, "data.state"), *status = lg_text_at(e, "data.operation.status"),
               *kind = lg_text_at(e, "data.operation.kind"), *step = lg_text_at(e, "data.operation.step"),
               *why = lg_text_at(e, "data.reason.text");
    snprintf(line, sizeof line, "%s  %-20s %-24s %s%s%s%s%s%s%s", lg_text_at(e, "at"), lg_text_at(e, "kind"),
             *lg_text_at(e, "subject.name") ? lg_text_at(e, "subject.name") : lg_text_at(e, "subject.id"),
             state, kind, *kind ? " " : "", status, *step ? ": " : "", step, "");
    lg_print_clean(stdout, line);
    if (*why) {
        fputs(": ", stdout);
        lg_print_clean(stdout, why);
    }
    putchar('\n');
}

static const char *events_path(void *arg, char out[LG_PATH_LEN])
{
    const struct watch *w = arg;
    const char *kinds = lg_flag_value(w->c, "kinds");
    char after[24];
    snprintf(after, sizeof after, "%" PRId64, w->after);
    return lg_path(
        out, lg_flag_set(w->c, "all") ? "/events?since=%s&scope=all&kinds=%s" : "/events?since=%s&kinds=%s",
        after, kinds ? kinds : "");
}

static bool take_event(void *arg, const struct lg_sse *sse)
{
    struct watch *w = arg;
    json_t *e = json_loads(sse->data, 0, NULL);
    int64_t id = json_integer_value(lg_at(e, "id"));
    if (id > w->after) {
        w->after = id;
        print_event(w->c, e);
        fflush(stdout);
    }
    json_decref(e);
    return true;
}

static int print_past(struct watch *w)
{
    for (;;) {
        char path[LG_PATH_LEN];
        lg_cleanup_answer struct lg_answer a = {.status = 0};
        size_t i;
        json_t *e;
        int rc = lg_call(w->c, "GET", events_path(w, path), NULL, &a);
        if (rc)
            return rc;
        const json_t *page = lg_at(a.json, "events");
        json_array_foreach(page, i, e)
        {
            w->after = json_integer_value(lg_at(e, "id"));
            print_event(w->c, e);
        }
        if (!json_array_size(page))
            return 0;
    }
}

int lg_cli_events(struct lg_cli *c)
{
    struct watch w = {.c = c};
    struct lg_follow f = {events_path, NULL, take_event, &w, 0};
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    bool follow = lg_flag_set(c, "follow");
    long since;
    int rc = lg_flag_int(c, "since", 0, INT64_MAX, -1, &since);
    if (!rc && since < 0)
        rc = lg_call(c, "GET", "/session", NULL, &a);
    if (rc)
        return rc;
    int64_t last = json_integer_value(lg_at(a.json, "lastEvent"));
    w.after = since >= 0 ? since : follow || last < EVENTS_SHOWN ? (follow ? last : 0) : last - EVENTS_SHOWN;
    return follow ? lg_follow(c, &f) : print_past(&w);
}
