#include "driver/container/spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "driver/container/quirks.h"

/* What a web server needs to bind port 80, drop its privileges and own its files. No raw sockets, devices,
 * chroot. */
static const char *const capabilities[] = {
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", NULL};

void lg_spec_limits(const struct lg_inst_spec *s, char out[LG_LIMITS_LEN])
{
    snprintf(out, LG_LIMITS_LEN, "%" PRId64 "/%" PRId64 "/%" PRId64, s->memory_bytes, s->cpu_millis,
             s->pids_limit);
}

static void labels(struct lg_json *j, const struct lg_engine *g, const struct lg_inst_spec *s,
                   const char *digest)
{
    char limits[LG_LIMITS_LEN];
    lg_spec_limits(s, limits);
    lg_json_obj(j, "Labels");
    lg_json_str(j, LG_LABEL_SITE, g->ctx.site);
    lg_json_str(j, LG_LABEL_INSTANCE, s->id);
    lg_json_str(j, LG_LABEL_NET, s->net.name);
    lg_json_str(j, LG_LABEL_LIMITS, limits);
    lg_json_str(j, LG_LABEL_SPEC, digest);
    lg_json_end_obj(j);
}

static void port_key(const struct lg_port_spec *p, char out[16])
{
    snprintf(out, 16, "%u/%s", p->instance_port, strcmp(p->protocol, "udp") ? "tcp" : "udp");
}

/* Is there an earlier entry of the same instance port? One port can be published more than once. */
static bool seen_before(const struct lg_inst_spec *s, int i)
{
    char a[16], b[16];
    port_key(&s->ports[i], a);
    for (int k = 0; k < i; k++) {
        port_key(&s->ports[k], b);
        if (!strcmp(a, b))
            return true;
    }
    return false;
}

static void bindings(struct lg_json *j, const struct lg_engine *g, const struct lg_inst_spec *s)
{
    lg_json_obj(j, "PortBindings");
    for (int i = 0; i < s->port_count; i++) {
        char key[16], other[16], host[8];
        if (seen_before(s, i))
            continue;
        port_key(&s->ports[i], key);
        lg_json_arr(j, key);
        for (int k = i; k < s->port_count; k++) {
            port_key(&s->ports[k], other);
            if (strcmp(key, other) != 0)
                continue;
            snprintf(host, sizeof host, "%u", s->ports[k].host_port);
            lg_json_obj(j, NULL);
            lg_json_str(j, "HostIp", g->ctx.conf->publish_address);
            lg_json_str(j, "HostPort", host);
            lg_json_end_obj(j);
        }
        lg_json_end_arr(j);
    }
    lg_json_end_obj(j);
}

static void exposed(struct lg_json *j, const struct lg_inst_spec *s)
{
    lg_json_obj(j, "ExposedPorts");
    for (int i = 0; i < s->port_count; i++) {
        char key[16];
        if (seen_before(s, i))
            continue;
        port_key(&s->ports[i], key);
        lg_json_obj(j, key);
        lg_json_end_obj(j);
    }
    lg_json_end_obj(j);
}

/* As mounts, not binds: an engine makes a missing source of the latter, and a container would then fill the
 * host's disk. */
static void mounts(struct lg_json *j, const struct lg_inst_spec *s)
{
    if (!s->volume_count)
        return;
    lg_json_arr(j, "Mounts");
    for (int i = 0; i < s->volume_count; i++) {
        const struct lg_volume_spec *v = &s->volumes[i];
        if (v->block)
            continue;
        lg_json_obj(j, NULL);
        lg_json_str(j, "Type", "bind");
        lg_json_str(j, "Source", v->source);
        lg_json_str(j, "Target", v->target);
        lg_json_bool(j, "ReadOnly", v->read_only);
        lg_json_obj(j, "BindOptions");
        lg_json_str(j, "Propagation", "rprivate");
        lg_json_end_obj(j);
        lg_json_end_obj(j);
    }
    lg_json_end_arr(j);
}

/* Swap is never given: a limit without swap is memory equal to memory plus swap. */
static void host_config(struct lg_json *j, const struct lg_engine *g, const struct lg_inst_spec *s)
{
    static const char *const all[] = {"ALL", NULL}, *const hardened[] = {"no-new-privileges", NULL};
    lg_json_obj(j, "HostConfig");
    lg_json_str(j, "NetworkMode", s->no_network ? "none" : s->net.name);
    if (!s->no_network)
        bindings(j, g, s);
    mounts(j, s);
    lg_json_obj(j, "RestartPolicy");
    lg_json_str(j, "Name", lg_quirk_restart(g, s->restart));
    lg_json_end_obj(j);
    if (s->memory_bytes) {
        lg_json_int(j, "Memory", s->memory_bytes);
        lg_json_int(j, "MemorySwap", s->memory_bytes);
    }
    if (s->cpu_millis)
        lg_json_int(j, "NanoCpus", lg_quirk_nano_cpus(s->cpu_millis));
    if (s->pids_limit)
        lg_json_int(j, "PidsLimit", s->pids_limit);
    if (s->layer_bytes && g->layers == LG_LAYERS_HARD) {
        char size[24];
        snprintf(size, sizeof size, "%" PRId64, s->layer_bytes);
        lg_json_obj(j, "StorageOpt");
        lg_json_str(j, "size", size);
        lg_json_end_obj(j);
    }
    lg_json_strings(j, "CapDrop", all);
    lg_json_strings(j, "CapAdd", capabilities);
    lg_json_strings(j, "SecurityOpt", hardened);
    lg_quirk_host_config(g, j);
    lg_json_end_obj(j);
}

static void network(struct lg_json *j, const struct lg_inst_spec *s)
{
    const char *const alias[] = {s->name, NULL};
    lg_json_obj(j, "NetworkingConfig");
    lg_json_obj(j, "EndpointsConfig");
    lg_json_obj(j, s->net.name);
    lg_json_strings(j, "Aliases", alias);
    if (s->mac)
        lg_json_str(j, "MacAddress", s->mac);
    lg_json_obj(j, "IPAMConfig");
    lg_json_str(j, "IPv4Address", s->address);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
    lg_json_end_obj(j);
}

static void write_body(const struct lg_engine *g, const struct lg_inst_spec *s, const char *digest,
                       struct lg_buf *out)
{
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "Image", s->image);
    lg_json_str(&j, "Hostname", s->name);
    if (s->command && *s->command)
        lg_json_strings(&j, "Cmd", s->command);
    lg_json_strings(&j, "Env", s->env);
    labels(&j, g, s, digest);
    exposed(&j, s);
    host_config(&j, g, s);
    if (!s->no_network) {
        lg_quirk_mac(g, &j, s->mac);
        network(&j, s);
    }
    lg_json_end_obj(&j);
}

void lg_spec_body(const struct lg_engine *g, const struct lg_inst_spec *s, struct lg_buf *out,
                  char digest[LG_SPEC_DIGEST_LEN])
{
    static const struct lg_key fixed = {{0}}; /* a fingerprint, not a secret */
    uint8_t sum[LG_DIGEST_BYTES];
    lg_cleanup_buf struct lg_buf plain = {0};
    write_body(g, s, "", &plain);
    lg_digest(&fixed, lg_buf_cstr(&plain), plain.len, sum);
    lg_hex(sum, (LG_SPEC_DIGEST_LEN - 1) / 2, digest);
    write_body(g, s, digest, out);
}
