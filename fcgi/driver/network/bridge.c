#include "driver/network/bridge.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/route.h"
#include "driver/network/rules.h"
#include "driver/network/tools.h"

/* The name of the pair that keeps the bridge alive without members: B with an "a" and a "b" behind it. */
static void keeper(const char *bridge, char end, char out[IFNAMSIZ + 1])
{
    snprintf(out, IFNAMSIZ + 1, "%s%c", bridge, end);
}

static bool has_mac(const char *bridge, const char *mac)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/sys/class/net/%s/address", bridge);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool same = fgets(text, sizeof text, f) && !strncmp(text, mac, strlen(mac));
    fclose(f);
    return same;
}

/* Up and with the gateway's address? */
static bool is_up(const char *bridge, const char *gateway)
{
    struct ifreq q = {0};
    struct sockaddr_in a;
    char text[INET_ADDRSTRLEN];
    lg_cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(q.ifr_name, sizeof q.ifr_name, "%s", bridge);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &q) || !(q.ifr_flags & IFF_UP) || ioctl(fd, SIOCGIFADDR, &q))
        return false;
    memcpy(&a, &q.ifr_addr, sizeof a);
    return inet_ntop(AF_INET, &a.sin_addr, text, sizeof text) && !strcmp(text, gateway);
}

static bool complete(const struct lg_rules *r, const char *mac)
{
    char end[IFNAMSIZ + 1], path[96];
    keeper(r->bridge, 'a', end);
    snprintf(path, sizeof path, "/sys/class/net/%s/brif/%s", r->bridge, end);
    return !access(path, F_OK) && has_mac(r->bridge, mac) && is_up(r->bridge, r->gateway);
}

static int check(const struct lg_net_spec *net, struct lg_rules *r, struct lg_err *e)
{
    static const struct lg_driver_ctx none = {.site =
                                                  "00000000"}; /* of the rules only the names are needed */
    int rc = lg_rules_check(&none, net, r, e);
    if (!rc && strlen(r->bridge) + 1 >= IFNAMSIZ)
        return lg_fail(e, LG_INVALID, "the network's bridge name is too long");
    return rc;
}

static int check_free(const struct lg_rules *r, struct lg_err *e)
{
    char via[IFNAMSIZ];
    if (!lg_route_elsewhere(r->subnet, r->bridge, via))
        return 0;
    return lg_fail(e, LG_CONFLICT,
                   "this host routes %s to its interface %s: give Lodge a free subnet_pool, or remove that "
                   "interface",
                   r->subnet, via);
}

int lg_bridge_check(const struct lg_net_spec *net, struct lg_err *e)
{
    struct lg_rules r;
    int rc = check(net, &r, e);
    return rc ? rc : check_free(&r, e);
}

int lg_bridge_ensure(const struct lg_net_spec *net, struct lg_err *e)
{
    struct lg_rules r;
    char address[16], mac[18];
    lg_cleanup_buf struct lg_buf script = {0};
    int rc = check(net, &r, e);
    if (rc)
        return rc;
    lg_net_host(&r.net, 1, address, mac);
    if (complete(&r, mac))
        return 0;
    rc = check_free(&r, e);
    if (rc)
        return rc;
    const char *b = r.bridge;
    lg_buf_fmt(&script, "link add %s type bridge\nlink set %s addrgenmode none\nlink set %s address %s\n", b,
               b, b, mac);
    lg_buf_fmt(&script, "link add %sa type veth peer name %sb\nlink set %sa master %s\nlink set %sa up\n", b,
               b, b, b, b);
    lg_buf_fmt(&script, "addr add %s/24 brd + dev %s\nlink set %s up\n", r.gateway, b, b);
    lg_ip(&script, 0);
    return complete(&r, mac) ? 0 : lg_fail(e, LG_BACKEND, "cannot set up the bridge %s on the host", b);
}

int lg_bridge_remove(const struct lg_net_spec *net, struct lg_err *e)
{
    struct lg_rules r;
    char end[IFNAMSIZ + 1];
    lg_cleanup_buf struct lg_buf script = {0};
    int rc = check(net, &r, e);
    if (rc)
        return rc;
    keeper(r.bridge, 'a', end);
    if (!lg_link_exists(r.bridge) && !lg_link_exists(end))
        return 0;
    lg_buf_fmt(&script, "link del %s\nlink del %s\n", end, r.bridge);
    lg_ip(&script, 0);
    return lg_link_exists(r.bridge) ? lg_fail(e, LG_BACKEND, "cannot remove the bridge %s", r.bridge) : 0;
}
