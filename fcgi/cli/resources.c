/* lodge image …, ingress …, operation …, events: what goes with instances. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "cli/cli.h"

/* ── look-up ── */

static bool has_text(const json_t *o, const char *fields, const char *text)
{
    char name[32];
    while (*fields) {
        size_t n = strcspn(fields, ","), i;
        snprintf(name, sizeof name, "%.*s", (int)n, fields);
        fields += n + (fields[n] == ',');
        const json_t *v = lg_at(o, name), *item;
        if (json_is_string(v) && !strcmp(json_string_value(v), text))
            return true;
        json_array_foreach(v, i, item) if (json_is_string(item) &&
                                           !strcmp(json_string_value(item), text)) return true;
    }
    return false;
}

int lg_find(struct lg_cli *c, const char *path, const char *key, const char *fields, const char *text,
            const char *what, json_t **out)
{
    json_t *rows, *row;
    size_t i;
    int rc = lg_list(c, path, key, &rows);
    if (rc)
        return rc;
    *out = NULL;
    json_array_foreach(rows, i, row) if (!*out && has_text(row, fields, text)) *out = json_incref(row);
    json_decref(rows);
    return *out ? 0 : lg_say(LG_EXIT_NOT_FOUND, "there is no %s %s", what, text);
}

/* ── images ── */

static const struct lg_col image_cols[] = {
    {"NAME", "name", NULL},
    {"KIND", "kind", NULL},
    {"STATE", "state", NULL},
    {"SIZE", "sizeBytes", lg_text_bytes},
    {"SOURCE", "source", NULL},
    {"ALIASES", "aliases", lg_text_join},
    {"DEFAULT", "default", lg_text_yes},
    {"PUBLIC", "public", lg_text_yes},
    {"AGE", "createdAt", lg_text_age},
    {NULL, NULL, NULL},
};
static const struct lg_col image_record[] = {
    {"Name", "name", NULL},
    {"Id", "id", NULL},
    {"State", "state", NULL},
    {"Error", "error", NULL},
    {"Aliases", "aliases", lg_text_join},
    {"Reference", "reference", NULL},
    {"Digest", "digest", NULL},
    {"Size", "sizeBytes", lg_text_bytes},
    {"Source", "source", NULL},
    {"Format", "vm.format", NULL},
    {"Address", "vm.url", NULL},
    {"Least disk", "vm.minDiskBytes", lg_text_bytes},
    {"Least memory", "vm.minMemoryBytes", lg_text_bytes},
    {"User", "vm.defaultUser", NULL},
    {"Tenant", "tenant", NULL},
    {"Default", "default", lg_text_yes},
    {"Public", "public", lg_text_yes},
    {"Created", "createdAt", NULL},
    {NULL, NULL, NULL},
};

static int find_image(struct lg_cli *c, const char *name, json_t **image)
{
    return lg_find(c, "/images", "images", "id,name,aliases", name, "image", image);
}

int lg_cli_image_ls(struct lg_cli *c)
{
    json_t *rows;
    int rc = lg_list(c, "/images", "images", &rows);
    if (rc)
        return rc;
    lg_print_rows(c, rows, "images", image_cols, "id");
    json_decref(rows);
    return 0;
}

int lg_cli_image_get(struct lg_cli *c)
{
    json_t *image;
    int rc = find_image(c, c->arg[0], &image);
    if (rc)
        return rc;
    lg_print_record(c, image, image_record, "id");
    json_decref(image);
    return 0;
}

/* Waits for a pull or an import, then shows the image. */
static int settle_image(struct lg_cli *c, const struct lg_answer *made)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer now = {.status = 0};
    int rc = lg_finish(c, made, NULL);
    if (!rc)
        rc = lg_call(c, "GET", lg_path(path, "/images/%s", lg_text_at(made->json, "id")), NULL, &now);
    if (!rc)
        lg_print_record(c, now.json, image_record, "id");
    return rc;
}

int lg_cli_image_pull(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    json_t *body = json_pack("{s:s}", "reference", c->arg[0]), *aliases = json_array();
    int at = 0;
    const char *v;
    while ((v = lg_flag_next(c, "alias", &at)))
        json_array_append_new(aliases, json_string(v));
    if (lg_flag_value(c, "name"))
        json_object_set_new(body, "name", json_string(lg_flag_value(c, "name")));
    if (json_array_size(aliases))
        json_object_set(body, "aliases", aliases);
    int rc = lg_call(c, "POST", "/images", body, &a);
    json_decref(aliases);
    json_decref(body);
    return rc ? rc : settle_image(c, &a);
}

