#include "model/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/validate.h"

static uint32_t mask(int prefix)
{
    return ~(uint32_t)0 << (32 - prefix);
}

/* Not loopback, link-local, "this" network, multicast or above. */
static bool unicast(uint32_t a)
{
    return a >> 24 != 0 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 < 0xe;
}

int lg_parse_cidr(const char *field, const char *s, struct lg_cidr *out, struct lg_err *e)
{
    char text[LG_CIDR_LEN], *end = NULL;
    struct in_addr a;
    const char *slash = strchr(s, '/');
    bool ok = slash && strlen(s) < sizeof text && slash[1] >= '1' && slash[1] <= '9';
    if (ok) {
        snprintf(text, sizeof text, "%.*s", (int)(slash - s), s);
        out->prefix = (int)strtol(slash + 1, &end, 10);
        ok = !*end && inet_pton(AF_INET, text, &a) == 1;
    }
    if (!ok)
        return lg_invalid(e, field, "must be an IPv4 range such as 10.0.1.0/24");
    if (out->prefix < 8 || out->prefix > 29)
        return lg_invalid(e, field, "must have a prefix from /8 to /29");
    out->base = ntohl(a.s_addr);
    if (out->base & ~mask(out->prefix))
        return lg_invalid(e, field, "must be the range itself: the bits after the prefix are zero");
    return unicast(out->base) ? 0 : lg_invalid(e, field, "must be a range of unicast addresses");
}

bool lg_cidr_overlap(const struct lg_cidr *a, const struct lg_cidr *b)
{
    uint32_t common = mask(a->prefix < b->prefix ? a->prefix : b->prefix);
    return (a->base & common) == (b->base & common);
}

int64_t lg_cidr_last(const struct lg_cidr *c)
{
    return ((int64_t)1 << (32 - c->prefix)) - 2;
}

void lg_cidr_address(const struct lg_cidr *c, int64_t host, char out[16])
{
    struct in_addr a = {htonl(c->base + (uint32_t)host)};
    inet_ntop(AF_INET, &a, out, 16);
}

int lg_check_network_name(const char *field, const char *s, struct lg_err *e)
{
    static const char *const taken[] = {"bridge", "none", "host", "default"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (!strcmp(s, taken[i]))
            return lg_invalid(e, field,
                              "must not be bridge, none, host or default: those are modes of their own");
    return lg_check_name(field, s, e);
}

void lg_own_bridge(const char *site, int64_t number, char out[16])
{
    snprintf(out, 16, "lg%.4sx%d", site, (int)(number & 0xffff));
}

void lg_own_nic(const char *site, int64_t seq, char out[16], char mac[18])
{
    uint32_t n = (uint32_t)seq;
    snprintf(out, 16, "lg%.4sy%x", site, n);
    snprintf(mac, 18, "02:6e:%02x:%02x:%02x:%02x", n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255);
}
