#include "base/route.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct range {
    uint32_t first, mask; /* in the host's order */
};

static bool parse(const char *cidr, struct range *r)
{
    struct in_addr a;
    char first[INET_ADDRSTRLEN];
    int bits;
    if (sscanf(cidr, "%15[0-9.]/%d", first, &bits) != 2 || bits < 0 || bits > 32 ||
        inet_pton(AF_INET, first, &a) != 1)
        return false;
    r->mask = bits ? ~UINT32_C(0) << (32 - bits) : 0;
    r->first = ntohl(a.s_addr) & r->mask;
    return true;
}

/* A line of the table: interface, destination, …, mask, the numbers as the kernel has them in memory. */
static bool read_route(const char *line, char via[IFNAMSIZ], struct range *r)
{
    uint32_t destination, mask;
    if (sscanf(line, "%15s %" SCNx32 " %*x %*x %*d %*d %*d %" SCNx32, via, &destination, &mask) != 3)
        return false;
    *r = (struct range){ntohl(destination), ntohl(mask)};
    return true;
}

bool lg_route_elsewhere(const char *cidr, const char *ours, char via[IFNAMSIZ])
{
    const uint32_t slash_24 = UINT32_C(0xffffff00);
    char line[256];
    struct range range, route;
    bool found = false;
    FILE *f = parse(cidr, &range) ? fopen("/proc/net/route", "re") : NULL;
    while (f && !found && fgets(line, sizeof line, f))
        found = read_route(line, via, &route) && route.mask >= slash_24 &&
                !((route.first ^ range.first) & route.mask & range.mask) &&
                strncmp(via, ours, strlen(ours)) != 0;
    if (f)
        fclose(f);
    return found;
}
