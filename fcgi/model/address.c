#include "model/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is not the public Internet. */
static const struct {
    const char *net;
    int bits;
} special4[] = {{"0.0.0.0", 8},      {"10.0.0.0", 8},     {"100.64.0.0", 10}, {"127.0.0.0", 8},
                {"169.254.0.0", 16}, {"172.16.0.0", 12},  {"192.0.0.0", 24},  {"192.0.2.0", 24},
                {"192.88.99.0", 24}, {"192.168.0.0", 16}, {"198.18.0.0", 15}, {"198.51.100.0", 24},
                {"203.0.113.0", 24}, {"224.0.0.0", 4},    {"240.0.0.0", 4}},
  /* Of IPv6 only 2000::/3 is given out; within it these are not, or carry an IPv4 address inside. */
    special6[] = {{"2001::", 23}, {"2001:db8::", 32}, {"2002::", 16}, {"3fff::", 20}};

static bool within(const uint8_t *a, const uint8_t *net, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    if (memcmp(a, net, (size_t)whole))
        return false;
    return !rest || ((a[whole] ^ net[whole]) & (uint8_t)(0xff00 >> rest)) == 0;
}

static bool within_text(int family, const uint8_t *a, const char *net, int bits)
{
    uint8_t bytes[16];
    return inet_pton(family, net, bytes) == 1 && within(a, bytes, bits);
}

/* The bytes of an address; an IPv4 one in IPv6's clothes is taken out of them. */
static const uint8_t *bytes_of(const struct sockaddr *a, int *family)
{
    *family = a->sa_family;
    if (a->sa_family == AF_INET)
        return (const uint8_t *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
    if (a->sa_family != AF_INET6)
        return NULL;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(six))
        return six->s6_addr;
    *family = AF_INET;
    return six->s6_addr + 12;
}

bool lg_address_public(const struct sockaddr *a)
{
    int family;
    const uint8_t *p = bytes_of(a, &family);
    if (!p)
        return false;
    if (family == AF_INET) {
        for (size_t i = 0; i < sizeof special4 / sizeof special4[0]; i++)
            if (within_text(AF_INET, p, special4[i].net, special4[i].bits))
                return false;
        return true;
    }
    if (!within_text(AF_INET6, p, "2000::", 3))
        return false;
    for (size_t i = 0; i < sizeof special6 / sizeof special6[0]; i++)
        if (within_text(AF_INET6, p, special6[i].net, special6[i].bits))
            return false;
    return true;
}

/* "10.0.0.0/8", "10.1.2.3" or "mirror.example". */
static bool entry_fits(char *entry, const char *host, int family, const uint8_t *p)
{
    uint8_t net[16];
    if (!strcasecmp(entry, host))
        return true;
    char *slash = strchr(entry, '/'), *end = NULL;
    long bits = family == AF_INET ? 32 : 128, named = slash ? strtol(slash + 1, &end, 10) : bits;
    if (slash && (end == slash + 1 || *end || named < 0 || named > bits))
        return false;
    if (slash)
        *slash = 0;
    return inet_pton(family, entry, net) == 1 && within(p, net, (int)named);
}

bool lg_address_listed(const char *list, const char *host, const struct sockaddr *a)
{
    int family;
    const uint8_t *p = bytes_of(a, &family);
    while (p && *list) {
        char entry[256];
        size_t n = strcspn(list, ",");
        size_t blank = strspn(list, " ");
        if (blank < n && n - blank < sizeof entry) {
            memcpy(entry, list + blank, n - blank);
            entry[n - blank] = 0;
            entry[strcspn(entry, " ")] = 0;
            if (entry_fits(entry, host, family, p))
                return true;
        }
        list += n + (list[n] == ',');
    }
    return false;
}
