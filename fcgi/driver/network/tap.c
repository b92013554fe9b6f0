#include "driver/network/tap.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "driver/network/tools.h"

static const char refused[] = "nftables refused the machine's rules";

int lg_tap_name(const char *site, const char *address, char out[LG_TAP_LEN], struct lg_err *e)
{
    struct in_addr a;
    for (int i = 0; i < 8; i++)
        if (!isxdigit((unsigned char)site[i]))
            return lg_fail(e, LG_INVALID, "the site's id is not a UUID");
    if (inet_pton(AF_INET, address, &a) != 1)
        return lg_fail(e, LG_INVALID, "not an IPv4 address: %.20s", address);
    snprintf(out, LG_TAP_LEN, "lt%.4s%08x", site, ntohl(a.s_addr));
    return 0;
}

/* Six hexadecimal pairs: it becomes part of a script. */
static bool mac_ok(const char *mac)
{
    for (int i = 0; i < 17; i++)
        if (i % 3 == 2 ? mac[i] != ':' : !isxdigit((unsigned char)mac[i]))
            return false;
    return !mac[17];
}

/* T the table, N the tap, M its MAC, A its address. */
static const char of_table[] =
    "add table bridge T\n"
    "add set bridge T taps { type ifname; }\n"
    "add set bridge T senders { type ifname . ether_addr . ipv4_addr; }\n"
    "add set bridge T speakers { type ifname . ether_addr . ether_addr . ipv4_addr; }\n"
    "add chain bridge T prerouting { type filter hook prerouting priority -310; policy accept; }\n"
    "add chain bridge T own\n"
    "flush chain bridge T prerouting\n"
    "flush chain bridge T own\n"
    "add rule bridge T prerouting iifname @taps jump own\n"
    "add rule bridge T own ether type ip iifname . ether saddr . ip saddr @senders accept\n"
    "add rule bridge T own ether type arp iifname . ether saddr . arp saddr ether . arp saddr ip @speakers "
    "accept\n"
    "add rule bridge T own drop\n";
static const char of_tap[] = "add element bridge T taps { \"N\" }\n"
                             "add element bridge T senders { \"N\" . M . A }\n"
                             "add element bridge T speakers { \"N\" . M . M . A }\n";
/* Added before it is deleted: what is absent is no error then. */
static const char of_release[] = "add table bridge T\n"
                                 "add set bridge T taps { type ifname; }\n"
                                 "add element bridge T taps { \"N\" }\n"
                                 "delete element bridge T taps { \"N\" }\n";
static const char of_pairs[] = "delete element bridge T senders { \"N\" . M . A }\n"
                               "delete element bridge T speakers { \"N\" . M . M . A }\n";
static const char of_last[] = "add table bridge T\ndelete table bridge T\n";

struct values {
    char table[24], tap[LG_TAP_LEN], address[16], mac[18];
};

static void fill(struct lg_buf *b, const char *text, const struct values *v)
{
    for (const char *p = text; *p; p++) {
        bool alone = (p == text || strchr(" \"\n", p[-1])) && (!p[1] || strchr(" \"\n;", p[1]));
        const char *s = !alone      ? NULL
                        : *p == 'T' ? v->table
                        : *p == 'N' ? v->tap
                        : *p == 'M' ? v->mac
                        : *p == 'A' ? v->address
                                    : NULL;
        if (s)
            lg_buf_str(b, s);
        else
            lg_buf_char(b, *p);
    }
}

static int values(const struct lg_driver_ctx *ctx, const char *address, const char *mac, struct values *v,
                  struct lg_err *e)
{
    int rc = lg_tap_name(ctx->site, address, v->tap, e);
    if (!rc && !mac_ok(mac))
        rc = lg_fail(e, LG_INVALID, "not a MAC address");
    snprintf(v->table, sizeof v->table, "lodgevm_%.8s", ctx->site);
    snprintf(v->address, sizeof v->address, "%s", address);
    snprintf(v->mac, sizeof v->mac, "%s", mac);
    return rc;
}

int lg_tap_allow(const struct lg_driver_ctx *ctx, const char *address, const char *mac, struct lg_err *e)
{
    struct values v;
    lg_cleanup_buf struct lg_buf script = {.max = 8192};
    int rc = values(ctx, address, mac, &v, e);
    if (rc)
        return rc;
    fill(&script, of_table, &v);
    fill(&script, of_tap, &v);
    return lg_nft(&script, refused, e);
}

bool lg_tap_complete(const struct lg_driver_ctx *ctx, const char (*taps)[LG_TAP_LEN], int count)
{
    char table[24], named[LG_TAP_LEN + 2];
    snprintf(table, sizeof table, "lodgevm_%.8s", ctx->site);
    const char *const argv[] = {"nft", "list", "table", "bridge", table, NULL};
    lg_cleanup_buf struct lg_buf out = {0};
    bool whole = lg_tool_ask(argv, &out) && strstr(lg_buf_cstr(&out), "@taps jump own") &&
                 strstr(lg_buf_cstr(&out), "@senders accept") &&
                 strstr(lg_buf_cstr(&out), "@speakers accept") && strstr(lg_buf_cstr(&out), "\t\tdrop\n");
    for (int i = 0; whole && i < count; i++) {
        const char *at = lg_buf_cstr(&out);
        int seen = 0; /* in the set of taps, of senders and of speakers */
        snprintf(named, sizeof named, "\"%s\"", taps[i]);
        for (; (at = strstr(at, named)); at++)
            seen++;
        whole = seen == 3;
    }
    return whole;
}

static bool any_left(const struct values *v)
{
    const char *const argv[] = {"nft", "list", "set", "bridge", v->table, "taps", NULL};
    lg_cleanup_buf struct lg_buf out = {0};
    return lg_tool_ask(argv, &out) && strstr(lg_buf_cstr(&out), "elements");
}

int lg_tap_release(const struct lg_driver_ctx *ctx, const char *address, const char *mac, struct lg_err *e)
{
    struct values v;
    lg_cleanup_buf struct lg_buf script = {.max = 8192}, pairs = {.max = 2048}, last = {.max = 256};
    int rc = values(ctx, address, mac, &v, e);
    if (rc)
        return rc;
    fill(&script, of_release, &v);
    fill(&pairs, of_pairs, &v);
    lg_nft(&pairs, refused, NULL); /* absent already: fine */
    rc = lg_nft(&script, refused, e);
    if (rc || any_left(&v))
        return rc;
    fill(&last, of_last, &v);
    return lg_nft(&last, refused, e);
}
