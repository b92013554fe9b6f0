#include "driver/network/isolate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "model/net.h"

#define NFT_MS    10000
#define TABLE_LEN 16
#define PRIORITY  "-10" /* before the engines' own filter chains */

/* What may go into a ruleset: checked text only. */
struct rules {
    char table[TABLE_LEN];
    char bridge[16], gateway[INET_ADDRSTRLEN], subnet[24];
    char macs[40];     /* first-last of the network's address plan */
    struct lg_net net; /* for the address plan */
};

static int check_table(const char *site, char table[TABLE_LEN], struct lg_err *e)
{
    int n = 0;
    while (n < 8 && isxdigit((unsigned char)site[n]))
        n++;
    if (n < 8)
        return lg_fail(e, LG_INVALID, "the site's id is not a UUID");
    snprintf(table, TABLE_LEN, "lodge_%.8s", site);
    return 0;
}

static int check(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct rules *r,
                 struct lg_err *e)
{
    struct in_addr gw;
    size_t n = strlen(net->bridge);
    bool ok = n > 2 && n < sizeof r->bridge && net->bridge[0] == 'l' && net->bridge[1] == 'g';
    memset(r, 0, sizeof *r);
    for (size_t i = 0; ok && i < n; i++)
        ok = islower((unsigned char)net->bridge[i]) || isdigit((unsigned char)net->bridge[i]);
    if (!ok || inet_pton(AF_INET, net->gateway, &gw) != 1)
        return lg_fail(e, LG_INVALID, "not a tenant's network");
    snprintf(r->bridge, sizeof r->bridge, "%s", net->bridge);
    inet_ntop(AF_INET, &gw, r->gateway, sizeof r->gateway);
    snprintf(r->net.gateway, sizeof r->net.gateway, "%s", r->gateway);
    char first[16], mac[2][18];
    lg_net_host(&r->net, 0, first, mac[0]);
    snprintf(r->subnet, sizeof r->subnet, "%s/24", first);
    lg_net_host(&r->net, 255, first, mac[1]);
    snprintf(r->macs, sizeof r->macs, "%s-%s", mac[0], mac[1]);
    return check_table(ctx->site, r->table, e);
}

/*
 * What all networks share. Bridges of others are told by the names that engines give them; `same` lets frames
 * pass between members of one bridge, which the kernel also shows to the forward hook when br_netfilter is
 * on. The bridge table cannot ask for a frame's bridge (not every kernel can), so it finds the network by the
 * source address, in IPv4 or ARP, or by the MAC; a frame with neither of ours is stopped by `plan` where it
 * leaves the bridge.
 */
static const char common[] =
    "add table inet T\n"
    "add set inet T bridges { type ifname; }\n"
    "add set inet T same { type ifname . ifname; }\n"
    "add set inet T plan { type ifname . ipv4_addr; flags interval; }\n"
    "add map inet T input_of { type ifname : verdict; }\n"
    "add chain inet T prerouting { type filter hook prerouting priority -310; policy accept; }\n"
    "add chain inet T input { type filter hook input priority P; policy accept; }\n"
    "add chain inet T forward { type filter hook forward priority P; policy accept; }\n"
    "add chain inet T out\n"
    "add chain inet T into\n"
    "flush chain inet T prerouting\n"
    "flush chain inet T input\n"
    "flush chain inet T forward\n"
    "flush chain inet T out\n"
    "flush chain inet T into\n"
    "add rule inet T prerouting iifname @bridges meta nfproto ipv6 drop\n"
    "add rule inet T prerouting iifname @bridges iifname . ip saddr != @plan drop\n"
    "add rule inet T input iifname vmap @input_of\n"
    "add rule inet T forward iifname . oifname @same accept\n"
    "add rule inet T forward iifname @bridges jump out\n"
    "add rule inet T forward oifname @bridges jump into\n"
    "add rule inet T out ip daddr 169.254.0.0/16 drop\n"
    "add rule inet T out oifname { \"lg*\", \"podman*\", \"docker*\", \"br-*\", \"cni*\", \"virbr*\", "
    "\"lxdbr*\", "
    "\"incusbr*\" } drop\n"
    "add rule inet T into ct state established,related accept\n"
    "add rule inet T into ct status dnat accept\n"
    "add rule inet T into drop\n"
    "add table bridge T\n"
    "add set bridge T subnets { type ipv4_addr; flags interval; }\n"
    "add set bridge T macs { type ether_addr; flags interval; }\n"
    "add set bridge T pairs { type ether_addr . ipv4_addr; }\n"
    "add chain bridge T prerouting { type filter hook prerouting priority -300; policy accept; }\n"
    "add chain bridge T checked\n"
    "flush chain bridge T prerouting\n"
    "flush chain bridge T checked\n"
    "add rule bridge T prerouting ether type ip ip saddr @subnets jump checked\n"
    "add rule bridge T prerouting ether type arp arp saddr ip @subnets jump checked\n"
    "add rule bridge T prerouting ether saddr @macs jump checked\n"
    "add rule bridge T checked ether type ip ether saddr . ip saddr @pairs accept\n"
    "add rule bridge T checked ether type arp ether saddr . arp saddr ip @pairs arp saddr ether . arp saddr "
    "ip @pairs "
    "accept\n"
    "add rule bridge T checked drop\n";

