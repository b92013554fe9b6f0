/* lodge instance … */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "cli/cli.h"

/* ── look-ups ── */

static int get_instance(struct lg_cli *c, const char *name, struct lg_answer *a)
{
    char path[LG_PATH_LEN];
    if (lg_id_valid(name))
        lg_path(path, "/compute/instances/%s", name);
    else
        lg_path(path, "/compute/instances/name/%s", name);
    return lg_call(c, "GET", path, NULL, a);
}

int lg_instance_id(struct lg_cli *c, const char *name, char out[40])
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    if (lg_id_valid(name)) {
        snprintf(out, 40, "%s", name);
        return 0;
    }
    int rc = get_instance(c, name, &a);
    if (!rc)
        snprintf(out, 40, "%s", lg_text_at(a.json, "id"));
    return rc;
}

/* ── printing ── */

static void text_url(const json_t *rules, struct lg_buf *out)
{
    lg_buf_str(out, lg_text_at(json_array_get(rules, 0), "url"));
}

static void text_ports(const json_t *ports, struct lg_buf *out)
{
    size_t i;
    const json_t *p;
    json_array_foreach(ports, i, p)
        lg_buf_fmt(out, "%s%s:%lld->%lld/%s", i ? ", " : "", lg_text_at(p, "hostAddress"),
                   (long long)json_integer_value(lg_at(p, "hostPort")),
                   (long long)json_integer_value(lg_at(p, "port")), lg_text_at(p, "protocol"));
}

static void text_rules(const json_t *rules, struct lg_buf *out)
{
    size_t i;
    const json_t *r;
    json_array_foreach(rules, i, r)
        lg_buf_fmt(out, "%s%s -> %lld (%s)", i ? ", " : "", lg_text_at(r, "url"),
                   (long long)json_integer_value(lg_at(r, "targetPort")), lg_text_at(r, "access"));
}

static void text_labels(const json_t *labels, struct lg_buf *out)
{
    const char *key;
    json_t *v;
    bool first = true;
    json_object_foreach((json_t *)(uintptr_t)labels, key, v)
    {
        lg_buf_fmt(out, "%s%s=%s", first ? "" : ", ", key, json_string_value(v) ? json_string_value(v) : "");
        first = false;
    }
}

static const struct lg_col list_cols[] = {
    {"NAME", "name", NULL},
    {"TYPE", "type", NULL},
    {"STATE", "state", NULL},
    {"IMAGE", "config.image", NULL},
    {"ADDRESS", "network.address", NULL},
    {"URL", "ingress", text_url},
    {"AGE", "createdAt", lg_text_age},
    {NULL, NULL, NULL},
};

static const struct lg_col one_cols[] = {
    {"Name", "name", NULL},
    {"Id", "id", NULL},
    {"Tenant", "tenant", NULL},
    {"Type", "type", NULL},
    {"State", "state", NULL},
    {"Why", "reason.text", NULL},
    {"Health", "status", NULL},
    {"Operation", "operation.kind", NULL},
    {"Image", "config.image", NULL},
    {"Command", "config.command", lg_text_join},
    {"Environment", "config.env", lg_text_join},
    {"Address", "network.address", NULL},
    {"Ports", "network.ports", text_ports},
    {"Ingress", "ingress", text_rules},
    {"Cores", "resources.cpu.cores", NULL},
    {"Memory", "resources.memory.limit", lg_text_bytes},
    {"Disk", "resources.storage.totalSpace", lg_text_bytes},
    {"Next start", "resources.pending", lg_text_join},
    {"Flavor", "flavor", NULL},
    {"Restart", "config.restartPolicy", NULL},
    {"Labels", "labels", text_labels},
    {"Owner", "owner", NULL},
    {"Created", "createdAt", NULL},
    {"Started", "startedAt", NULL},
    {NULL, NULL, NULL},
};

void lg_print_instance(const struct lg_cli *c, const json_t *in)
{
    lg_print_record(c, in, one_cols, "id");
}

/* ── ls, get, usage ── */

