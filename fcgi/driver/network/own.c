#include "driver/network/own.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "driver/network/tools.h"

/* One table of each family for the site. `S4` and `S8`: the site's first characters. An input or output hook
 * never sees what a bridge passes between its members; the forward hook does where br_netfilter is on, with
 * the bridge on both sides. */
static const char rules[] =
    "add table inet lodge_S8x\n"
    "flush table inet lodge_S8x\n"
    "add chain inet lodge_S8x input { type filter hook input priority -10; policy accept; }\n"
    "add chain inet lodge_S8x output { type filter hook output priority -10; policy accept; }\n"
    "add chain inet lodge_S8x forward { type filter hook forward priority -10; policy accept; }\n"
    "add rule inet lodge_S8x input iifname \"lgS4x*\" drop\n"
    "add rule inet lodge_S8x output oifname \"lgS4x*\" drop\n"
    "add rule inet lodge_S8x forward iifname \"lgS4x*\" oifname != \"lgS4x*\" drop\n"
    "add rule inet lodge_S8x forward iifname != \"lgS4x*\" oifname \"lgS4x*\" drop\n"
    "add table arp lodge_S8x\n"
    "flush table arp lodge_S8x\n"
    "add chain arp lodge_S8x input { type filter hook input priority 0; policy accept; }\n"
    "add rule arp lodge_S8x input iifname \"lgS4x*\" drop\n";
static const char no_rules[] = "add table inet lodge_S8x\ndelete table inet lodge_S8x\n"
                               "add table arp lodge_S8x\ndelete table arp lodge_S8x\n";

static void fill(struct lg_buf *out, const char *text, const char *site)
{
    for (const char *p = text; *p; p++) {
        int n = p[0] == 'S' && (p[1] == '4' || p[1] == '8') ? p[1] - '0' : 0;
        if (n)
            lg_buf_fmt(out, "%.*s", n, site), p++;
        else
            lg_buf_char(out, *p);
    }
}

static int nft(const char *text, const char *site, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf script = {0};
    if (strlen(site) < 8 || strspn(site, "0123456789abcdef") < 8)
        return lg_fail(e, LG_INVALID, "the site's id is not a UUID");
    fill(&script, text, site);
    return lg_nft(&script, "nft", e);
}

/* A name of ours, made of what may stand in a script. */
static bool good_name(const char *s, char kind)
{
    size_t n = strlen(s);
    return n > 7 && n < 16 && !strncmp(s, "lg", 2) && s[6] == kind && strspn(s, "0123456789abcdefglxy") == n;
}

/* A whole number out of /sys/class/net/<name>/<what>; -1 when there is none. */
static long number_of(const char *name, const char *what)
{
    char path[96], text[32] = "";
    snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, what);
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    bool got = fgets(text, sizeof text, f);
    fclose(f);
    return got ? strtol(text, NULL, 0) : -1;
}

static bool is_up(const char *name)
{
    return number_of(name, "flags") > 0 && number_of(name, "flags") & 1;
}

int lg_own_network_ensure(const struct lg_driver_ctx *ctx, const char *bridge, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf script = {0};
    if (!good_name(bridge, 'x'))
        return lg_fail(e, LG_INVALID, "not a network's bridge");
    int rc = nft(rules, ctx->site, e);
    if (rc || is_up(bridge))
        return rc;
    lg_buf_fmt(&script,
               "link add %s type bridge mcast_snooping 0\nlink set %s addrgenmode none\nlink set %s up\n",
               bridge, bridge, bridge);
    lg_ip(&script, 0);
    return is_up(bridge) ? 0 : lg_fail(e, LG_BACKEND, "cannot set up the bridge %s on the host", bridge);
}

int lg_own_network_remove(const struct lg_driver_ctx *ctx, const char *bridge, bool last, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf script = {0};
    if (!good_name(bridge, 'x'))
        return lg_fail(e, LG_INVALID, "not a network's bridge");
    if (lg_link_exists(bridge)) {
        lg_buf_fmt(&script, "link del %s\n", bridge);
        lg_ip(&script, 0);
    }
    if (lg_link_exists(bridge))
        return lg_fail(e, LG_BACKEND, "cannot remove the bridge %s", bridge);
    return last ? nft(no_rules, ctx->site, e) : 0;
}

