/* lodge instance create: from flags to what the API takes. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static json_t *strings_of(const struct lg_cli *c, const char *flag)
{
    json_t *all = json_array();
    int at = 0;
    const char *v;
    while ((v = lg_flag_next(c, flag, &at)))
        json_array_append_new(all, json_string(v));
    return all;
}

static void set_strings(const struct lg_cli *c, json_t *o, const char *flag, const char *key)
{
    if (lg_flag_set(c, flag))
        json_object_set_new(o, key, strings_of(c, flag));
}

int64_t lg_parse_size(const char *s)
{
    static const char units[] = "bkmgt";
    char *end;
    double v = strtod(s, &end);
    const char *unit = *end ? strchr(units, *end | 32) : units;
    if (end == s || !(v > 0) || v > 1e15 || !unit)
        return -1;
    if (*end && end[1] && strcmp(end + 1, "b") != 0 && strcmp(end + 1, "iB") != 0 &&
        strcmp(end + 1, "B") != 0)
        return -1;
    return (int64_t)(v * (double)((int64_t)1 << (10 * (unit - units))));
}

int lg_set_resources(const struct lg_cli *c, json_t *body)
{
    json_t *r = json_object();
    const char *cpus = lg_flag_value(c, "cpus"), *memory = lg_flag_value(c, "memory"),
               *disk = lg_flag_value(c, "disk");
    int64_t space = disk ? lg_parse_size(disk) : 0;
    char *end = NULL;
    double cores = cpus ? strtod(cpus, &end) : 0;
    int64_t bytes = memory ? lg_parse_size(memory) : 0;
    if (cpus && (end == cpus || *end || !(cores > 0)))
        return json_decref(r), lg_say(LG_EXIT_USAGE, "--cpus must be a number of cores, for example 0.5");
    if (bytes < 0)
        return json_decref(r), lg_say(LG_EXIT_USAGE, "--memory must be a size, for example 512m");
    if (space < 0)
        return json_decref(r), lg_say(LG_EXIT_USAGE, "--disk must be a size, for example 20g");
    if (disk)
        json_object_set_new(r, "storage", json_pack("{s:I}", "totalSpace", (json_int_t)space));
    if (cpus)
        json_object_set_new(r, "cpu", json_pack("{s:f}", "cores", cores));
    if (memory)
        json_object_set_new(r, "memory", json_pack("{s:I}", "limit", (json_int_t)bytes));
    if (json_object_size(r))
        json_object_set(body, "resources", r);
    json_decref(r);
    return 0;
}

static int set_labels(const struct lg_cli *c, json_t *body)
{
    int at = 0;
    const char *v;
    json_t *labels = json_object();
    while ((v = lg_flag_next(c, "label", &at))) {
        const char *eq = strchr(v, '=');
        char key[256];
        if (!eq || (size_t)(eq - v) >= sizeof key) {
            json_decref(labels);
            return lg_say(LG_EXIT_USAGE, "--label must be key=value");
        }
        snprintf(key, sizeof key, "%.*s", (int)(eq - v), v);
        json_object_set_new(labels, key, json_string(eq + 1));
    }
    if (json_object_size(labels))
        json_object_set(body, "labels", labels);
    json_decref(labels);
    return 0;
}

/* A file's text as a string; NULL after saying why not. "-" is standard input. */
static json_t *text_of(const char *file)
{
    lg_cleanup_buf struct lg_buf b = {.max = 1 << 20};
    char block[4096];
    FILE *f = strcmp(file, "-") ? fopen(file, "re") : stdin;
    for (size_t n; f && (n = fread(block, 1, sizeof block, f));)
        lg_buf_add(&b, block, n);
    bool bad = !f || ferror(f) || b.failed;
    if (f && f != stdin)
        fclose(f);
    json_t *text = bad ? NULL : json_stringn(b.len ? b.data : "", b.len);
    if (!text)
        lg_say(LG_EXIT_USAGE, "%s cannot be read, or is no text", file);
    return text;
}

