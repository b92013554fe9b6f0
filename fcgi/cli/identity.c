/* lodge token …, user …, tenant …, audit …, whoami. */
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"

/* ── tokens ── */

static const struct lg_col token_cols[] = {
    {"PREFIX", "prefix", NULL},
    {"NAME", "name", NULL},
    {"USER", "user", NULL},
    {"TENANT", "tenant", NULL},
    {"USED", "lastUsedAt", lg_text_age},
    {"EXPIRES", "expiresAt", lg_text_age},
    {"REVOKED", "revokedAt", lg_text_age},
    {"ID", "id", NULL},
    {NULL, NULL, NULL},
};

static int print_list(struct lg_cli *c, const char *path, const char *key, const struct lg_col *cols,
                      const char *quiet)
{
    json_t *rows;
    int rc = lg_list(c, path, key, &rows);
    if (rc)
        return rc;
    lg_print_rows(c, rows, key, cols, quiet);
    json_decref(rows);
    return 0;
}

int lg_cli_token_ls(struct lg_cli *c)
{
    return print_list(c, "/tokens", "tokens", token_cols, "id");
}

int lg_cli_token_create(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    long days;
    int rc = lg_flag_int(c, "days", 1, 3650, 0, &days);
    if (rc)
        return rc;
    json_t *body = json_pack("{s:s}", "name", c->arg[0]);
    if (days)
        json_object_set_new(body, "expiresInDays", json_integer(days));
    rc = lg_call(c, "POST", "/tokens", body, &a);
    json_decref(body);
    if (rc)
        return rc;
    if (c->json)
        lg_print_json(a.json, false);
    else
        printf("%s\n", lg_text_at(a.json, "token"));
    if (!c->json && !c->quiet)
        fputs("It is not shown again. Use it as LODGE_TOKEN, or in Authorization: Bearer …\n", stderr);
    return 0;
}

int lg_cli_token_revoke(struct lg_cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->argc; i++) {
        char path[LG_PATH_LEN];
        json_t *token;
        lg_cleanup_answer struct lg_answer a = {.status = 0};
        int rc = lg_find(c, "/tokens", "tokens", "id,prefix", c->arg[i], "token", &token);
        if (!rc) {
            rc = lg_call(c, "DELETE", lg_path(path, "/tokens/%s", lg_text_at(token, "id")), NULL, &a);
            json_decref(token);
        }
        worst = rc ? rc : worst;
    }
    return worst;
}

/* ── users ── */

static const struct lg_col user_cols[] = {
    {"NAME", "username", NULL},        {"ROLE", "role", NULL}, {"DISABLED", "disabled", lg_text_yes},
    {"AGE", "createdAt", lg_text_age}, {"ID", "id", NULL},     {NULL, NULL, NULL},
};

int lg_cli_user_ls(struct lg_cli *c)
{
    return print_list(c, "/users", "users", user_cols, "id");
}

static int find_user(struct lg_cli *c, const char *name, char id[40])
{
    json_t *user;
    int rc = lg_find(c, "/users", "users", "id,username", name, "user", &user);
    if (rc)
        return rc;
    snprintf(id, 40, "%s", lg_text_at(user, "id"));
    json_decref(user);
    return 0;
}

static int set_password(struct lg_cli *c, json_t *body)
{
    char password[LG_PASSWORD_MAX];
    (void)c;
    int rc = lg_ask_password("New password: ", true, password);
    if (!rc && json_object_set_new(body, "password", json_string(password)))
        rc = lg_say(LG_EXIT_USAGE, "the password must be UTF-8");
    explicit_bzero(password, sizeof password);
    return rc;
}

int lg_cli_user_create(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    json_t *body = json_pack("{s:s}", "username", c->arg[0]);
    if (lg_flag_value(c, "role"))
        json_object_set_new(body, "role", json_string(lg_flag_value(c, "role")));
    int rc = set_password(c, body);
    if (!rc)
        rc = lg_call(c, "POST", "/users", body, &a);
    json_decref(body);
    if (!rc)
        lg_print_record(c, a.json, user_cols, "id");
    return rc;
}

int lg_cli_user_set(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    bool disable = lg_flag_set(c, "disable"), enable = lg_flag_set(c, "enable");
    json_t *body = json_object();
    if (lg_flag_value(c, "role"))
        json_object_set_new(body, "role", json_string(lg_flag_value(c, "role")));
    if (disable || enable)
        json_object_set_new(body, "disabled", json_boolean(disable));
    int rc = disable && enable ? lg_say(LG_EXIT_USAGE, "--disable and --enable contradict") : 0;
    if (!rc)
        rc = find_user(c, c->arg[0], id);
    if (!rc && lg_flag_set(c, "password"))
        rc = set_password(c, body);
    if (!rc && !json_object_size(body))
        rc = lg_say(LG_EXIT_USAGE, "say what to change: --role, --disable, --enable or --password");
    if (!rc)
        rc = lg_call(c, "PUT", lg_path(path, "/users/%s", id), body, &a);
    json_decref(body);
    if (!rc)
        lg_print_record(c, a.json, user_cols, "id");
    return rc;
}

int lg_cli_user_rm(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = find_user(c, c->arg[0], id);
    return rc ? rc : lg_call(c, "DELETE", lg_path(path, "/users/%s", id), NULL, &a);
}

/* ── tenants ── */

