/* lodge flavor …: sizes by name. */
#include <string.h>

#include "cli/client.h"

static void text_gb(const json_t *n, struct lg_buf *out)
{
    lg_buf_fmt(out, "%g GiB", json_number_value(n));
}

static const struct lg_col cols[] = {
    {"NAME", "name", NULL},      {"CPUS", "vcpus", NULL},      {"MEMORY", "ramGB", text_gb},
    {"DISK", "diskGB", text_gb}, {"FOR", "description", NULL}, {NULL, NULL, NULL},
};
static const struct lg_col record[] = {
    {"Name", "name", NULL},      {"CPUs", "vcpus", NULL},      {"Memory", "ramGB", text_gb},
    {"Disk", "diskGB", text_gb}, {"For", "description", NULL}, {NULL, NULL, NULL},
};

int lg_cli_flavor_ls(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "GET", "/compute/flavors", NULL, &a);
    if (!rc)
        lg_print_rows(c, lg_at(a.json, "flavors"), "flavors", cols, "name");
    return rc;
}

/* A size of a flag as gigabytes into the body. */
static int take_size(const struct lg_cli *c, const char *flag, const char *member, json_t *body)
{
    const char *text = lg_flag_value(c, flag);
    int64_t bytes = text ? lg_parse_size(text) : -1;
    if (!text)
        return lg_say(LG_EXIT_USAGE, "a flavor needs --cpus, --memory and --disk");
    if (bytes < 0)
        return lg_say(LG_EXIT_USAGE, "--%s must be a size such as 8g", flag);
    json_object_set_new(body, member, json_real((double)bytes / ((int64_t)1 << 30)));
    return 0;
}

int lg_cli_flavor_create(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    long cpus;
    const char *text = lg_flag_value(c, "description");
    json_t *body = json_pack("{s:s}", "name", c->arg[0]);
    int rc =
        body ? lg_flag_int(c, "cpus", 1, 100000, 0, &cpus) : lg_say(LG_EXIT_USAGE, "the name must be UTF-8");
    if (!rc && !cpus)
        rc = lg_say(LG_EXIT_USAGE, "a flavor needs --cpus, --memory and --disk");
    if (!rc)
        rc = take_size(c, "memory", "ramGB", body);
    if (!rc)
        rc = take_size(c, "disk", "diskGB", body);
    if (!rc) {
        json_object_set_new(body, "vcpus", json_integer(cpus));
        if (text)
            json_object_set_new(body, "description", json_string(text));
        rc = lg_call(c, "POST", "/compute/flavors", body, &a);
    }
    json_decref(body);
    if (!rc)
        lg_print_record(c, a.json, record, "name");
    return rc;
}

int lg_cli_flavor_rm(struct lg_cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->argc; i++) {
        char path[LG_PATH_LEN];
        lg_cleanup_answer struct lg_answer a = {.status = 0};
        int rc = lg_call(c, "DELETE", lg_path(path, "/compute/flavors/%s", c->arg[i]), NULL, &a);
        worst = rc ? rc : worst;
    }
    return worst;
}