/* What is said of a VM's image: names in the API, values by flags. */
static int vm_image_of(const struct lg_cli *c, json_t *o)
{
    static const struct {
        const char *flag, *member;
        bool size;
    } all[] = {{"format", "format", false},
               {"sha256", "sha256", false},
               {"user", "defaultUser", false},
               {"min-disk", "minDiskBytes", true},
               {"min-memory", "minMemoryBytes", true}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *v = lg_flag_value(c, all[i].flag);
        int64_t n = v && all[i].size ? lg_parse_size(v) : 0;
        if (n < 0)
            return lg_say(LG_EXIT_USAGE, "--%s must be a size, for example 2g", all[i].flag);
        if (v)
            json_object_set_new(o, all[i].member, all[i].size ? json_integer(n) : json_string(v));
    }
    if (lg_flag_set(c, "no-cloud-init"))
        json_object_set_new(o, "cloudInit", json_false());
    return 0;
}

/* The members of an object as a query's. */
static void add_query(const json_t *o, struct lg_buf *path)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        char part[LG_PATH_LEN];
        lg_buf_fmt(path, "&%s=", key);
        if (json_is_string(v))
            lg_buf_str(path, lg_path(part, "%s", json_string_value(v)));
        else if (json_is_integer(v))
            lg_buf_fmt(path, "%lld", (long long)json_integer_value(v));
        else
            lg_buf_str(path, json_is_true(v) ? "true" : "false");
    }
}

int lg_cli_image_upload(struct lg_cli *c)
{
    char first[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    lg_cleanup_buf struct lg_buf path = {.max = LG_PATH_LEN};
    const char *name = lg_flag_value(c, "name"), *kind = lg_flag_value(c, "kind");
    json_t *vm = json_object();
    int rc =
        name ? vm_image_of(c, vm) : lg_say(LG_EXIT_USAGE, "--name is missing: what the image will be called");
    if (!rc) {
        lg_buf_str(&path, lg_path(first, "/images/upload?name=%s&kind=%s", name, kind ? kind : "container"));
        add_query(vm, &path);
        rc = path.failed ? lg_say(LG_EXIT_USAGE, "too much is said of the image")
                         : lg_send_file(c, lg_buf_cstr(&path), c->arg[0], &a);
    }
    json_decref(vm);
    return rc ? rc : settle_image(c, &a);
}

int lg_cli_image_fetch(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    const char *name = lg_flag_value(c, "name"), *v;
    if (!name)
        return lg_say(LG_EXIT_USAGE, "--name is missing: what the image will be called");
    json_t *body = json_pack("{s:s, s:s}", "url", c->arg[0], "name", name), *aliases = json_array();
    int at = 0, rc = body ? vm_image_of(c, body) : lg_say(LG_EXIT_USAGE, "the arguments must be UTF-8");
    while (!rc && (v = lg_flag_next(c, "alias", &at)))
        json_array_append_new(aliases, json_string(v));
    if (json_array_size(aliases))
        json_object_set(body, "aliases", aliases);
    if (lg_flag_set(c, "public"))
        json_object_set_new(body, "public", json_true());
    if (!rc)
        rc = lg_call(c, "POST", "/images", body, &a);
    json_decref(aliases);
    json_decref(body);
    return rc ? rc : settle_image(c, &a);
}

static int remove_image(struct lg_cli *c, const char *name)
{
    char path[LG_PATH_LEN];
    json_t *image;
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = find_image(c, name, &image);
    if (rc)
        return rc;
    rc = lg_call(c, "DELETE", lg_path(path, "/images/%s", lg_text_at(image, "id")), NULL, &a);
    json_decref(image);
    if (!rc)
        rc = lg_finish(c, &a, NULL);
    if (!rc && !c->json)
        lg_print_clean(stdout, name), puts(" deleted");
    return rc;
}

int lg_cli_image_rm(struct lg_cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->argc; i++) {
        c->about = c->argc > 1 ? c->arg[i] : NULL;
        int rc = remove_image(c, c->arg[i]);
        worst = rc ? rc : worst;
    }
    return worst;
}

