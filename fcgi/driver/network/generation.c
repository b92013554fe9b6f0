#include "driver/network/generation.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"

#define NETWORKS_MAX 256

static struct {
    uint32_t generation;
    char name[NETWORKS_MAX][64];
    int count;
} known;

bool lg_nft_known(uint32_t generation, const char *network)
{
    if (generation != known.generation)
        return false;
    for (int i = 0; i < known.count; i++)
        if (!strcmp(known.name[i], network))
            return true;
    return false;
}

void lg_nft_remember(uint32_t generation, const char *network)
{
    if (generation != known.generation)
        known.count = 0;
    known.generation = generation;
    if (known.count < NETWORKS_MAX && !lg_nft_known(generation, network))
        snprintf(known.name[known.count++], sizeof known.name[0], "%s", network);
}

/* The attribute NFTA_GEN_ID of an answer, in network order. */
static bool find_id(const char *answer, size_t n, uint32_t *out)
{
    struct nlmsghdr h;
    if (n < sizeof h)
        return false;
    memcpy(&h, answer, sizeof h);
    size_t end = h.nlmsg_len < n ? h.nlmsg_len : n, at = NLMSG_LENGTH(sizeof(struct nfgenmsg));
    if (h.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
        return false;
    struct nlattr a;
    for (; at + sizeof a <= end; at += NLA_ALIGN(a.nla_len)) {
        memcpy(&a, answer + at, sizeof a);
        if (a.nla_len < sizeof a || at + a.nla_len > end)
            return false;
        if ((a.nla_type & NLA_TYPE_MASK) == NFTA_GEN_ID && a.nla_len >= sizeof a + sizeof *out) {
            memcpy(out, answer + at + sizeof a, sizeof *out);
            *out = ntohl(*out);
            return true;
        }
    }
    return false;
}

bool lg_nft_generation(uint32_t *out)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg g;
    } ask = {.h = {.nlmsg_len = sizeof ask,
                   .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
                   .nlmsg_flags = NLM_F_REQUEST},
             .g = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0}};
    char answer[1024];
    struct timeval patience = {.tv_sec = 1};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    lg_cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        sendto(fd, &ask, sizeof ask, 0, (struct sockaddr *)&kernel, sizeof kernel) != (ssize_t)sizeof ask)
        return false;
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    return n > 0 && find_id(answer, (size_t)n, out);
}
