#include <stdlib.h>
#include <string.h>

#include "api/compute.h"
#include "api/vm.h"
#include "api/networks.h"
#include "api/volumes.h"
#include "http/body.h"
#include "model/image_ref.h"
#include "store/quota.h"

#define SSH_PORT 2222

struct body {
    const char *name, *backend, *type, *flavor;
    json_t *config, *resources, *metadata, *labels;
    struct lg_opt_bool start;
};

static const struct lg_field body_fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "backend", .type = LG_T_STRING, .offset = offsetof(struct body, backend)},
    {.name = "type", .type = LG_T_STRING, .offset = offsetof(struct body, type)},
    {.name = "flavor", .type = LG_T_STRING, .min = 1, .offset = offsetof(struct body, flavor)},
    {.name = "config", .type = LG_T_OBJECT, .offset = offsetof(struct body, config)},
    {.name = "resources", .type = LG_T_OBJECT, .offset = offsetof(struct body, resources)},
    {.name = "metadata", .type = LG_T_OBJECT, .offset = offsetof(struct body, metadata)},
    {.name = "labels", .type = LG_T_OBJECT, .offset = offsetof(struct body, labels)},
    {.name = "start", .type = LG_T_BOOL, .offset = offsetof(struct body, start)},
    {0}};

struct config {
    const char *image, *network_mode, *restart;
    json_t *command, *env, *secret_env, *ports, *volumes, *networks;
    struct lg_vm_config vm;
};

static const struct lg_field config_fields[] = {
    {.name = "image", .type = LG_T_STRING, .offset = offsetof(struct config, image)},
    {.name = "command",
     .type = LG_T_STRINGS,
     .max = LG_COMMAND_MAX,
     .offset = offsetof(struct config, command)},
    {.name = "env", .type = LG_T_STRINGS, .max = LG_ENV_MAX, .offset = offsetof(struct config, env)},
    {.name = "secretEnv",
     .type = LG_T_STRINGS,
     .max = LG_ENV_MAX,
     .offset = offsetof(struct config, secret_env)},
    {.name = "ports", .type = LG_T_STRINGS, .max = LG_PORTS_MAX, .offset = offsetof(struct config, ports)},
    {.name = "networkMode", .type = LG_T_STRING, .offset = offsetof(struct config, network_mode)},
    {.name = "restartPolicy", .type = LG_T_STRING, .offset = offsetof(struct config, restart)},
    {.name = "networks",
     .type = LG_T_STRINGS,
     .max = LG_NICS_MAX,
     .offset = offsetof(struct config, networks)},
    {.name = "volumes",
     .type = LG_T_STRINGS,
     .max = LG_MOUNTS_MAX,
     .offset = offsetof(struct config, volumes)},
    {.name = "diskFormat", .type = LG_T_STRING, .offset = offsetof(struct config, vm.disk_format)},
    {.name = "networkType", .type = LG_T_STRING, .offset = offsetof(struct config, vm.network_type)},
    {.name = "networkSource", .type = LG_T_STRING, .offset = offsetof(struct config, vm.network_source)},
    {.name = "cloudInit", .type = LG_T_OBJECT, .offset = offsetof(struct config, vm.cloud_init)},
    {.name = "sshKeys",
     .type = LG_T_STRINGS,
     .max = LG_VM_KEYS_MAX,
     .offset = offsetof(struct config, vm.ssh_keys)},
    {.name = "firmware", .type = LG_T_STRING, .offset = offsetof(struct config, vm.firmware)},
    {.name = "tpm", .type = LG_T_BOOL, .offset = offsetof(struct config, vm.tpm)},
    {0}};

/* --- backend --- */

static const struct {
    const char *backend, *type;
} backends[] = {{"docker", "container"}, {"kvm", "vm"}};
#define BACKENDS (sizeof backends / sizeof backends[0])

/* Is one of `names` (comma-separated) in the list? */
static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (!strncmp(p, name, n) && (!p[n] || p[n] == ','))
            return true;
    return false;
}