int lg_cli_instance_ls(struct lg_cli *c)
{
    static const struct {
        const char *flag, *query;
    } filters[] = {{"state", "state"}, {"label", "label"}, {"name", "name"}, {"find", "q"}};
    lg_cleanup_buf struct lg_buf path = {.max = LG_PATH_LEN - 64};
    json_t *rows;
    lg_buf_str(&path, "/compute/instances");
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        int at = 0;
        const char *v;
        while ((v = lg_flag_next(c, filters[i].flag, &at))) {
            char part[LG_PATH_LEN];
            lg_buf_str(&path, strchr(lg_buf_cstr(&path), '?') ? "&" : "?");
            lg_buf_fmt(&path, "%s=", filters[i].query);
            lg_buf_str(&path, lg_path(part, "%s", v));
        }
    }
    if (path.failed)
        return lg_say(LG_EXIT_USAGE, "too many filters");
    int rc = lg_list(c, lg_buf_cstr(&path), "instances", &rows);
    if (rc)
        return rc;
    lg_print_rows(c, rows, "instances", list_cols, "id");
    json_decref(rows);
    return 0;
}

int lg_cli_instance_get(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = get_instance(c, c->arg[0], &a);
    if (!rc)
        lg_print_instance(c, a.json);
    return rc;
}

static int usage_of_all(struct lg_cli *c)
{
    static const struct lg_col cols[] = {
        {"Name", "name", NULL}, {"CPU %", "cpu.usage", NULL}, {"Memory", "memory.used", lg_text_bytes},
        {"At", "at", NULL},     {NULL, NULL, NULL},
    };
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "GET", "/compute/usage", NULL, &a);
    if (!rc)
        lg_print_rows(c, json_object_get(a.json, "usage"), "usage", cols, "instance");
    return rc;
}

int lg_cli_instance_usage(struct lg_cli *c)
{
    bool over_time = lg_flag_set(c, "since") || lg_flag_set(c, "step");
    if (!c->argc)
        return over_time ? lg_say(LG_EXIT_USAGE, "name the instance whose history you want")
                         : usage_of_all(c);
    static const struct lg_col cols[] = {
        {"At", "at", NULL},
        {"CPU %", "cpu.usage", NULL},
        {"Memory", "memory.used", lg_text_bytes},
        {"Limit", "memory.limit", lg_text_bytes},
        {"Disk", "storage.used", lg_text_bytes},
        {"Received", "network.rxBytes", lg_text_bytes},
        {"Sent", "network.txBytes", lg_text_bytes},
        {"Processes", "pids", NULL},
        {NULL, NULL, NULL},
    };
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_instance_id(c, c->arg[0], id);
    if (!rc && over_time)
        return lg_cli_usage_history(c, id);
    if (!rc)
        rc = lg_call(c, "GET", lg_path(path, "/compute/instances/%s/usage", id), NULL, &a);
    if (!rc)
        lg_print_record(c, a.json, cols, "at");
    return rc;
}

/* ── verbs on several ── */

static int show_after(struct lg_cli *c, const char *id)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "GET", lg_path(path, "/compute/instances/%s", id), NULL, &a);
    if (rc)
        return rc;
    if (c->json)
        lg_print_json(a.json, true);
    else if (c->quiet)
        lg_print_clean(stdout, id), putchar('\n');
    else {
        lg_print_clean(stdout, lg_text_at(a.json, "name"));
        printf(" %s\n", lg_text_at(a.json, "state"));
    }
    return 0;
}

static int power_one(struct lg_cli *c, const char *name, const json_t *body)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_instance_id(c, name, id);
    if (!rc)
        rc = lg_call(c, "POST", lg_path(path, "/compute/instances/%s/%s", id, c->command->verb), body, &a);
    if (!rc)
        rc = lg_finish(c, &a, NULL);
    return rc ? rc : show_after(c, id);
}

int lg_cli_instance_power(struct lg_cli *c)
{
    long timeout;
    int worst = 0, rc = lg_flag_int(c, "timeout", 0, 3600, -1, &timeout);
    if (rc)
        return rc;
    json_t *body = json_object();
    if (lg_flag_set(c, "force"))
        json_object_set_new(body, "force", json_true());
    if (timeout >= 0)
        json_object_set_new(body, "timeout", json_integer(timeout));
    for (int i = 0; i < c->argc; i++) {
        c->about = c->argc > 1 ? c->arg[i] : NULL;
        if ((rc = power_one(c, c->arg[i], json_object_size(body) ? body : NULL)))
            worst = rc;
    }
    json_decref(body);
    return worst;
}

