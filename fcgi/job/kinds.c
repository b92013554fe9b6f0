#include "job/job.h"

#include <string.h>

/* An engine that does not answer is asked again after 250, 500, 1000, … ms: five times is 8 s, three 2 s. */
static const struct lg_kind kinds[] = {
    {.name = "instance.create",
     .verb = LG_V_CREATE,
     .retries = 5,
     .run = lg_run_create,
     .settle = lg_settle_instance},
    {.name = "instance.start",
     .verb = LG_V_START,
     .deadline_s = 300,
     .retries = 3,
     .run = lg_run_start,
     .settle = lg_settle_instance},
    {.name = "instance.stop",
     .verb = LG_V_STOP,
     .deadline_s = 120, /* more than a machine's power button is given */
     .retries = 3,
     .waits = true,
     .run = lg_run_stop,
     .settle = lg_settle_instance},
    {.name = "instance.restart",
     .verb = LG_V_RESTART,
     .deadline_s = 120,
     .retries = 3,
     .waits = true,
     .run = lg_run_restart,
     .settle = lg_settle_instance},
    {.name = "instance.pause",
     .verb = LG_V_PAUSE,
     .deadline_s = 60,
     .retries = 3,
     .run = lg_run_pause,
     .settle = lg_settle_instance},
    {.name = "instance.unpause",
     .verb = LG_V_UNPAUSE,
     .deadline_s = 60,
     .retries = 3,
     .run = lg_run_unpause,
     .settle = lg_settle_instance},
    {.name = "instance.update",
     .verb = LG_V_UPDATE,
     .deadline_s = 60,
     .retries = 3,
     .run = lg_run_update,
     .settle = lg_settle_instance},
    {.name = "instance.suspend",
     .verb = LG_V_SUSPEND,
     .deadline_s = 300,
     .retries = 3,
     .run = lg_run_suspend,
     .settle = lg_settle_instance},
    {.name = "instance.wake",
     .verb = LG_V_WAKE,
     .deadline_s = 300,
     .retries = 3,
     .run = lg_run_wake,
     .settle = lg_settle_instance},
    {.name = "instance.reset",
     .verb = LG_V_RESET,
     .deadline_s = 60,
     .retries = 0,
     .run = lg_run_reset,
     .settle = lg_settle_instance},
    {.name = "instance.delete",
     .verb = LG_V_DELETE,
     .deadline_s = 120,
     .retries = 5,
     .run = lg_run_delete,
     .settle = lg_settle_instance},
    {.name = "image.pull",
     .subject = LG_ON_IMAGE,
     .retries = 3,
     .fetches = true,
     .run = lg_run_pull,
     .settle = lg_settle_image},
    {.name = "image.import",
     .subject = LG_ON_IMAGE,
     .retries = 6, /* the host's own come while the engine is still starting */
     .fetches = true,
     .run = lg_run_import,
     .settle = lg_settle_image},
    {.name = "image.fetch",
     .subject = LG_ON_IMAGE,
     .retries = 3,
     .fetches = true,
     .run = lg_run_fetch,
     .settle = lg_settle_image},
    {.name = "image.delete",
     .subject = LG_ON_IMAGE,
     .deadline_s = 120,
     .retries = 3,
     .run = lg_run_image_delete,
     .settle = lg_settle_image},
    {.name = "volume.create",
     .subject = LG_ON_VOLUME,
     .run = lg_run_volume_create,
     .settle = lg_settle_volume},
    {.name = "volume.resize",
     .subject = LG_ON_VOLUME,
     .run = lg_run_volume_resize,
     .settle = lg_settle_volume},
    {.name = "volume.delete",
     .subject = LG_ON_VOLUME,
     .run = lg_run_volume_delete,
     .settle = lg_settle_volume},
    {.name = "volume.attach",
     .verb = LG_V_UPDATE,
     .deadline_s = 300,
     .retries = 3,
     .run = lg_run_attach,
     .settle = lg_settle_attach},
    {.name = "network.attach",
     .verb = LG_V_UPDATE,
     .deadline_s = 60,
     .retries = 3,
     .run = lg_run_network_change,
     .settle = lg_settle_network_change},
    {.name = "network.detach",
     .verb = LG_V_UPDATE,
     .deadline_s = 60,
     .retries = 3,
     .run = lg_run_network_change,
     .settle = lg_settle_network_change},
    {.name = "volume.detach",
     .verb = LG_V_UPDATE,
     .deadline_s = 60,
     .retries = 3,
     .run = lg_run_detach,
     .settle = lg_settle_detach},
};

const struct lg_kind *lg_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(kinds[i].name, name))
            return &kinds[i];
    return NULL;
}

int lg_settle_alone(struct lg_db *db, const struct lg_operation *op, const struct lg_err *why,
                    struct lg_err *e)
{
    static struct lg_job j;
    const struct lg_kind *k = lg_kind_find(op->kind);
    if (!k || k->subject != LG_ON_INSTANCE || k->verb != LG_V_UPDATE)
        return 0;
    lg_cleanup_json json_t *params = lg_json_parse(op->params, strlen(op->params), 16, NULL);
    j = (struct lg_job){.db = db, .kind = k, .op = *op, .params = params};
    memcpy(j.in.id, op->instance_id, sizeof j.in.id);
    return k->settle(&j, why, e);
}

int64_t lg_kind_deadline_ms(const struct lg_kind *k, const struct lg_conf *c, const char *params)
{
    int64_t s =
        k->deadline_s && k->deadline_s < c->operation_timeout_s ? k->deadline_s : c->operation_timeout_s;
    if (k->waits) {
        lg_cleanup_json json_t *p = lg_json_parse(params, strlen(params), 8, NULL);
        json_t *t = json_object_get(p, "timeout");
        long otherwise = c->stop_timeout_s > c->vm_stop_timeout_s ? c->stop_timeout_s : c->vm_stop_timeout_s;
        s += json_is_integer(t) ? json_integer_value(t) : otherwise;
    }
    return s * 1000;
}
