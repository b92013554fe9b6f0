#include "job/job.h"

#include "model/cidr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const restart_names[] = {[LG_RESTART_NO] = "no",
                                            [LG_RESTART_ON_FAILURE] = "on-failure",
                                            [LG_RESTART_ALWAYS] = "always",
                                            [LG_RESTART_UNLESS_STOPPED] = "unless-stopped"};

static enum lg_restart restart_of(const json_t *config)
{
    const char *s = json_string_value(json_object_get(config, "restartPolicy"));
    for (size_t i = 0; s && i < sizeof restart_names / sizeof restart_names[0]; i++)
        if (!strcmp(s, restart_names[i]))
            return (enum lg_restart)i;
    return LG_RESTART_NO;
}

static void *zeroed(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        abort();
    return p;
}

static void make_command(struct lg_spec *s)
{
    const json_t *a = json_object_get(s->config, "command");
    size_t n = json_array_size(a);
    s->command = zeroed(n + 1, sizeof *s->command);
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_array_get(a, i));
        s->command[i] = word ? word : "";
    }
}

static void make_env(struct lg_spec *s, const struct lg_instance *in)
{
    s->env = zeroed((size_t)in->env_count + 1, sizeof *s->env);
    for (int i = 0; i < in->env_count; i++)
        if (asprintf(&s->env[i], "%s=%s", in->env[i].name, in->env[i].value ? in->env[i].value : "") < 0)
            abort();
}

static void make_ports(struct lg_spec *s, const struct lg_instance *in)
{
    s->ports = zeroed((size_t)in->port_count, sizeof *s->ports);
    for (int i = 0; i < in->port_count; i++)
        s->ports[i] = (struct lg_port_spec){.host_port = (uint16_t)in->ports[i].host_port,
                                            .instance_port = (uint16_t)in->ports[i].instance_port,
                                            .protocol = in->ports[i].protocol};
}

/* What is attached, but for what is on its way out. A driver leaves aside what its kind of instance cannot
 * have. */
static int make_volumes(struct lg_spec *s, const struct lg_conf *c, const struct lg_instance *in)
{
    int n = 0;
    s->volumes = zeroed((size_t)in->attachment_count, sizeof *s->volumes);
    s->sources = zeroed((size_t)in->attachment_count, sizeof *s->sources);
    for (int i = 0; i < in->attachment_count; i++) {
        const struct lg_attachment *a = &in->attachments[i];
        bool block = !strcmp(a->volume_kind, "block");
        if (a->detaching || (!*a->volume_id && !*a->host_path))
            continue;
        if (block)
            lg_volume_file(c, a->volume_id, true, s->sources[n]);
        else
            lg_place_path(c, in->id, a->number, s->sources[n]);
        s->volumes[n] = (struct lg_volume_spec){.id = a->volume_id,
                                                .block = block,
                                                .source = s->sources[n],
                                                .target = a->path,
                                                .read_only = a->read_only};
        n++;
    }
    return n;
}

static int make_nics(struct lg_spec *s, const char *site, const struct lg_instance *in)
{
    int n = 0;
    s->nics = zeroed((size_t)in->nic_count, sizeof *s->nics);
    s->nic_names = zeroed((size_t)in->nic_count, sizeof *s->nic_names);
    for (int i = 0; i < in->nic_count; i++) {
        const struct lg_nic *c = &in->nics[i];
        struct lg_nic_names *at = &s->nic_names[n];
        if (c->detaching)
            continue;
        lg_own_bridge(site, c->network_number, at->bridge);
        lg_own_nic(site, c->seq, at->name, at->mac);
        s->nics[n++] = (struct lg_nic_spec){
            .bridge = at->bridge, .mac = at->mac, .address = c->address, .prefix = c->prefix};
    }
    return n;
}

static bool no_network(const json_t *config)
{
    const char *mode = json_string_value(json_object_get(config, "networkMode"));
    return mode && !strcmp(mode, "none");
}

struct lg_net_spec lg_net_spec_of(const struct lg_net *net)
{
    return (struct lg_net_spec){
        .name = net->name, .bridge = net->bridge, .subnet = net->subnet, .gateway = net->gateway};
}

int lg_spec_make(struct lg_spec *s, const struct lg_runner *r, const struct lg_instance *in, struct lg_err *e)
{
    memset(s, 0, sizeof *s);
    int rc = lg_net_of(r->conf->subnet_pool, r->site, in->net_index, &s->net, e);
    if (rc)
        return rc;
    const char *config = in->config ? in->config : "{}";
    if (!(s->config = lg_json_parse(config, strlen(config), 16, e)))
        return -(int)LG_INVALID;
    lg_net_host(&s->net, in->host_number, s->address, s->mac);
    make_command(s);
    make_env(s, in);
    make_ports(s, in);
    int volumes = make_volumes(s, r->conf, in), nics = make_nics(s, r->site, in);
    s->inst = (struct lg_inst_spec){.id = in->id,
                                    .name = in->name,
                                    .image = in->image_ref,
                                    .command = s->command,
                                    .env = (const char *const *)s->env,
                                    .ports = s->ports,
                                    .port_count = in->port_count,
                                    .restart = restart_of(s->config),
                                    .cpu_millis = in->cpu_millis,
                                    .memory_bytes = in->memory_bytes,
                                    .pids_limit = r->conf->pids_limit,
                                    .layer_bytes = strcmp(in->type, "vm") ? in->storage_bytes : 0,
                                    .no_network = no_network(s->config),
                                    .net = lg_net_spec_of(&s->net),
                                    .address = s->address,
                                    .mac = s->mac,
                                    .volumes = s->volumes,
                                    .volume_count = volumes,
                                    .nics = s->nics,
                                    .nic_count = nics};
    return strcmp(in->type, "vm") ? 0 : lg_spec_make_vm(s, in, e);
}

void lg_spec_done(struct lg_spec *s)
{
    for (char **v = s->env; v && *v; v++) {
        explicit_bzero(*v, strlen(*v));
        free(*v);
    }
    free(s->env);
    free(s->command);
    free(s->ports);
    free(s->ssh_keys);
    free(s->nics);
    free(s->nic_names);
    free(s->volumes);
    free(s->sources);
    json_decref(s->config);
    memset(s, 0, sizeof *s);
}
