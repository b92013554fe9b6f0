#include "driver/container/network.h"

#include <string.h>

#include "driver/container/leaks.h"
#include "driver/container/quirks.h"
#include "driver/network/bridge.h"
#include "driver/network/isolate.h"

static void create_body(const struct lg_engine *g, const struct lg_net_spec *net, struct lg_buf *out)
{
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "Name", net->name);
    lg_json_str(&j, "Driver", "bridge");
    lg_json_bool(&j, "CheckDuplicate", true); /* Docker else makes a second one of the same name */
    lg_json_obj(&j, "IPAM");
    lg_json_arr(&j, "Config");
    lg_json_obj(&j, NULL);
    lg_json_str(&j, "Subnet", net->subnet);
    lg_json_str(&j, "Gateway", net->gateway);
    lg_json_end_obj(&j);
    lg_json_end_arr(&j);
    lg_json_end_obj(&j);
    lg_json_obj(&j, "Options");
    lg_json_str(&j, "com.docker.network.bridge.name", net->bridge);
    lg_json_end_obj(&j);
    lg_json_obj(&j, "Labels");
    lg_json_str(&j, LG_LABEL_SITE, g->ctx.site);
    lg_json_end_obj(&j);
    lg_json_end_obj(&j);
}

static int create(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf body = {0}, reply = {0};
    create_body(g, net, &body);
    int status = lg_callf(g, &reply, e, "POST", lg_buf_cstr(&body), "/networks/create");
    if (status < 0)
        return status;
    if (status < 300 || strstr(lg_buf_cstr(&reply), net->name)) /* another process was faster */
        return 0;
    return lg_call_fail(status, &reply, "cannot make the network", e);
}

static int remove_from_engine(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "DELETE", NULL, "/networks/%s", net->name);
    if (status < 0)
        return status;
    if (status < 300 || status == 404)
        return 0;
    return lg_call_fail(lg_quirk_conflict(status, &reply) ? 409 : status, &reply, "cannot remove the network",
                        e);
}

/* Is the engine's network ours and of these addresses? 0, or LG_CONFLICT; `*stale` when it may be made anew.
 */
static int check(const struct lg_engine *g, const struct lg_net_spec *net, const struct lg_buf *reply,
                 bool *stale, struct lg_err *e)
{
    lg_cleanup_json json_t *o = lg_call_json(reply, e);
    if (!o)
        return -(int)LG_BACKEND;
    const json_t *ipam = json_array_get(json_object_get(json_object_get(o, "IPAM"), "Config"), 0);
    if (strcmp(lg_json_text(json_object_get(o, "Labels"), LG_LABEL_SITE), g->ctx.site) != 0)
        return lg_fail(e, LG_CONFLICT, "the engine's network %s is not this Lodge's", net->name);
    *stale = strcmp(lg_json_text(ipam, "Subnet"), net->subnet) ||
             strcmp(lg_json_text(ipam, "Gateway"), net->gateway);
    return 0;
}

/* In the engine, with the right addresses. An engine refuses a subnet that the host has, so the bridge comes
 * later. */
static int ensure_in_engine(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    bool stale = false;
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "GET", NULL, "/networks/%s", net->name);
    if (status < 0)
        return status;
    if (status != 200 && status != 404)
        return lg_call_fail(status, &reply, "cannot look at the network", e);
    int rc = status == 200 ? check(g, net, &reply, &stale, e) : 0;
    if (rc || (status == 200 && !stale))
        return rc;
    if (stale)
        rc = remove_from_engine(g, net, e);
    if (!rc)
        rc = lg_bridge_remove(net, e);
    rc = rc ? rc : lg_bridge_check(net, e);
    return rc ? rc : create(g, net, e);
}

/* Rules first, before the bridge exists: nothing is open for a moment. */
int lg_ct_network_ensure(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    int rc = lg_network_isolate(&g->ctx, net, e);
    if (!rc)
        rc = ensure_in_engine(g, net, e);
    return rc ? rc : lg_bridge_ensure(net, e);
}

int lg_ct_network_remove(struct lg_engine *g, const struct lg_net_spec *net, struct lg_err *e)
{
    int rc = remove_from_engine(g, net, e);
    if (rc)
        return rc;
    lg_leak_sweep(g, net);
    rc = lg_bridge_remove(net, e);
    return rc ? rc : lg_network_release(&g->ctx, net, e);
}