bool lg_backend_enabled(const struct lg_conf *c, const char *backend)
{
    if (!strcmp(backend, "docker"))
        return listed(c->drivers, "container") || listed(c->drivers, "fake");
    return listed(c->drivers, backend) || listed(c->drivers, "fake-vm");
}

static int unavailable(struct lg_err *e, const char *backend, const char *reason)
{
    lg_fail(e, LG_UNAVAILABLE, "the %s backend is not available: %s", backend, reason);
    lg_err_detail(e, "backend", "%s", backend);
    return lg_err_detail(e, "reason", "%.150s", reason);
}

int lg_backend_check(struct lg_req *q, const char *backend, struct lg_err *e)
{
    bool known = false;
    struct lg_engine_state st;
    for (size_t i = 0; i < BACKENDS; i++)
        known |= !strcmp(backends[i].backend, backend);
    if (!known) {
        lg_fail(e, LG_INVALID_BACKEND, "there is no backend called %.40s; it is docker or kvm", backend);
        return lg_err_detail(e, "field", "backend");
    }
    if (!lg_backend_enabled(&q->app->conf, backend))
        return unavailable(e, backend, "no driver for it is enabled on this host");
    int rc = lg_engine_state_get(q->db, backend, &st, e);
    return rc < 0 ? rc : rc && !st.healthy ? unavailable(e, backend, st.reason) : 0;
}

/* Each of backend and type follows from the other; docker and container when neither is given. */
static int parse_backend(const struct body *b, struct lg_instance *in, struct lg_err *e)
{
    const char *backend = b->backend, *type = b->type;
    for (size_t i = 0; i < BACKENDS; i++) {
        if (!backend && type && !strcmp(backends[i].type, type))
            backend = backends[i].backend;
        if (!type && backend && !strcmp(backends[i].backend, backend))
            type = backends[i].type;
    }
    backend = backend ? backend : "docker";
    type = type ? type : "container";
    if (strcmp(type, "container") && strcmp(type, "vm"))
        return lg_invalid(e, "type", "must be container or vm");
    for (size_t i = 0; i < BACKENDS; i++)
        if (!strcmp(backends[i].backend, backend) && strcmp(backends[i].type, type))
            return lg_invalid(e, "type", "and backend contradict each other");
    snprintf(in->backend, sizeof in->backend, "%s", backend);
    snprintf(in->type, sizeof in->type, "%s", type);
    return 0;
}

/* --- environment --- */

static bool has_env(const struct lg_instance *in, const char *kv, size_t n)
{
    for (int i = 0; i < in->env_count; i++)
        if (!strncmp(in->env[i].name, kv, n) && !in->env[i].name[n])
            return true;
    return false;
}

static int parse_env(const json_t *list, const char *field, bool secret, struct lg_instance *in,
                     struct lg_err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *kv = json_string_value(json_array_get(list, i));
        int rc = lg_check_env(field, kv, e);
        if (rc)
            return rc;
        size_t n = strcspn(kv, "=");
        if (has_env(in, kv, n))
            return lg_invalid(e, field, "names a variable twice");
        if (in->env_count == LG_ENV_MAX)
            return lg_invalid(e, field, "has too many variables");
        in->env[in->env_count++] = (struct lg_env){strndup(kv, n), strdup(kv + n + 1), secret};
    }
    return 0;
}

/* --- ports --- */

static bool is_any(const char *address)
{
    return !strcmp(address, "0.0.0.0") || !strcmp(address, "::");
}

/* Where published ports and Lodge's own share an address, Lodge's come first. */
static bool is_ours(const struct lg_conf *c, const struct lg_port *p)
{
    const char *a = c->publish_address, *b = c->listen_address;
    long n = p->host_port;
    bool same = !strcmp(a, b) || is_any(a) || is_any(b), loopback = !strcmp(a, "127.0.0.1") || is_any(a);
    char text[16];
    if (strcmp(p->protocol, "tcp"))
        return false;
    snprintf(text, sizeof text, "%ld", n);
    if (loopback && c->compat_listeners && (listed(c->compat_ports, text) || listed(c->repl_ports, text)))
        return true;
    return (same && (n == c->https_port || n == SSH_PORT)) || ((same || loopback) && n == c->http_port);
}