/* Cloud-init and keys, from files. */
static int set_vm_texts(const struct lg_cli *c, json_t *config)
{
    const char *user = lg_flag_value(c, "user-data"), *meta = lg_flag_value(c, "meta-data"), *file;
    json_t *ci = json_object(), *keys = json_array(), *text;
    int at = 0, bad = 0;
    if (user && !(bad = !(text = text_of(user))))
        json_object_set_new(ci, "userData", text);
    if (!bad && meta && !(bad = !(text = text_of(meta))))
        json_object_set_new(ci, "metaData", text);
    while (!bad && (file = lg_flag_next(c, "ssh-key", &at))) {
        if ((bad = !(text = text_of(file))))
            break;
        const char *line = json_string_value(text);
        json_array_append_new(keys, json_stringn(line, strcspn(line, "\r\n")));
        json_decref(text);
    }
    if (json_object_size(ci))
        json_object_set(config, "cloudInit", ci);
    if (json_array_size(keys))
        json_object_set(config, "sshKeys", keys);
    json_decref(ci);
    json_decref(keys);
    return bad ? LG_EXIT_USAGE : 0;
}

/* Flags that are one member of a body each. */
static void set_texts(const struct lg_cli *c, json_t *o, const char *const (*pairs)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lg_flag_value(c, pairs[i][0]))
            json_object_set_new(o, pairs[i][1], json_string(lg_flag_value(c, pairs[i][0])));
}

static json_t *config_of(const struct lg_cli *c)
{
    static const char *const vm[][2] = {
        {"disk-format", "diskFormat"}, {"network", "networkSource"}, {"firmware", "firmware"}};
    json_t *config = json_object();
    set_texts(c, config, vm, sizeof vm / sizeof vm[0]);
    if (lg_flag_value(c, "image"))
        json_object_set_new(config, "image", json_string(lg_flag_value(c, "image")));
    set_strings(c, config, "env", "env");
    set_strings(c, config, "secret-env", "secretEnv");
    set_strings(c, config, "publish", "ports");
    set_strings(c, config, "volume", "volumes");
    set_strings(c, config, "nic", "networks");
    if (lg_flag_value(c, "restart"))
        json_object_set_new(config, "restartPolicy", json_string(lg_flag_value(c, "restart")));
    if (c->rests) {
        json_t *command = json_array();
        for (int i = 0; i < c->rests; i++)
            json_array_append_new(command, json_string(c->rest[i]));
        json_object_set_new(config, "command", command);
    }
    return config;
}

/* --ingress port[:host] as the body of a rule; 0 with *rule NULL when it is not asked for. */
static int rule_of(const struct lg_cli *c, json_t **rule)
{
    const char *v = lg_flag_value(c, "ingress"), *access = lg_flag_value(c, "access");
    *rule = NULL;
    if (!v)
        return access ? lg_say(LG_EXIT_USAGE, "--access goes with --ingress") : 0;
    char *end;
    long port = strtol(v, &end, 10);
    if (end == v || (*end && *end != ':') || port < 1 || port > 65535)
        return lg_say(LG_EXIT_USAGE, "--ingress must be a port, or port:host");
    *rule = json_pack("{s:i, s:I}", "port", 443, "targetPort", (json_int_t)port);
    if (*end == ':' && end[1])
        json_object_set_new(*rule, "host", json_string(end + 1));
    if (access)
        json_object_set_new(*rule, "access", json_string(access));
    return 0;
}

/* The instance is there; now its address, the wait, and how it looks then. */
static int after_create(struct lg_cli *c, const struct lg_answer *made, const json_t *rule)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0}, now = {.status = 0};
    const char *id = lg_text_at(made->json, "id");
    int bad = rule ? lg_call(c, "POST", lg_path(path, "/compute/instances/%s/ingress", id), rule, &a) : 0;
    int rc = lg_finish(c, made, NULL);
    int seen = lg_call(c, "GET", lg_path(path, "/compute/instances/%s", id), NULL, &now);
    if (!seen)
        lg_print_instance(c, now.json);
    return rc ? rc : bad ? bad : seen;
}

int lg_cli_instance_create(struct lg_cli *c)
{
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    json_t *rule, *body = json_pack("{s:s, s:o, s:b}", "name", c->arg[0], "config", config_of(c), "start",
                                    !lg_flag_set(c, "no-start"));
    if (!body)
        return lg_say(LG_EXIT_USAGE, "the arguments must be UTF-8");
    static const char *const plain[][2] = {{"type", "type"}, {"flavor", "flavor"}};
    set_texts(c, body, plain, sizeof plain / sizeof plain[0]);
    int rc = rule_of(c, &rule);
    if (!rc)
        rc = set_vm_texts(c, json_object_get(body, "config"));
    if (!rc)
        rc = lg_set_resources(c, body);
    if (!rc)
        rc = set_labels(c, body);
    if (!rc)
        rc = lg_call(c, "POST", "/compute/instances", body, &a);
    if (!rc)
        rc = after_create(c, &a, rule);
    json_decref(rule);
    json_decref(body);
    return rc;
}
