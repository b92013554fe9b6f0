/* lodge ingress … */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

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
