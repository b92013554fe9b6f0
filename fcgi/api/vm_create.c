/* What a create says of a virtual machine alone: config, flavor, and what its image asks for. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/gpu.h"
#include "api/vm.h"
#include "api/yaml.h"
#include "base/json.h"
#include "base/id.h"
#include "http/body.h"
#include "model/cidr.h"
#include "model/ssh_key.h"
#include "store/flavor.h"
#include "store/ssh_key.h"

#define MEMORY_GROWS      2         /* times what it begins with, without a restart */
#define NETWORK_OF_TENANT "default" /* every tenant's first network, also under its slug */

/* --- config --- */

struct cloud_init {
    const char *user_data, *meta_data;
    char *meta_json; /* ours to free: what the guest is given of meta_data, our own keys apart */
};

const struct lg_field lg_cloud_init_fields[] = {{.name = "userData",
                                                 .type = LG_T_TEXT,
                                                 .max = LG_USER_DATA_MAX,
                                                 .offset = offsetof(struct cloud_init, user_data)},
                                                {.name = "metaData",
                                                 .type = LG_T_TEXT,
                                                 .max = LG_META_DATA_MAX,
                                                 .offset = offsetof(struct cloud_init, meta_data)},
                                                {0}};

static int parse_cloud_init(const struct lg_vm_config *c, struct cloud_init *ci, struct lg_err *e)
{
    int rc = c->cloud_init
                 ? lg_body_fields(c->cloud_init, lg_cloud_init_fields, true, "config.cloudInit.", ci, e)
                 : 0;
    if (!rc && ci->user_data && *ci->user_data)
        rc = lg_check_user_data("config.cloudInit.userData", ci->user_data, e);
    if (rc || !ci->meta_data || !*ci->meta_data)
        return rc;
    lg_cleanup_json json_t *map = lg_yaml_map(ci->meta_data, "config.cloudInit.metaData", e);
    if (!map)
        return -(int)e->code;
    ci->meta_json = json_dumps(map, JSON_COMPACT);
    return ci->meta_json ? 0 : lg_fail(e, LG_INTERNAL, "out of memory");
}

const char *lg_vm_own_network(const struct lg_req *q, const struct lg_vm_config *c)
{
    const char *source = c->network_source;
    bool first = !source || !strcmp(source, NETWORK_OF_TENANT) || !strcmp(source, q->who.tenant_slug);
    return first ? NULL : source;
}

/* Whether the tenant has a network of that name is found out in the transaction that puts a card on it. */
static int check_network(const struct lg_req *q, const struct lg_vm_config *c, struct lg_err *e)
{
    const char *own = lg_vm_own_network(q, c);
    int rc = c->network_type ? lg_check_network_type("config.networkType", c->network_type, e) : 0;
    bool word = own && (!strcmp(own, "bridge") || !strcmp(own, "none") || !strcmp(own, "host"));
    if (rc || !own || lg_id_valid(own) ||
        (!word && !lg_check_network_name("config.networkSource", own, NULL)))
        return rc;
    return lg_invalid(
        e, "config.networkSource",
        "must be default (the tenant's first network) or the name of one of the tenant's networks");
}

/* Each in its plain form, once. */
static int add_key(json_t *keys, const char *text, struct lg_err *e)
{
    struct lg_ssh_key k;
    json_t *v;
    size_t i;
    int rc = lg_ssh_key_parse(text, &k, e);
    if (rc)
        return rc;
    json_array_foreach(keys, i, v) if (!strcmp(json_string_value(v), k.text)) return 0;
    json_array_append_new(keys, json_string(k.text));
    return 0;
}

static int parse_keys(const json_t *list, json_t *keys, struct lg_err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (add_key(keys, json_string_value(json_array_get(list, i)), e)) {
            struct lg_err why = *e;
            lg_fail(e, LG_INVALID, "config.sshKeys: %.400s", why.msg);
            return lg_err_detail(e, "field", "config.sshKeys");
        }
    return 0;
}

static char *stored_config(const struct lg_vm_config *c, const struct cloud_init *ci, json_t *keys)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:{s:I, s:I}, s:O, s:s, s:b}", "diskFormat",
                          c->disk_format ? c->disk_format : "qcow2", "networkType", "bridge", "networkSource",
                          c->network_source ? c->network_source : NETWORK_OF_TENANT, "cloudInit",
                          "userDataBytes", (json_int_t)(ci->user_data ? strlen(ci->user_data) : 0),
                          "metaDataBytes", (json_int_t)(ci->meta_data ? strlen(ci->meta_data) : 0), "sshKeys",
                          keys, "firmware", c->firmware ? c->firmware : "bios", "tpm", (int)c->tpm.v);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

static char *kept(const char *text)
{
    return text && *text ? strdup(text) : NULL;
}