/* Changes the image and shows it. `change` is consumed. */
static int put_image(struct lg_cli *c, const json_t *image, json_t *change)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "PUT", lg_path(path, "/images/%s", lg_text_at(image, "id")), change, &a);
    if (!rc)
        lg_print_record(c, a.json, image_record, "id");
    json_decref(change);
    return rc;
}

static bool among(const char *s, char *const *list, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i], s))
            return true;
    return false;
}

int lg_cli_image_alias(struct lg_cli *c)
{
    json_t *image, *v;
    size_t i;
    int rc = find_image(c, c->arg[0], &image);
    if (rc)
        return rc;
    json_t *aliases = json_array();
    json_array_foreach(
        json_object_get(image, "aliases"), i,
        v) if (json_is_string(v) && strcmp(json_string_value(v), lg_text_at(image, "name")) != 0 &&
               !among(json_string_value(v), c->arg + 1, c->argc - 1)) json_array_append(aliases, v);
    for (int n = 1; n < c->argc && !lg_flag_set(c, "remove"); n++)
        json_array_append_new(aliases, json_string(c->arg[n]));
    rc = put_image(c, image, json_pack("{s:o}", "aliases", aliases));
    json_decref(image);
    return rc;
}

int lg_cli_image_set(struct lg_cli *c)
{
    json_t *image, *change = json_object();
    bool public = lg_flag_set(c, "public"), private = lg_flag_set(c, "private");
    if (lg_flag_set(c, "default"))
        json_object_set_new(change, "default", json_true());
    if (public || private)
        json_object_set_new(change, "public", json_boolean(public));
    int rc = !json_object_size(change) || (public && private)
                 ? lg_say(LG_EXIT_USAGE, "say one of --default, --public and --private")
                 : find_image(c, c->arg[0], &image);
    if (rc) {
        json_decref(change);
        return rc;
    }
    rc = put_image(c, image, change);
    json_decref(image);
    return rc;
}

/* ── ingress ── */

static const struct lg_col rule_cols[] = {
    {"URL", "url", NULL},           {"TARGET", "targetPort", NULL},
    {"ACCESS", "access", NULL},     {"AGE", "createdAt", lg_text_age},
    {"INSTANCE", "instance", NULL}, {NULL, NULL, NULL},
};

int lg_cli_ingress_ls(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN] = "/ingress";
    json_t *rows;
    int rc = c->argc ? lg_instance_id(c, c->arg[0], id) : 0;
    if (c->argc && !rc)
        lg_path(path, "/compute/instances/%s/ingress", id);
    if (!rc)
        rc = lg_list(c, path, "ingress", &rows);
    if (rc)
        return rc;
    lg_print_rows(c, rows, "ingress", rule_cols, "url");
    json_decref(rows);
    return 0;
}

int lg_cli_ingress_add(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN], *end;
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    long port = strtol(c->arg[1], &end, 10);
    if (end == c->arg[1] || *end)
        return lg_say(LG_EXIT_USAGE, "%s is no port", c->arg[1]);
    int rc = lg_instance_id(c, c->arg[0], id);
    if (rc)
        return rc;
    json_t *body = json_pack("{s:i, s:I}", "port", 443, "targetPort", (json_int_t)port);
    const char *names[] = {"host", "access"};
    for (int i = 0; i < 2; i++)
        if (lg_flag_value(c, names[i]))
            json_object_set_new(body, names[i], json_string(lg_flag_value(c, names[i])));
    rc = lg_call(c, "POST", lg_path(path, "/compute/instances/%s/ingress", id), body, &a);
    json_decref(body);
    if (!rc)
        lg_print_record(c, a.json, rule_cols, "url");
    return rc;
}

int lg_cli_ingress_rm(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_instance_id(c, c->arg[0], id);
    if (!rc)
        rc = lg_call(c, "DELETE",
                     lg_path(path, "/compute/instances/%s/ingress/%s", id, c->argc > 1 ? c->arg[1] : "443"),
                     NULL, &a);
    return rc;
}

/* ── operations ── */

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
    struct lg_follow f = {events_path, NULL, take_event, &w, 0, NULL};
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