static int parse_port(const struct lg_conf *c, const char *text, struct lg_instance *in, struct lg_err *e)
{
    struct lg_port *p = &in->ports[in->port_count];
    int rc = lg_parse_port("config.ports", text, p, e);
    if (rc)
        return rc;
    for (int i = 0; i < in->port_count; i++)
        if (in->ports[i].host_port == p->host_port && !strcmp(in->ports[i].protocol, p->protocol))
            return lg_invalid(e, "config.ports", "names a host port twice");
    if (is_ours(c, p)) {
        lg_fail(e, LG_CONFLICT, "host port %d is Lodge's own", p->host_port);
        return lg_err_detail(e, "field", "config.ports");
    }
    in->port_count++;
    return 0;
}

static int parse_ports(const struct lg_conf *c, const json_t *list, struct lg_instance *in, struct lg_err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        rc = parse_port(c, json_string_value(json_array_get(list, i)), in, e);
    return rc;
}

/* --- labels --- */

static bool has_label(const struct lg_instance *in, const char *key)
{
    for (int i = 0; i < in->label_count; i++)
        if (!strcmp(in->labels[i].key, key))
            return true;
    return false;
}

int lg_labels_parse(const json_t *map, const char *where, struct lg_instance *in, struct lg_err *e)
{
    const char *key;
    json_t *v;
    if (map && !json_is_object(map))
        return lg_invalid(e, where, "must be an object of strings");
    if (!in->labels && !(in->labels = calloc(LG_LABELS_MAX, sizeof *in->labels)))
        return lg_fail(e, LG_INTERNAL, "out of memory");
    json_object_foreach((json_t *)(uintptr_t)map, key, v)
    {
        if (!json_is_string(v))
            return lg_invalid(e, where, "must be an object of strings");
        int rc = lg_check_label(where, key, json_string_value(v), e);
        if (rc)
            return rc;
        if (has_label(in, key))
            return lg_invalid(e, where, "names a label twice");
        if (in->label_count == LG_LABELS_MAX)
            return lg_invalid(e, where, "has too many labels");
        struct lg_label *l = &in->labels[in->label_count++];
        snprintf(l->key, sizeof l->key, "%s", key);
        snprintf(l->value, sizeof l->value, "%s", json_string_value(v));
    }
    return 0;
}

const struct lg_field lg_metadata_fields[] = {{.name = "labels", .type = LG_T_OBJECT}, {0}};

const struct lg_body lg_create_body[] = {{.where = "", .fields = body_fields},
                                         {.where = "config.", .fields = config_fields},
                                         {.where = "config.cloudInit.", .fields = lg_cloud_init_fields},
                                         {.where = "metadata.", .fields = lg_metadata_fields},
                                         LG_RESOURCES_BODY,
                                         {.where = NULL}};

/* --- config --- */

static int check_config(const struct config *c, struct lg_err *e)
{
    if (c->restart && !lg_restart_policy_valid(c->restart))
        return lg_invalid(e, "config.restartPolicy", "must be no, always, on-failure or unless-stopped");
    return 0;
}

static void write_strings(struct lg_json *j, const char *key, const json_t *list)
{
    lg_json_arr(j, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        lg_json_strn(j, NULL, json_string_value(s), json_string_length(s));
    }
    lg_json_end_arr(j);
}

/* What is stored: always all of these members. */
static char *stored_config(const struct config *c)
{
    struct lg_buf b = {0};
    struct lg_json j;
    lg_json_init(&j, &b);
    lg_json_obj(&j, NULL);
    write_strings(&j, "command", c->command);
    write_strings(&j, "ports", c->ports);
    lg_json_str(&j, "networkMode", c->network_mode ? c->network_mode : "bridge");
    lg_json_str(&j, "restartPolicy", c->restart ? c->restart : "no");
    write_strings(&j, "volumes", c->volumes);
    lg_json_end_obj(&j);
    return lg_buf_take(&b);
}