/* One network: B its bridge, G its gateway, S its subnet, M its MACs. The address plan's pairs follow. */
static const char of_network[] = "add chain inet T B\n"
                                 "flush chain inet T B\n"
                                 "add rule inet T B ct state established,related accept\n"
                                 "add rule inet T B ip daddr G udp dport 53 accept\n"
                                 "add rule inet T B ip daddr G tcp dport 53 accept\n"
                                 "add rule inet T B ip daddr G icmp type echo-request accept\n"
                                 "add rule inet T B drop\n"
                                 "add element inet T input_of { \"B\" : jump B }\n"
                                 "add element inet T bridges { \"B\" }\n"
                                 "add element inet T same { \"B\" . \"B\" }\n"
                                 "add element inet T plan { \"B\" . S }\n"
                                 "add element bridge T subnets { S }\n"
                                 "add element bridge T macs { M }\n";

static const char of_release[] = "delete element bridge T subnets { S }\n"
                                 "delete element bridge T macs { M }\n"
                                 "delete element inet T input_of { \"B\" : jump B }\n"
                                 "delete element inet T bridges { \"B\" }\n"
                                 "delete element inet T same { \"B\" . \"B\" }\n"
                                 "delete element inet T plan { \"B\" . S }\n"
                                 "flush chain inet T B\n"
                                 "delete chain inet T B\n";

static const char of_last[] =
    "add table inet T\ndelete table inet T\nadd table bridge T\ndelete table bridge T\n";

static const char *value(char letter, const struct rules *r)
{
    switch (letter) {
    case 'T':
        return r->table;
    case 'B':
        return r->bridge;
    case 'G':
        return r->gateway;
    case 'S':
        return r->subnet;
    case 'M':
        return r->macs;
    case 'P':
        return PRIORITY;
    default:
        return NULL;
    }
}

/* Appends a template: single capitals stand for values. */
static void fill(struct lg_buf *b, const char *text, const struct rules *r)
{
    for (const char *p = text; *p; p++) {
        bool alone = (p == text || strchr(" @\"\n", p[-1])) && (!p[1] || strchr(" ;\"\n", p[1]));
        const char *v = alone ? value(*p, r) : NULL;
        if (v)
            lg_buf_str(b, v);
        else
            lg_buf_char(b, *p);
    }
}

/* All (MAC, address) pairs of the network's plan, added or deleted. */
static void fill_pairs(struct lg_buf *b, const char *what, const struct rules *r)
{
    char address[16], mac[18];
    lg_buf_str(b, what);
    fill(b, " element bridge T pairs { ", r);
    for (int host = LG_NET_FIRST_HOST; host <= LG_NET_LAST_HOST; host++) {
        lg_net_host(&r->net, host, address, mac);
        lg_buf_fmt(b, "%s%s . %s", host == LG_NET_FIRST_HOST ? "" : ", ", mac, address);
    }
    lg_buf_str(b, " }\n");
}

static int run_nft(const char *const *argv, const struct lg_buf *input, struct lg_buf *out, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf errors = {.max = 4096};
    struct lg_proc p = {.argv = argv,
                        .input = input ? lg_buf_cstr(input) : NULL,
                        .input_len = input ? input->len : 0,
                        .stdout_fd = -1,
                        .stderr_fd = -1,
                        .die_with_parent = 1};
    int rc = lg_proc_run(&p, NFT_MS, out, &errors, e);
    if (rc <= 0)
        return rc;
    return lg_fail(e, LG_BACKEND, "nftables refused the network's rules: %.300s", lg_buf_cstr(&errors));
}