/* --- cards --- */

/* What `ip -j addr show dev eth<n>` says in the namespace: the device's number, 0 when it is not there, and
 * whether it is up with its address. */
static long card_there(int64_t pid, const struct lg_card *c, bool *good)
{
    char ns[64], name[16];
    snprintf(ns, sizeof ns, "--net=/proc/%" PRId64 "/ns/net", pid);
    snprintf(name, sizeof name, "eth%d", c->position);
    const char *const argv[] = {"nsenter", ns, "ip", "-j", "addr", "show", "dev", name, NULL};
    lg_cleanup_buf struct lg_buf out = {.max = 65536};
    *good = false;
    if (!lg_tool_ask(argv, &out))
        return 0;
    lg_cleanup_json json_t *all = json_loadb(lg_buf_cstr(&out), out.len, 0, NULL);
    const json_t *dev = json_array_get(all, 0), *a;
    size_t i;
    json_array_foreach(json_object_get(dev, "addr_info"), i, a)
    {
        const char *local = json_string_value(json_object_get(a, "local"));
        *good |= local && !strcmp(local, c->address) &&
                 json_integer_value(json_object_get(a, "prefixlen")) == c->prefix;
    }
    const json_t *flag;
    bool up = false;
    json_array_foreach(json_object_get(dev, "flags"), i, flag) up |= !strcmp(json_string_value(flag), "UP");
    *good &= up;
    return (long)json_integer_value(json_object_get(dev, "ifindex"));
}

/* The host's end is on its bridge, and the other end is the device of that name in this namespace. */
static bool complete(int64_t pid, const struct lg_card *c)
{
    char path[96];
    bool good;
    snprintf(path, sizeof path, "/sys/class/net/%s/brif/%s", c->bridge, c->host_name);
    long there = access(path, F_OK) || !is_up(c->host_name) ? 0 : card_there(pid, c, &good);
    return there > 0 && good && number_of(c->host_name, "iflink") == there;
}

static int make_card(int64_t pid, const struct lg_card *c, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf host = {0}, inside = {0};
    lg_buf_fmt(&host, "link del %s\n", c->host_name); /* of a life before */
    lg_buf_fmt(&host, "link add %s type veth peer name eth%d address %s netns %" PRId64 "\n", c->host_name,
               c->position, c->mac, pid);
    lg_buf_fmt(&host, "link set %s addrgenmode none\nlink set %s master %s\nlink set %s up\n", c->host_name,
               c->host_name, c->bridge, c->host_name);
    lg_buf_fmt(&inside, "addr add %s/%d brd + dev eth%d\nlink set eth%d up\n", c->address, c->prefix,
               c->position, c->position);
    lg_ip(&host, 0);
    lg_ip(&inside, pid);
    return complete(pid, c) ? 0
                            : lg_fail(e, LG_BACKEND, "cannot give the instance its card eth%d on %s",
                                      c->position, c->bridge);
}

/* A namespace of its own: the host's is never changed by what a database says. */
static bool has_own_network(int64_t pid)
{
    char path[64];
    struct stat its, own;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/ns/net", pid);
    return pid > 1 && !stat(path, &its) && !stat("/proc/self/ns/net", &own) &&
           (its.st_ino != own.st_ino || its.st_dev != own.st_dev);
}

int lg_cards_sync(int64_t pid, const struct lg_card *cards, int n, struct lg_err *e)
{
    int rc = 0;
    bool own = has_own_network(pid);
    for (int i = 0; !rc && i < n; i++) {
        const struct lg_card *c = &cards[i];
        if (!good_name(c->host_name, 'y'))
            return lg_fail(e, LG_INVALID, "not a card's name");
        if (!c->bridge && lg_link_exists(c->host_name)) {
            lg_cleanup_buf struct lg_buf script = {0};
            lg_buf_fmt(&script, "link del %s\n", c->host_name);
            lg_ip(&script, 0);
            if (lg_link_exists(c->host_name))
                rc = lg_fail(e, LG_BACKEND, "cannot remove the card %s", c->host_name);
        } else if (c->bridge && own && !complete(pid, c)) {
            rc = make_card(pid, c, e);
        }
    }
    return rc;
}
