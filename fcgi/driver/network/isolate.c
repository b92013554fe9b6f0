#include "driver/network/isolate.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "driver/network/generation.h"
#include "driver/network/rules.h"
#include "driver/network/tools.h"

static const char refused[] = "nftables refused the network's rules";

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

static int apply(const struct lg_rules *all, int count, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf script = {.max = (size_t)64 << 20};
    lg_rules_common(&script, &all[0]);
    for (int i = 0; i < count; i++)
        lg_rules_network(&script, &all[i]);
    return lg_nft(&script, refused, e);
}

/* A table as nft lists it, NULL when it is not there. The caller's to decref. */
static json_t *list_table(const char *family, const char *table)
{
    lg_cleanup_buf struct lg_buf out = {.max = (size_t)256 << 20};
    const char *const argv[] = {"nft", "-j", "list", "table", family, table, NULL};
    return lg_tool_ask(argv, &out) ? json_loadb(lg_buf_cstr(&out), out.len, 0, NULL) : NULL;
}

static bool complete(const struct lg_rules *all, int count)
{
    lg_cleanup_json json_t *inet = list_table("inet", all[0].table),
                           *bridge = list_table("bridge", all[0].table);
    for (int i = 0; i < count; i++)
        if (!lg_rules_complete(inet, bridge, &all[i]))
            return false;
    return true;
}

static bool all_known(uint32_t generation, const struct lg_net_spec *nets, int count)
{
    for (int i = 0; i < count; i++)
        if (!lg_nft_known(generation, nets[i].name))
            return false;
    return true;
}

int lg_network_repair(const struct lg_driver_ctx *ctx, const struct lg_net_spec *nets, int count,
                      bool *repaired, struct lg_err *e)
{
    int rc = 0;
    uint32_t generation = 0; /* read before the listing: a change during it makes the next look a full one */
    bool counted = lg_nft_generation(&generation);
    if (repaired)
        *repaired = false;
    if (count <= 0 || (counted && all_known(generation, nets, count)))
        return 0;
    struct lg_rules *all = calloc((size_t)count, sizeof *all);
    if (!all)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    for (int i = 0; !rc && i < count; i++)
        rc = lg_rules_check(ctx, &nets[i], &all[i], e);
    int fd = rc ? -1 : lock(ctx, e);
    if (!rc && fd < 0)
        rc = fd;
    if (!rc && !complete(all, count)) {
        rc = apply(all, count, e);
        if (repaired)
            *repaired = !rc;
    } else if (!rc && counted) {
        for (int i = 0; i < count; i++)
            lg_nft_remember(generation, nets[i].name);
    }
    lg_fd_close(&fd);
    free(all);
    return rc;
}

int lg_network_isolate(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_err *e)
{
    return lg_network_repair(ctx, net, 1, NULL, e);
}

int lg_network_release(const struct lg_driver_ctx *ctx, const struct lg_net_spec *net, struct lg_err *e)
{
    struct lg_rules r;
    int rc = lg_rules_check(ctx, net, &r, e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = lock(ctx, e);
    if (fd < 0)
        return fd;
    lg_cleanup_json json_t *inet = list_table("inet", r.table), *bridge = list_table("bridge", r.table);
    if (!inet && !bridge)
        return 0;
    lg_cleanup_buf struct lg_buf script = {0};
    int mine, others;
    lg_rules_members(inet, &r, &mine, &others);
    if (others && !mine)
        return 0;
    if (others && lg_rules_complete(inet, bridge, &r))
        lg_rules_release(&script, &r);
    else if (others) { /* damaged: what is to be deleted must be there first, in the same transaction */
        lg_rules_common(&script, &r);
        lg_rules_network(&script, &r);
        lg_rules_release(&script, &r);
    } else
        lg_rules_last(&script, &r);
    return lg_nft(&script, refused, e);
}
