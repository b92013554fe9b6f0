/* The cloud dialect's SSH keys: each user's own, whatever tenant is chosen. */
#include <stdlib.h>
#include <string.h>

#include "api/routes.h"
#include "http/body.h"
#include "model/ssh_key.h"
#include "model/validate.h"
#include "store/ssh_key.h"

static void render(void *arg, const struct lg_ssh_key_row *k)
{
    struct lg_json *j = arg;
    lg_json_obj(j, NULL);
    lg_json_int(j, "id", k->id);
    lg_json_str(j, "name", k->name);
    lg_json_str(j, "public_key", k->public_key);
    lg_json_str(j, "fingerprint", k->fingerprint);
    lg_json_time(j, "created_at", k->created_at);
    lg_json_end_obj(j);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_json j;
    lg_resp_json(r, 200, &j);
    lg_json_arr(&j, "ssh_keys");
    int rc = lg_ssh_key_each(q->db, q->who.user_id, render, &j, e);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    return rc < 0 ? rc : 0;
}

struct body {
    const char *name, *public_key;
};

static const struct lg_field fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "public_key",
     .type = LG_T_TEXT,
     .required = true,
     .min = 1,
     .max = LG_SSH_KEY_MAX,
     .offset = offsetof(struct body, public_key)},
    {0}};

static int add(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_ssh_key key;
    struct lg_json j;
    char subject[24];
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, fields, false, "", &b, e)) ||
        (rc = lg_check_title("name", b.name, e)) || (rc = lg_ssh_key_parse(b.public_key, &key, e)))
        return rc;
    struct lg_ssh_key_row row = {.name = b.name, .public_key = key.text, .fingerprint = key.fingerprint};
    if ((rc = lg_req_begin(q, e)) || (rc = lg_ssh_key_add(q->db, q->who.user_id, &row, e)))
        return rc;
    snprintf(subject, sizeof subject, "%lld", (long long)row.id);
    if ((rc = lg_req_commit(q, subject, key.fingerprint, e)))
        return rc;
    r->status = 201;
    lg_json_init(&j, &r->body);
    render(&j, &row);
    return 0;
}

static int remove_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    char *end;
    int64_t id = strtoll(q->param[0], &end, 10);
    int rc = *end || id < 1 ? lg_fail(e, LG_NOT_FOUND, "you have no such SSH key") : lg_req_begin(q, e);
    if (!rc)
        rc = lg_ssh_key_remove(q->db, q->who.user_id, id, e);
    if (!rc)
        rc = lg_req_commit(q, q->param[0], NULL, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

const struct lg_route lg_routes_ssh_keys[] = {{.method = "GET",
                                               .pattern = "/compute/ssh-keys",
                                               .perm = LG_PERM_USER,
                                               .handler = list,
                                               .doc = "Cloud dialect: the user's SSH keys"},
                                              {.method = "POST",
                                               .pattern = "/compute/ssh-keys",
                                               .perm = LG_PERM_USER,
                                               .action = "ssh_key.create",
                                               .body_max = LG_BODY_SMALL,
                                               .handler = add,
                                               .doc = "Cloud dialect: {name, public_key}"},
                                              {.method = "DELETE",
                                               .pattern = "/compute/ssh-keys/:id",
                                               .perm = LG_PERM_USER,
                                               .action = "ssh_key.delete",
                                               .body_max = LG_BODY_SMALL,
                                               .handler = remove_one,
                                               .doc = "Cloud dialect: removes it"},
                                              {.method = NULL}};
