/*
 * What a virtual machine should be, from its `config`: {"diskFormat","cloudInit":{"userData","metaData"},
 * "sshKeys":[…],"login","vcpusMax","memoryMaxMiB","firmware":"bios"|"uefi","tpm","gpu"}. The API has checked
 * it; a missing member is the default.
 */
#include "job/job.h"

#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* metaData may be text that is JSON, or an object; the driver takes text. The text lives in s->config. */
static const char *meta_data(json_t *cloud_init)
{
    json_t *m = json_object_get(cloud_init, "metaData");
    if (!json_is_object(m))
        return json_string_value(m);
    char *dump = json_dumps(m, JSON_COMPACT);
    if (!dump)
        abort();
    json_object_set_new(cloud_init, "metaData", json_string(dump));
    free(dump);
    return text(cloud_init, "metaData");
}

static const char **ssh_keys(const json_t *list)
{
    size_t n = json_array_size(list), kept = 0;
    const char **keys = calloc(n + 1, sizeof *keys);
    if (!keys)
        abort();
    for (size_t i = 0; i < n; i++)
        if (json_is_string(json_array_get(list, i)))
            keys[kept++] = json_string_value(json_array_get(list, i));
    return keys;
}

int lg_spec_make_vm(struct lg_spec *s, const struct lg_instance *in, struct lg_err *e)
{
    (void)e;
    json_t *cloud_init = json_object_get(s->config, "cloudInit");
    const char *firmware = text(s->config, "firmware");
    s->ssh_keys = ssh_keys(json_object_get(s->config, "sshKeys"));
    s->vm = (struct lg_vm_spec){.vcpus_max = (int)number(s->config, "vcpusMax"),
                                .memory_max_bytes = number(s->config, "memoryMaxMiB") << 20,
                                .disk_bytes = in->storage_bytes,
                                .disk_format = text(s->config, "diskFormat"),
                                .user_data = text(cloud_init, "userData"),
                                .meta_data = meta_data(cloud_init),
                                .ssh_keys = s->ssh_keys,
                                .login = text(s->config, "login"),
                                .uefi = firmware && !strcmp(firmware, "uefi"),
                                .tpm = json_is_true(json_object_get(s->config, "tpm")),
                                .gpu = text(s->config, "gpu")};
    s->inst.vm = &s->vm;
    return 0;
}
