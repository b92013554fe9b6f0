/* lodge service …: the registry of who is there. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

static void where_col(const json_t *row, struct lg_buf *out)
{
    const char *address = lg_text_at(row, "address");
    json_int_t port = json_integer_value(lg_at(row, "port"));
    bool v6 = strchr(address, ':') && *address != '[' && !strstr(address, "://");
    lg_buf_fmt(out, v6 ? "[%s]" : "%s", address);
    if (port)
        lg_buf_fmt(out, ":%" PRId64, (int64_t)port);
}

/* Rows with what a table wants beside what the API says. */
static json_t *dressed(const json_t *services)
{
    json_t *rows = json_array(), *s;
    size_t i;
    json_array_foreach(services, i, s)
    {
        lg_cleanup_buf struct lg_buf where = {.max = 1024};
        where_col(s, &where);
        json_t *row = json_deep_copy(s);
        json_object_set_new(row, "where", json_string(lg_buf_cstr(&where)));
        json_object_set_new(row, "of", json_string(json_is_true(lg_at(s, "own")) ? "lodge" : "tenant"));
        json_array_append_new(rows, row);
    }
    return rows;
}

int lg_cli_service_ls(struct lg_cli *c)
{
    static const struct lg_col cols[] = {
        {"NAME", "name", NULL},
        {"ID", "id", NULL},
        {"STATUS", "status", NULL},
        {"ADDRESS", "where", NULL},
        {"VERSION", "version", NULL},
        {"OF", "of", NULL},
        {"SINCE", "registeredAt", lg_text_age},
        {NULL, NULL, NULL},
    };
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    const char *name = c->argc ? c->arg[0] : "";
    int rc = lg_call(c, "GET", lg_path(path, "/services?name=%s", name), NULL, &a);
    if (rc)
        return rc;
    const json_t *services = lg_at(a.json, "services");
    json_t *rows = c->json ? json_deep_copy(services) : dressed(services);
    lg_print_rows(c, rows, "services", cols, "id");
    json_decref(rows);
    return 0;
}

/* ── watch ── */

struct watch {
    struct lg_cli *c;
    int64_t after;
};

static const char *watch_path(void *arg, char out[LG_PATH_LEN])
{
    const struct watch *w = arg;
    char after[24];
    snprintf(after, sizeof after, "%" PRId64, w->after);
    return lg_path(out, "/events?since=%s&kinds=service", after);
}

static void print_change(const struct lg_cli *c, const json_t *e)
{
    const json_t *s = lg_at(e, "data.service");
    const char *kind = strrchr(lg_text_at(e, "kind"), '.');
    lg_cleanup_buf struct lg_buf line = {.max = 2048};
    if (c->json) {
        lg_print_json(e, true);
        return;
    }
    lg_buf_fmt(&line, "%s  %-13s %s/%s  %-9s ", lg_text_at(e, "at"), kind ? kind + 1 : "",
               lg_text_at(s, "name"), lg_text_at(s, "id"), lg_text_at(s, "status"));
    where_col(s, &line);
    lg_print_clean(stdout, lg_buf_cstr(&line));
    putchar('\n');
}

static bool take_change(void *arg, const struct lg_sse *sse)
{
    struct watch *w = arg;
    json_t *e = json_loads(sse->data, 0, NULL);
    int64_t id = json_integer_value(lg_at(e, "id"));
    bool wanted = !w->c->argc || !strcmp(lg_text_at(e, "subject.name"), w->c->arg[0]);
    if (id > w->after) {
        w->after = id;
        if (wanted)
            print_change(w->c, e);
        fflush(stdout);
    }
    json_decref(e);
    return true;
}

int lg_cli_service_watch(struct lg_cli *c)
{
    struct watch w = {.c = c};
    struct lg_follow f = {watch_path, NULL, take_change, &w, 0};
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "GET", "/session", NULL, &a);
    if (rc)
        return rc;
    w.after = json_integer_value(lg_at(a.json, "lastEvent"));
    return lg_follow(c, &f);
}