static const struct lg_col tenant_cols[] = {
    {"SLUG", "slug", NULL},
    {"NAME", "name", NULL},
    {"SUBNET", "network.subnet", NULL},
    {"CODE-NET", "codeNetwork", NULL},
    {"ROLE", "role", NULL},
    {"AGE", "createdAt", lg_text_age},
    {"ID", "id", NULL},
    {NULL, NULL, NULL},
};
static const struct lg_col member_cols[] = {
    {"USER", "username", NULL},
    {"ROLE", "role", NULL},
    {"SINCE", "since", lg_text_age},
    {NULL, NULL, NULL},
};

int lg_cli_tenant_ls(struct lg_cli *c)
{
    return print_list(c, "/tenants", "tenants", tenant_cols, "slug");
}

static int find_tenant(struct lg_cli *c, const char *slug, char id[40])
{
    json_t *t;
    int rc = lg_find(c, "/tenants", "tenants", "slug,id", slug, "tenant", &t);
    if (rc)
        return rc;
    snprintf(id, 40, "%s", lg_text_at(t, "id"));
    json_decref(t);
    return 0;
}

int lg_cli_tenant_create(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    json_t *body = json_pack("{s:s}", "slug", c->arg[0]);
    if (lg_flag_value(c, "name"))
        json_object_set_new(body, "name", json_string(lg_flag_value(c, "name")));
    int rc = lg_call(c, "POST", "/tenants", body, &a);
    json_decref(body);
    if (!rc)
        lg_print_record(c, a.json, tenant_cols, "slug");
    return rc;
}

int lg_cli_tenant_rm(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = find_tenant(c, c->arg[0], id);
    return rc ? rc : lg_call(c, "DELETE", lg_path(path, "/tenants/%s", id), NULL, &a);
}

int lg_cli_tenant_code_network(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    bool on = !strcmp(c->arg[1], "on");
    if (!on && strcmp(c->arg[1], "off"))
        return lg_say(LG_EXIT_USAGE, "%s is neither on nor off", c->arg[1]);
    int rc = find_tenant(c, c->arg[0], id);
    if (rc)
        return rc;
    json_t *body = json_pack("{s:b}", "codeNetwork", on);
    rc = lg_call(c, "PUT", lg_path(path, "/tenants/%s", id), body, &a);
    json_decref(body);
    if (!rc)
        lg_print_record(c, a.json, tenant_cols, "slug");
    return rc;
}

/* The slug of the command line, or of the tenant one works in. */
int lg_tenant_in_question(struct lg_cli *c, char id[40])
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    if (c->argc)
        return find_tenant(c, c->arg[0], id);
    int rc = lg_call(c, "GET", "/session", NULL, &a);
    if (!rc && !*lg_text_at(a.json, "tenant"))
        rc = lg_say(LG_EXIT_NOT_FOUND, "you are in no tenant");
    return rc ? rc : find_tenant(c, lg_text_at(a.json, "tenant"), id);
}

int lg_cli_tenant_members(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    int rc = lg_tenant_in_question(c, id);
    return rc ? rc
              : print_list(c, lg_path(path, "/tenants/%s/members", id), "members", member_cols, "username");
}

int lg_cli_tenant_join(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = find_tenant(c, c->arg[0], id);
    if (rc)
        return rc;
    json_t *body =
        json_pack("{s:s, s:s}", "username", c->arg[1], "role", lg_flag_set(c, "owner") ? "owner" : "member");
    rc = lg_call(c, "POST", lg_path(path, "/tenants/%s/members", id), body, &a);
    json_decref(body);
    if (!rc)
        lg_print_rows(c, lg_at(a.json, "members"), "members", member_cols, "username");
    return rc;
}

int lg_cli_tenant_leave(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN];
    json_t *member;
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = find_tenant(c, c->arg[0], id);
    if (!rc)
        rc = lg_find(c, lg_path(path, "/tenants/%s/members", id), "members", "username,user", c->arg[1],
                     "member", &member);
    if (rc)
        return rc;
    rc = lg_call(c, "DELETE", lg_path(path, "/tenants/%s/members/%s", id, lg_text_at(member, "user")), NULL,
                 &a);
    json_decref(member);
    return rc;
}

/* ── audit, whoami ── */

int lg_cli_audit_ls(struct lg_cli *c)
{
    static const struct lg_col cols[] = {
        {"AT", "at", NULL},         {"USER", "user", NULL},       {"FROM", "address", NULL},
        {"ACTION", "action", NULL}, {"SUBJECT", "subject", NULL}, {"TENANT", "tenant", NULL},
        {"RESULT", "result", NULL}, {"DETAILS", "details", NULL}, {NULL, NULL, NULL},
    };
    char path[LG_PATH_LEN], size[24];
    long limit;
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_flag_int(c, "limit", 1, 500, 50, &limit);
    snprintf(size, sizeof size, "%ld", limit);
    if (!rc)
        rc = lg_call(c, "GET", lg_path(path, "/audit?pageSize=%s", size), NULL, &a);
    if (!rc)
        lg_print_rows(c, lg_at(a.json, "audit"), "audit", cols, "id");
    return rc;
}

int lg_cli_whoami(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "GET", "/session", NULL, &a);
    if (rc)
        return rc;
    if (c->json) {
        lg_print_json(a.json, false);
        return 0;
    }
    printf("%s (%s) in tenant %s at %s\ncredentials: %s\n", lg_text_at(a.json, "user.username"),
           lg_text_at(a.json, "user.role"),
           *lg_text_at(a.json, "tenant") ? lg_text_at(a.json, "tenant") : "-", c->client->url,
           c->client->source);
    return 0;
}