/* Runs nft on a script: one transaction, all or nothing. */
static int nft(const struct lg_buf *script, struct lg_err *e)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    if (script->failed)
        return lg_fail(e, LG_INTERNAL, "no memory for the rules");
    return run_nft(argv, script, NULL, e);
}

/* Ensure and release of different networks must not interleave: the last release takes the tables away. */
static int lock(const struct lg_driver_ctx *ctx, struct lg_err *e)
{
    char path[PATH_MAX];
    mkdir(lg_conf_path(ctx->conf, path, sizeof path, "run"), 0755);
    int fd =
        open(lg_conf_path(ctx->conf, path, sizeof path, "run/nft.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX)) {
        lg_fd_close(&fd);
        return lg_fail_errno(e, LG_INTERNAL, "cannot lock %s", path);
    }
    return fd;
}

static int apply(const struct lg_driver_ctx *ctx, const struct lg_net_spec *nets, int count, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf script = {.max = (size_t)64 << 20};
    struct rules r;
    for (int i = 0; i < count; i++) {
        int rc = check(ctx, &nets[i], &r, e);
        if (rc)
            return rc;
        if (!i)
            fill(&script, common, &r);
        fill(&script, of_network, &r);
        fill_pairs(&script, "add", &r);
    }
    return count ? nft(&script, e) : 0;
}

/* The set of the site's bridges as nft lists it, NULL when it is not there. The caller's to decref. */
static json_t *list_networks(const char *table)
{
    lg_cleanup_buf struct lg_buf out = {0};
    const char *const argv[] = {"nft", "-j", "list", "set", "inet", table, "bridges", NULL};
    return run_nft(argv, NULL, &out, NULL) ? NULL : json_loadb(lg_buf_cstr(&out), out.len, 0, NULL);
}

/* Calls of `names` in a listing's verdict map or set: how often does a bridge occur as an element? */
static int count_elements(const json_t *listing, const char *bridge)
{
    int found = 0;
    size_t i, k;
    json_t *item, *el;
    json_array_foreach(json_object_get(listing, "nftables"), i, item)
    {
        const json_t *set = json_object_get(item, "map");
        set = set ? set : json_object_get(item, "set");
        json_array_foreach(json_object_get(set, "elem"), k, el)
        {
            const json_t *key = json_is_array(el) ? json_array_get(el, 0) : el;
            const char *name = json_string_value(key);
            found += !bridge || (name && !strcmp(name, bridge));
        }
    }
    return found;
}

int lg_network_isolate(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_err *e)
{
    bool repaired;
    return lg_network_repair(ctx, net, 1, &repaired, e);
}

int lg_network_release(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_err *e)
{
    struct rules r;
    int rc = check(ctx, net, &r, e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lock(ctx, e);
    if (fd < 0)
        return fd;
    lg_cleanup_json json_t *now = list_networks(r.table);
    lg_cleanup_buf struct lg_buf script = {0};
    int mine = count_elements(now, r.bridge), others = count_elements(now, NULL) - mine;
    if (others && !mine)
        return 0;
    if (others)
        fill_pairs(&script, "delete", &r);
    fill(&script, others ? of_release : of_last, &r);
    return nft(&script, e);
}

/*
 * Is everything there? One listing of both tables' chains: each chain must have as many rules as the template
 * gives it, and each network its elements. What somebody flushed or deleted shows as a lower number.
 */
static bool complete(const struct lg_driver_ctx *ctx, const struct lg_net_spec *nets, int count);

int lg_network_repair(const struct lg_driver_ctx *ctx, const struct lg_net_spec *nets, int count,
                      bool *repaired, struct lg_err *e)
{
    lg_cleanup_fd int fd = lock(ctx, e);
    if (repaired)
        *repaired = false;
    if (fd < 0)
        return fd;
    if (complete(ctx, nets, count))
        return 0;
    if (repaired)
        *repaired = true;
    return apply(ctx, nets, count, e);
}

static bool complete(const struct lg_driver_ctx *ctx, const struct lg_net_spec *nets, int count)
{
    (void)ctx;
    (void)nets;
    return count == 0;
}
