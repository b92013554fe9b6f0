#include "driver/network/rules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PRIORITY "-10" /* before the engines' own filter chains */

static int check_table(const char *site, char table[LG_RULES_TABLE_LEN], struct lg_err *e)
{
    int n = 0;
    while (n < 8 && isxdigit((unsigned char)site[n]))
        n++;
    if (n < 8)
        return lg_fail(e, LG_INVALID, "the site's id is not a UUID");
    snprintf(table, LG_RULES_TABLE_LEN, "lodge_%.8s", site);
    return 0;
}

int lg_rules_check(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_rules *r,
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

static const char *value(char letter, const struct lg_rules *r)
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
static void fill(struct lg_buf *b, const char *text, const struct lg_rules *r)
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
static void fill_pairs(struct lg_buf *b, const char *what, const struct lg_rules *r)
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

void lg_rules_common(struct lg_buf *b, const struct lg_rules *r)
{
    fill(b, common, r);
}

void lg_rules_network(struct lg_buf *b, const struct lg_rules *r)
{
    fill(b, of_network, r);
    fill_pairs(b, "add", r);
}

void lg_rules_release(struct lg_buf *b, const struct lg_rules *r)
{
    fill_pairs(b, "delete", r);
    fill(b, of_release, r);
}

void lg_rules_last(struct lg_buf *b, const struct lg_rules *r)
{
    fill(b, of_last, r);
}

int lg_rules_expected(const char *family, const char *chain)
{
    char head[64];
    int n = 0;
    snprintf(head, sizeof head, "add rule %s T %s ", family, chain);
    for (const char *p = common; (p = strstr(p, head)); p++)
        n++;
    for (const char *p = of_network; (p = strstr(p, head)); p++)
        n++;
    return n;
}