/* What `c` says, checked, into `in`. */
static int take_config(struct lg_req *q, const struct config *c, struct lg_instance *in, struct lg_err *e)
{
    int rc = c->image ? lg_check_image_ref("config.image", c->image, e) : 0;
    if (rc || (rc = check_config(c, e)))
        return rc;
    snprintf(in->image, sizeof in->image, "%s", c->image ? c->image : "");
    if (!strcmp(in->type, "vm"))
        return (rc = lg_create_vm_config(q, &c->vm, in, e)) || (rc = lg_mounts_parse(q, c->volumes, in, e))
                   ? rc
                   : lg_networks_parse(lg_vm_own_network(q, &c->vm), c->networks, in, e);
    in->env = calloc(LG_ENV_MAX, sizeof *in->env);
    in->ports = calloc(LG_PORTS_MAX, sizeof *in->ports);
    in->config = stored_config(c);
    if (!in->env || !in->ports || !in->config)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    if ((rc = parse_env(c->env, "config.env", false, in, e)) ||
        (rc = parse_env(c->secret_env, "config.secretEnv", true, in, e)))
        return rc;
    rc = parse_ports(&q->app->conf, c->ports, in, e);
    if (!rc)
        rc = lg_mounts_parse(q, c->volumes, in, e);
    return rc ? rc : lg_networks_parse(c->network_mode, c->networks, in, e);
}

static int parse_config(struct lg_req *q, const json_t *obj, struct lg_instance *in, struct lg_err *e)
{
    struct config c = {0};
    const char *member;
    json_t *v;
    int rc = obj ? lg_body_fields(obj, config_fields, true, "config.", &c, e) : 0;
    if (!rc)
        json_object_foreach((json_t *)(uintptr_t)obj, member, v)
        {
            if (!json_is_null(v) && (rc = lg_check_config_member(member, in->type, e)))
                return rc;
        }
    return rc ? rc : take_config(q, &c, in, e);
}

/* metadata holds labels and nothing else; they may also stand at the top. */
static int parse_labels(const struct body *b, struct lg_instance *in, struct lg_err *e)
{
    json_t *labels = NULL;
    int rc = b->metadata ? lg_body_fields(b->metadata, lg_metadata_fields, true, "metadata.", &labels, e) : 0;
    if (!rc)
        rc = lg_labels_parse(labels, "metadata.labels", in, e);
    return rc ? rc : lg_labels_parse(b->labels, "labels", in, e);
}

/* Of one that names none. What a VM gets of memory and disk, its image decides. */
static void usual_size(const struct lg_conf *c, struct lg_instance *in)
{
    bool vm = !strcmp(in->type, "vm");
    in->cpu_millis = vm ? 1000 : c->default_cpu_millis;
    in->memory_bytes = vm ? 0 : (int64_t)c->default_memory_mib << 20;
}

/* A flavor's size, and what is named beside it. */
static int take_size(struct lg_req *q, const struct body *b, struct lg_instance *in, struct lg_err *e)
{
    struct lg_resources res;
    int rc = lg_resources_parse(b->resources, &res, e);
    usual_size(&q->app->conf, in);
    if (!rc && b->flavor)
        rc = lg_create_flavor(q, b->flavor, in, e);
    if (res.cpu_millis > 0)
        in->cpu_millis = res.cpu_millis;
    if (res.memory_bytes > 0)
        in->memory_bytes = res.memory_bytes;
    if (res.storage_bytes > 0)
        in->storage_bytes = res.storage_bytes;
    return rc;
}

int lg_create_plain(struct lg_req *q, const char *name, const char *type, const char *image,
                    struct lg_instance *in, struct lg_err *e)
{
    const struct body b = {.type = type};
    const struct config c = {.image = image};
    int rc = lg_check_name("name", name, e);
    if (rc || (rc = parse_backend(&b, in, e)) || (rc = lg_backend_check(q, in->backend, e)) ||
        (rc = take_config(q, &c, in, e)))
        return rc;
    snprintf(in->name, sizeof in->name, "%s", name);
    memcpy(in->owner_id, q->who.user_id, sizeof in->owner_id);
    usual_size(&q->app->conf, in);
    return 0;
}

