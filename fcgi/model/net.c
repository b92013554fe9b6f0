#include "model/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* First address and prefix length of the pool; prefixes /8 to /24. */
static int parse(const char *pool, uint32_t *base, int *bits, struct lg_err *e)
{
    char text[32];
    struct in_addr a;
    snprintf(text, sizeof text, "%s", pool);
    char *slash = strchr(text, '/');
    if (slash)
        *slash++ = 0;
    *bits = slash ? atoi(slash) : 0;
    if (*bits < 8 || *bits > 24 || inet_pton(AF_INET, text, &a) != 1)
        return lg_fail(e, LG_INVALID, "setting subnet_pool: %s is not an IPv4 range from /8 to /24", pool);
    *base = ntohl(a.s_addr) & ~((1U << (32 - *bits)) - 1);
    return 0;
}

int lg_net_capacity(const char *pool, struct lg_err *e)
{
    uint32_t base;
    int bits, rc = parse(pool, &base, &bits, e);
    return rc ? rc : 1 << (24 - bits);
}

static void dotted(uint32_t a, char out[16])
{
    struct in_addr in = {htonl(a)};
    inet_ntop(AF_INET, &in, out, 16);
}

int lg_net_of(const char *pool, const char *site, int n, struct lg_net *out, struct lg_err *e)
{
    uint32_t base;
    int bits, rc = parse(pool, &base, &bits, e);
    if (rc)
        return rc;
    if (n < 0 || n >= 1 << (24 - bits))
        return lg_fail(e, LG_LIMIT, "all %d tenant networks of %s are in use", 1 << (24 - bits), pool);
    char first[16];
    base += (uint32_t)n << 8;
    dotted(base, first);
    dotted(base + 1, out->gateway);
    snprintf(out->subnet, sizeof out->subnet, "%s/24", first);
    snprintf(out->name, sizeof out->name, "lodge-%.8s-%d", site, n);
    snprintf(out->bridge, sizeof out->bridge, "lg%.4sn%d", site, n & 0xffff);
    return 0;
}

void lg_net_host(const struct lg_net *net, int host, char address[16], char mac[18])
{
    struct in_addr a;
    inet_pton(AF_INET, net->gateway, &a);
    uint32_t v = ntohl(a.s_addr) - 1 + (uint32_t)host;
    dotted(v, address);
    snprintf(mac, 18, "02:6c:%02x:%02x:%02x:%02x", v >> 24 & 255, v >> 16 & 255, v >> 8 & 255, v & 255);
}
