/*
 * The reconcilers' part in volumes: after a reboot, or when an engine has started a container by itself,
 * mounts come back; places of deleted instances and of what was detached go. Files are never touched here:
 * one that nobody knows is shown by `lodge doctor`.
 */
#include <string.h>

#include "base/log.h"
#include "job/reconcile.h"

/* Whoever works on it does this, too, and knows more. */
static bool at_work(struct lg_rec *rec, const char *id)
{
    struct lg_operation op;
    return lg_operation_open_of(rec->db, id, &op, NULL) != 0;
}

void lg_volumes_keep_one(struct lg_rec *rec, const char *instance_id)
{
    struct lg_err e = {0};
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_inst_status st;
    const struct lg_driver *d;
    struct lg_engine *g;
    if (!lg_id_valid(instance_id) || lg_instance_get(rec->db, "", instance_id, &in, NULL) ||
        lg_attachment_load(rec->db, &in, NULL) || !in.attachment_count || in.state != LG_ST_RUNNING ||
        at_work(rec, in.id) || lg_rec_engine(rec, in.backend, &d, &g, NULL))
        return;
    int rc = d->inspect(g, in.id, &st, &e);
    if (!rc && st.run == LG_RUN_RUNNING) {
        rc = lg_volumes_ready(&rec->engines.ctx, rec->db, &in, &e);
        if (!rc)
            rc = lg_volumes_live(&rec->engines.ctx, &in, st.pid, &e);
    }
    if (rc && rc != -(int)LG_UNAVAILABLE)
        lg_log(LG_WARN, "an instance's volumes could not be mounted; the next round tries again", "instance",
               in.id, "error", e.msg, NULL);
}

/* A place that nobody needs any more. What a deleted instance had, and what was detached before its engine
 * knew. */
static void judge(void *arg, const char *instance_id, int number)
{
    struct lg_rec *rec = arg;
    lg_cleanup_instance struct lg_instance in = {0};
    int rc = lg_instance_get(rec->db, "", instance_id, &in, NULL);
    bool gone = rc == -(int)LG_NO_INSTANCE && lg_tombstone_exists(rec->db, instance_id);
    if ((rc && !gone) || (!rc && (at_work(rec, in.id) || lg_attachment_load(rec->db, &in, NULL))))
        return;
    for (int i = 0; i < in.attachment_count; i++)
        if (in.attachments[i].number == number)
            return;
    struct lg_err e = {0};
    if (lg_place_drop(&rec->engines.ctx, instance_id, gone ? -1 : number, &e))
        lg_log_err(LG_WARN, "a place of a volume could not be cleared; the next round tries again", &e);
}

void lg_volumes_keep(struct lg_rec *rec)
{
    lg_cleanup_ids struct lg_ids l = {0};
    if (!lg_attachment_instances(rec->db, lg_ids_add, &l, NULL))
        for (int i = 0; i < l.count; i++)
            lg_volumes_keep_one(rec, l.at[i]);
    if (rec->host)
        lg_place_each(rec->r->conf, judge, rec);
}
