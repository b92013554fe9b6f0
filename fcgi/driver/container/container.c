#include "driver/container/container.h"

#include <stdlib.h>
#include <string.h>

#include "driver/container/client.h"
#include "driver/container/engine.h"
#include "driver/container/exec.h"
#include "driver/container/image.h"
#include "driver/container/instance.h"
#include "driver/container/layer.h"
#include "driver/container/logs.h"
#include "driver/container/network.h"
#include "driver/container/oneshot.h"
#include "driver/container/quirks.h"
#include "driver/container/sandbox.h"
#include "driver/container/usage.h"

#define PROBE_MS 2000

static void container_close(struct lg_engine *g)
{
    if (!g)
        return;
    curl_easy_cleanup(g->easy);
    curl_multi_cleanup(g->multi);
    free(g);
}

static int container_open(const struct lg_driver_ctx *ctx, struct lg_engine **out, struct lg_err *e)
{
    struct lg_engine *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    g->ctx = *ctx;
    int rc = lg_engine_socket(ctx->conf, g->socket, sizeof g->socket, e);
    if (!rc) {
        g->multi = curl_multi_init();
        g->easy = curl_easy_init();
        if (!g->multi || !g->easy)
            rc = lg_fail(e, LG_INTERNAL, "cannot set up libcurl");
    }
    if (rc) {
        container_close(g);
        return rc;
    }
    *out = g;
    return 0;
}

static int container_probe(struct lg_engine *g, struct lg_engine_info *info, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    long limit = g->ctx.conf->engine_timeout_ms;
    struct lg_call c = {
        .method = "GET", .path = "/_ping", .patience_ms = limit < PROBE_MS ? limit : PROBE_MS};
    int status = lg_call(g, &c, &reply, e);
    if (status < 0)
        return status;
    if (status != 200)
        return lg_call_fail(status >= 400 ? status : 500, &reply, "the container engine is not well", e);
    int rc = info ? lg_quirk_identify(g, e) : 0;
    if (!rc && info)
        *info = g->info;
    return rc;
}

const struct lg_driver lg_driver_container = {
    .name = "container",
    .backend = "docker",
    .open = container_open,
    .close = container_close,
    .probe = container_probe,
    .image_find = lg_ct_image_find,
    .image_pull = lg_ct_image_pull,
    .image_import = lg_ct_image_import,
    .image_remove = lg_ct_image_remove,
    .network_ensure = lg_ct_network_ensure,
    .network_remove = lg_ct_network_remove,
    .create = lg_ct_create,
    .start = lg_ct_start,
    .stop = lg_ct_stop,
    .pause = lg_ct_pause,
    .unpause = lg_ct_unpause,
    .remove = lg_ct_remove,
    .inspect = lg_ct_inspect,
    .update = lg_ct_update,
    .revived = lg_ct_revived,
    .usage = lg_ct_usage,
    .layer = lg_ct_layer,
    .list = lg_ct_list,
    .exec_open = lg_ct_exec_open,
    .exec_size = lg_ct_exec_size,
    .exec_end = lg_ct_exec_end,
    .log_tail = lg_ct_log_tail,
    .log_stream = lg_ct_log_stream,
    .watch = lg_ct_watch,
    .sandbox = &lg_ct_sandbox_ops,
    .oneshot = &lg_ct_oneshot_ops,
};
