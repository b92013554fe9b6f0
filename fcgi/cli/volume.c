/* lodge volume …, network …: what instances share and what outlives them. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

/* ── what both have ── */

/* Each attachment as its instance, with the path when it has one. */
static void text_attached(const json_t *list, struct lg_buf *out)
{
    size_t i;
    json_t *a;
    json_array_foreach(list, i, a)
    {
        const char *path = lg_text_at(a, "path"), *address = lg_text_at(a, "address");
        lg_buf_fmt(out, "%s%s%s%s", i ? ", " : "", lg_text_at(a, "instanceName"),
                   *path || *address ? ":" : "", *path ? path : address);
    }
}

/* Deletes each argument, found by name or id in the list at `path`. */
static int remove_each(struct lg_cli *c, const char *path, const char *key, const char *what)
{
    int worst = 0;
    for (int i = 0; i < c->argc; i++) {
        json_t *found = NULL;
        char at[LG_PATH_LEN];
        lg_cleanup_answer struct lg_answer a = {.status = 0};
        c->about = c->argc > 1 ? c->arg[i] : NULL;
        int rc = lg_find(c, path, key, "id,name", c->arg[i], what, &found);
        if (!rc) {
            size_t n = strlen(path);
            memcpy(at, path, n);
            lg_path(at + n, "/%s", lg_text_at(found, "id"));
            rc = lg_call(c, "DELETE", at, NULL, &a);
        }
        if (!rc)
            rc = lg_finish(c, &a, NULL);
        json_decref(found);
        worst = rc ? rc : worst;
    }
    c->about = NULL;
    return worst;
}

/* Shows the one of this id as it is now. */
static int show(struct lg_cli *c, const char *path, const char *id, const struct lg_col *cols)
{
    char at[LG_PATH_LEN];
    size_t n = strlen(path);
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    memcpy(at, path, n);
    lg_path(at + n, "/%s", id);
    int rc = lg_call(c, "GET", at, NULL, &a);
    if (!rc)
        lg_print_record(c, a.json, cols, "id");
    return rc;
}

/* POST …/attach or detach of the first argument, with `body` (taken); shows what it is then. */
static int change(struct lg_cli *c, const char *path, const char *key, const char *what, json_t *body,
                  const struct lg_col *cols)
{
    char at[LG_PATH_LEN];
    json_t *found = NULL;
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    size_t n = strlen(path);
    int rc = lg_find(c, path, key, "id,name", c->arg[0], what, &found);
    if (!rc) {
        memcpy(at, path, n);
        lg_path(at + n, "/%s/%s", lg_text_at(found, "id"), c->command->verb);
        rc = lg_call(c, "POST", at, body, &a);
    }
    if (!rc)
        rc = lg_finish(c, &a, NULL);
    if (!rc)
        rc = show(c, path, lg_text_at(found, "id"), cols);
    json_decref(found);
    json_decref(body);
    return rc;
}

static int list(struct lg_cli *c, const char *path, const char *key, const struct lg_col *cols)
{
    json_t *rows;
    int rc = lg_list(c, path, key, &rows);
    if (rc)
        return rc;
    lg_print_rows(c, rows, key, cols, "name");
    json_decref(rows);
    return 0;
}

/* ── volumes ── */

static const struct lg_col volume_cols[] = {
    {"NAME", "name", NULL},   {"SIZE", "sizeBytes", lg_text_bytes},       {"KIND", "kind", NULL},
    {"STATE", "state", NULL}, {"ATTACHED", "attachments", text_attached}, {"AGE", "createdAt", lg_text_age},
    {NULL, NULL, NULL},
};
static const struct lg_col volume_record[] = {
    {"Name", "name", NULL},
    {"Id", "id", NULL},
    {"Size", "sizeBytes", lg_text_bytes},
    {"Kind", "kind", NULL},
    {"State", "state", NULL},
    {"Error", "error", NULL},
    {"Attached", "attachments", text_attached},
    {"Created", "createdAt", NULL},
    {NULL, NULL, NULL},
};