int lg_create_vm_config(const struct lg_req *q, const struct lg_vm_config *c, struct lg_instance *in,
                        struct lg_err *e)
{
    struct cloud_init ci = {0};
    lg_cleanup_json json_t *keys = json_array();
    int rc = c->disk_format ? lg_check_disk_format("config.diskFormat", c->disk_format, e) : 0;
    if (!rc && c->firmware)
        rc = lg_check_firmware("config.firmware", c->firmware, e);
    if (rc || (rc = check_network(q, c, e)) || (rc = parse_keys(c->ssh_keys, keys, e)) ||
        (rc = parse_cloud_init(c, &ci, e)))
        return rc;
    in->config = stored_config(c, &ci, keys);
    in->vm = calloc(1, sizeof *in->vm);
    if (!in->config || !in->vm) {
        free(ci.meta_json);
        return lg_fail(e, LG_INTERNAL, "out of memory");
    }
    in->vm->user_data = kept(ci.user_data);
    in->vm->meta_data = ci.meta_json;
    return 0;
}

/* --- sizes by name --- */

int lg_create_flavor(struct lg_req *q, const char *name, struct lg_instance *in, struct lg_err *e)
{
    struct lg_flavor f;
    int rc = lg_flavor_get(q->db, name, &f, e);
    if (rc < 0)
        return rc;
    if (!rc) {
        lg_fail(e, LG_INVALID, "Invalid flavor");
        return lg_err_detail(e, "field", "flavor");
    }
    if ((rc = lg_gpu_check(&q->app->conf, &f, in->type, e)))
        return rc;
    snprintf(in->flavor, sizeof in->flavor, "%s", f.name);
    in->cpu_millis = f.vcpus * 1000;
    in->memory_bytes = f.memory_bytes;
    in->storage_bytes = f.disk_bytes;
    return 0;
}

/* --- what its image asks for --- */

static int too_small(struct lg_err *e, const char *field, const struct lg_image *im, int64_t least,
                     int64_t got)
{
    lg_fail(e, LG_INVALID, "%s is %lld bytes, but the image %s needs at least %lld", field, (long long)got,
            im->name, (long long)least);
    lg_err_detail(e, "field", "%s", field);
    return lg_err_detail(e, "minimum", "%lld", (long long)least);
}

static void take_key(void *arg, const struct lg_ssh_key_row *k)
{
    add_key(arg, k->public_key, NULL); /* they were checked when they came */
}

/* How far it grows without a restart. QEMU asks the kernel for all of that at once, which is refused beyond
 * the host's memory. */
static json_int_t memory_max_mib(int64_t bytes)
{
    int64_t most = lg_host_memory_bytes() / 10 * 9,
            max = bytes * MEMORY_GROWS < most ? bytes * MEMORY_GROWS : most;
    return (max > bytes ? max : bytes) >> 20;
}

/*
 * What the runner reads of it: its owner's keys as of now, the image's login, how far it may grow without a
 * restart, the GPU of its flavor.
 */
static int complete_config(struct lg_req *q, struct lg_instance *in, const struct lg_image *im,
                           struct lg_err *e)
{
    lg_cleanup_json json_t *c = lg_json_parse(in->config, strlen(in->config), 16, e);
    struct lg_flavor f = {0};
    char gpu[LG_GPU_LEN] = "";
    long cores = sysconf(_SC_NPROCESSORS_ONLN), own = (long)((in->cpu_millis + 999) / 1000);
    int rc = !c ? -(int)LG_INTERNAL
             : *in->owner_id
                 ? lg_ssh_key_each(q->db, in->owner_id, take_key, json_object_get(c, "sshKeys"), e)
                 : 0;
    if (rc >= 0 && *in->flavor)
        rc = lg_flavor_get(q->db, in->flavor, &f, e);
    if (rc >= 0 && f.gpus)
        rc = lg_gpu_take(q->db, &q->app->conf, gpu, e);
    if (rc < 0)
        return rc;
    if (*gpu)
        json_object_set_new(c, "gpu", json_string(gpu));
    if (*im->vm.default_user)
        json_object_set_new(c, "login", json_string(im->vm.default_user));
    json_object_set_new(c, "vcpusMax", json_integer(own > cores ? own : cores));
    json_object_set_new(c, "memoryMaxMiB", json_integer(memory_max_mib(in->memory_bytes)));
    char *text = json_dumps(c, JSON_COMPACT);
    if (!text)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    free(in->config);
    in->config = text;
    return 0;
}

int lg_create_vm_fits(struct lg_req *q, struct lg_instance *in, const struct lg_image *im, struct lg_err *e)
{
    int64_t memory = im->vm.min_memory_bytes > LG_VM_MEMORY_MIN ? im->vm.min_memory_bytes : LG_VM_MEMORY_MIN;
    int64_t disk = lg_image_min_disk(im);
    if (strcmp(im->state, "ready"))
        return lg_fail(e, LG_STATE, "the image %s is not ready yet", im->name);
    if (!in->memory_bytes) {
        int64_t usual = (int64_t)q->app->conf.default_memory_mib << 20;
        in->memory_bytes = usual > memory ? usual : memory;
    }
    if (!in->storage_bytes)
        in->storage_bytes = disk > LG_VM_DISK_DEFAULT ? disk : LG_VM_DISK_DEFAULT;
    if (in->memory_bytes < memory)
        return too_small(e, "resources.memory.limit", im, memory, in->memory_bytes);
    if (in->storage_bytes < disk)
        return too_small(e, "resources.storage.totalSpace", im, disk, in->storage_bytes);
    return complete_config(q, in, im, e);
}