int lg_create_parse(struct lg_req *q, struct lg_instance *in, bool *start, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, body_fields, true, "", &b, e)) ||
        (rc = lg_check_name("name", b.name, e)) || (rc = parse_backend(&b, in, e)) ||
        (rc = lg_backend_check(q, in->backend, e)) || (rc = parse_config(q, b.config, in, e)) ||
        (rc = take_size(q, &b, in, e)) || (rc = parse_labels(&b, in, e)))
        return rc;
    snprintf(in->name, sizeof in->name, "%s", b.name);
    memcpy(in->tenant_id, q->who.tenant_id, sizeof in->tenant_id);
    memcpy(in->owner_id, q->who.user_id, sizeof in->owner_id);
    *start = !b.start.set || b.start.v;
    return 0;
}

/* --- image --- */

/* Not in the catalogue. A plain name can only be meant for it; anything more is a reference that the engine
 * fetches. */
static int resolve_reference(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    const char *registries = q->app->conf.image_registries;
    int rc = -(int)LG_NOT_FOUND;
    bool reference = strcmp(in->type, "vm") && strpbrk(in->image, "/:@");
    bool allowed = q->who.admin || lg_image_ref_allowed(in->image, registries);
    if (reference && allowed)
        rc = lg_image_ref_full(in->image, in->image_ref, sizeof in->image_ref, e);
    if (!rc)
        return 0;
    if (reference && !allowed && *registries) {
        lg_fail(e, LG_NOT_FOUND,
                "there is no container image called %s, and images may be fetched from %.300s alone",
                in->image, registries);
        return lg_err_detail(e, "field", "config.image");
    }
    lg_fail(e, LG_NOT_FOUND, "there is no %s image called %s; %s it first", in->type, in->image,
            strcmp(in->type, "vm") ? "pull or upload" : "upload or fetch");
    return lg_err_detail(e, "field", "config.image");
}

/* Where a tenant's storage is limited no container goes without a limit of its own: what it may fill is
 * counted. */
static int usual_storage(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    struct lg_quota quota;
    int rc = in->storage_bytes ? 0 : lg_quota_get(q->db, in->tenant_id, &quota, e);
    if (!rc && !in->storage_bytes && quota.limit.storage_bytes >= 0)
        in->storage_bytes = (int64_t)q->app->conf.default_storage_mib << 20;
    return rc;
}

static int admit_to_tenant(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    int rc = usual_storage(q, in, e);
    if (rc)
        return rc;
    const struct lg_amounts more = {.instances = 1,
                                    .cpu_millis = in->cpu_millis,
                                    .memory_bytes = in->memory_bytes,
                                    .storage_bytes = in->storage_bytes};
    return lg_quota_admit(q->db, in->tenant_id, &more, e);
}

int lg_create_resolve(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    struct lg_image im;
    int rc = lg_image_resolve(q->db, in->tenant_id, in->image, in->type, &im, e);
    if (rc == -(int)LG_NOT_FOUND && *in->image)
        rc = resolve_reference(q, in, e);
    else if (rc)
        return lg_err_detail(e, "field", "config.image");
    else if (!strcmp(im.state, "error"))
        return lg_fail(e, LG_STATE, "the image %s cannot be used: %s", im.name, im.error);
    else {
        memcpy(in->image_id, im.id, sizeof in->image_id);
        snprintf(in->image_ref, sizeof in->image_ref, "%s", im.reference);
        if (!*in->image)
            snprintf(in->image, sizeof in->image, "%s", im.name);
        if (in->vm)
            rc = lg_create_vm_fits(q, in, &im, e);
    }
    if (!rc)
        rc = lg_admit(q, "", in->cpu_millis, in->memory_bytes, e);
    return rc ? rc : admit_to_tenant(q, in, e);
}