int lg_cli_volume_ls(struct lg_cli *c)
{
    return list(c, "/volumes", "volumes", volume_cols);
}

static int parse_size(const char *text, json_int_t *bytes)
{
    *bytes = (json_int_t)lg_parse_size(text);
    return *bytes < 0 ? lg_say(LG_EXIT_USAGE, "%s is no size; for example 10g", text) : 0;
}

int lg_cli_volume_create(struct lg_cli *c)
{
    json_int_t size;
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    const char *kind = lg_flag_value(c, "kind");
    int rc = parse_size(c->arg[1], &size);
    if (rc)
        return rc;
    json_t *body = json_pack("{s:s, s:I}", "name", c->arg[0], "size", size);
    if (kind)
        json_object_set_new(body, "kind", json_string(kind));
    rc = lg_call(c, "POST", "/volumes", body, &a);
    json_decref(body);
    if (!rc)
        rc = lg_finish(c, &a, NULL);
    if (!rc)
        rc = show(c, "/volumes", lg_text_at(a.json, "id"), volume_record);
    return rc;
}

int lg_cli_volume_grow(struct lg_cli *c)
{
    json_int_t size;
    json_t *found = NULL;
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = parse_size(c->arg[1], &size);
    if (!rc)
        rc = lg_find(c, "/volumes", "volumes", "id,name", c->arg[0], "volume", &found);
    if (rc)
        return rc;
    json_t *body = json_pack("{s:I}", "size", size);
    rc = lg_call(c, "PUT", lg_path(path, "/volumes/%s", lg_text_at(found, "id")), body, &a);
    if (!rc)
        rc = lg_finish(c, &a, NULL);
    if (!rc)
        rc = show(c, "/volumes", lg_text_at(found, "id"), volume_record);
    json_decref(body);
    json_decref(found);
    return rc;
}

int lg_cli_volume_rm(struct lg_cli *c)
{
    return remove_each(c, "/volumes", "volumes", "volume");
}

int lg_cli_volume_attach(struct lg_cli *c)
{
    json_t *body = json_pack("{s:s}", "instance", c->arg[1]);
    if (lg_flag_value(c, "path"))
        json_object_set_new(body, "path", json_string(lg_flag_value(c, "path")));
    if (lg_flag_set(c, "read-only"))
        json_object_set_new(body, "readOnly", json_true());
    return change(c, "/volumes", "volumes", "volume", body, volume_record);
}

int lg_cli_volume_detach(struct lg_cli *c)
{
    return change(c, "/volumes", "volumes", "volume", json_pack("{s:s}", "instance", c->arg[1]),
                  volume_record);
}

/* ── networks ── */

static const struct lg_col network_cols[] = {
    {"NAME", "name", NULL},
    {"CIDR", "cidr", NULL},
    {"ATTACHED", "attachments", text_attached},
    {"AGE", "createdAt", lg_text_age},
    {NULL, NULL, NULL},
};
static const struct lg_col network_record[] = {
    {"Name", "name", NULL},         {"Id", "id", NULL},
    {"Range", "cidr", NULL},        {"Attached", "attachments", text_attached},
    {"Created", "createdAt", NULL}, {NULL, NULL, NULL},
};

int lg_cli_network_ls(struct lg_cli *c)
{
    return list(c, "/networks", "networks", network_cols);
}

int lg_cli_network_create(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    json_t *body = json_pack("{s:s, s:s}", "name", c->arg[0], "cidr", c->arg[1]);
    int rc = lg_call(c, "POST", "/networks", body, &a);
    json_decref(body);
    if (!rc)
        lg_print_record(c, a.json, network_record, "id");
    return rc;
}

int lg_cli_network_rm(struct lg_cli *c)
{
    return remove_each(c, "/networks", "networks", "network");
}

/* Attach and detach, as the command's verb says. */
int lg_cli_network_change(struct lg_cli *c)
{
    return change(c, "/networks", "networks", "network", json_pack("{s:s}", "instance", c->arg[1]),
                  network_record);
}
