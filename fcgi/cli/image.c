/* lodge image … */
#include <string.h>

#include "cli/cli.h"

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