int lg_cli_instance_resize(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    json_t *body = json_object();
    int rc = lg_set_resources(c, body);
    if (!rc && lg_flag_value(c, "flavor"))
        json_object_set_new(body, "flavor", json_string(lg_flag_value(c, "flavor")));
    if (!rc && !json_object_size(body))
        rc = lg_say(LG_EXIT_USAGE, "name a new size: --cpus, --memory, --disk or --flavor");
    if (!rc)
        rc = lg_instance_id(c, c->arg[0], id);
    if (!rc)
        rc = lg_call(c, "POST", lg_path(path, "/compute/instances/%s/resize", id), body, &a);
    if (!rc)
        rc = lg_finish(c, &a, NULL);
    json_decref(body);
    return rc ? rc : show_after(c, id);
}

static int remove_one(struct lg_cli *c, const char *name)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_instance_id(c, name, id);
    if (!rc)
        rc = lg_call(
            c, "DELETE",
            lg_path(path, "/compute/instances/%s?force=%s", id, lg_flag_set(c, "force") ? "true" : "false"),
            NULL, &a);
    if (!rc)
        rc = lg_finish(c, &a, NULL);
    if (rc)
        return rc;
    if (c->json)
        lg_print_json(a.json, true);
    else
        lg_print_clean(stdout, c->quiet ? id : name), puts(c->quiet  ? ""
                                                           : c->wait ? " deleted"
                                                                     : " deleting");
    return 0;
}

int lg_cli_instance_rm(struct lg_cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->argc; i++) {
        c->about = c->argc > 1 ? c->arg[i] : NULL;
        int rc = remove_one(c, c->arg[i]);
        worst = rc ? rc : worst;
    }
    return worst;
}

/* ── logs ── */

struct tail {
    struct lg_cli *c;
    const char *id;
    long lines; /* -1: all */
    char since[64];
    bool resumed;                     /* a connection before this one brought lines */
    int64_t clock_ahead_ms, heard_ms; /* the server's clock against ours; when the last line came, by ours */
};

/* A second connection asks for what is newer than the last line. The log has no numbers, so the instant
 * decides. */
static const char *tail_path(void *arg, char out[LG_PATH_LEN])
{
    struct tail *t = arg;
    const char *follow = lg_flag_set(t->c, "follow") ? "true" : "false";
    char lines[32] = "-1", iso[LG_ISO_LEN];
    const char *since = t->since;
    if (t->resumed) {
        lg_clock_iso(t->heard_ms + t->clock_ahead_ms, iso);
        since = iso;
    } else if (t->lines >= 0) {
        snprintf(lines, sizeof lines, "%ld", t->lines);
    }
    if (!strcmp(lines, "-1"))
        lg_path(out, "/compute/instances/%s/logs?follow=%s", t->id, follow);
    else
        lg_path(out, "/compute/instances/%s/logs?follow=%s&tail=%s", t->id, follow, lines);
    if (*since) {
        char part[LG_PATH_LEN];
        strncat(out, lg_path(part, "&since=%s", since), LG_PATH_LEN - strlen(out) - 1);
    }
    return out;
}

static void tail_connected(void *arg, int64_t clock_ahead_ms)
{
    struct tail *t = arg;
    /* The Date header has whole seconds: within that, our clocks are taken to agree. */
    t->clock_ahead_ms = clock_ahead_ms > 1500 || clock_ahead_ms < -1500 ? clock_ahead_ms : 0;
}

static bool tail_event(void *arg, const struct lg_sse *e)
{
    struct tail *t = arg;
    if (!strcmp(e->event, "end"))
        return false;
    json_t *line = json_loads(e->data, 0, NULL);
    const char *text = lg_text_at(line, "text");
    if (t->c->json)
        lg_print_json(line, true);
    else
        fputs(text, !strcmp(lg_text_at(line, "stream"), "stderr") ? stderr : stdout);
    fflush(stdout);
    json_decref(line);
    t->heard_ms = lg_clock_ms();
    t->resumed = true;
    return true;
}

int lg_cli_instance_logs(struct lg_cli *c)
{
    char id[40];
    struct tail t = {.c = c, .id = id};
    struct lg_follow f = {tail_path, tail_connected, tail_event, &t, 0};
    int rc = lg_flag_int(c, "tail", 0, 1000000, -1, &t.lines);
    if (!rc)
        rc = lg_instance_id(c, c->arg[0], id);
    const char *since = lg_flag_value(c, "since");
    snprintf(t.since, sizeof t.since, "%s", since ? since : "");
    return rc ? rc : lg_follow(c, &f);
}
