/*
 * What a virtual machine should be, from its `config`: {"diskFormat","sshKeys":[…],"login","vcpusMax",
 * "memoryMaxMiB","firmware":"bios"|"uefi","tpm","gpu"}. The API has checked it; a missing member is the
 * default. Cloud-init's texts are kept apart and sealed (store/vm.h).
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
    const char *firmware = text(s->config, "firmware");
    s->ssh_keys = ssh_keys(json_object_get(s->config, "sshKeys"));
    s->vm = (struct lg_vm_spec){.vcpus_max = (int)number(s->config, "vcpusMax"),
                                .memory_max_bytes = number(s->config, "memoryMaxMiB") << 20,
                                .disk_bytes = in->storage_bytes,
                                .disk_format = text(s->config, "diskFormat"),
                                .user_data = in->vm ? in->vm->user_data : NULL,
                                .meta_data = in->vm ? in->vm->meta_data : NULL,
                                .ssh_keys = s->ssh_keys,
                                .login = text(s->config, "login"),
                                .uefi = firmware && !strcmp(firmware, "uefi"),
                                .tpm = json_is_true(json_object_get(s->config, "tpm")),
                                .gpu = text(s->config, "gpu")};
    s->inst.vm = &s->vm;
    return 0;
}
