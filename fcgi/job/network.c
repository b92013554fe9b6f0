/*
 * Tenants' own networks: what an instance on them needs before and after it starts, cards that are attached
 * and detached, and the reconciler's part in it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "driver/network/own.h"
#include "job/reconcile.h"
#include "store/network.h"

#define REMOVALS_MAX 32

/* ---- what instances need ---- */

int lg_networks_ready(const struct lg_driver_ctx *ctx, const struct lg_instance *in, struct lg_err *e)
{
    int rc = 0;
    char bridge[16];
    for (int i = 0; !rc && i < in->nic_count; i++) {
        lg_own_bridge(ctx->site, in->nics[i].network_number, bridge);
        if (!in->nics[i].detaching)
            rc = lg_own_network_ensure(ctx, bridge, e);
    }
    return rc;
}

/* One at a time: an operation and the reconciler that see the same start would both make the card, and one
 * takes away what the other makes. A descriptor that holds the lock, or a negative code. */
static int lock_cards(const struct lg_driver_ctx *ctx, struct lg_err *e)
{
    char path[PATH_MAX];
    mkdir(lg_conf_path(ctx->conf, path, sizeof path, "run"), 0755);
    int fd = open(lg_conf_path(ctx->conf, path, sizeof path, "run/cards.lock"),
                  O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && !flock(fd, LOCK_EX))
        return fd;
    lg_fd_close(&fd);
    return lg_fail_errno(e, LG_INTERNAL, "cannot lock %s", path);
}

static int sync_cards(const struct lg_driver_ctx *ctx, const struct lg_instance *in, int64_t pid,
                      struct lg_err *e)
{
    struct lg_card cards[LG_NICS_MAX];
    char bridge[LG_NICS_MAX][16], name[LG_NICS_MAX][16], mac[LG_NICS_MAX][18];
    if (strcmp(in->type, "container"))
        return 0;
    for (int i = 0; i < in->nic_count; i++) {
        const struct lg_nic *c = &in->nics[i];
        lg_own_bridge(ctx->site, c->network_number, bridge[i]);
        lg_own_nic(ctx->site, c->seq, name[i], mac[i]);
        cards[i] = (struct lg_card){.bridge = c->detaching ? NULL : bridge[i],
                                    .host_name = name[i],
                                    .mac = mac[i],
                                    .address = c->address,
                                    .prefix = c->prefix,
                                    .position = c->position};
    }
    return lg_cards_sync(pid, cards, in->nic_count, e);
}

int lg_networks_live(const struct lg_driver_ctx *ctx, const struct lg_instance *in, int64_t pid,
                     struct lg_err *e)
{
    lg_cleanup_fd int lock = lock_cards(ctx, e);
    return lock < 0 ? lock : sync_cards(ctx, in, pid, e);
}

/* ---- operations ---- */

static const char *network_of(const struct lg_job *j)
{
    const char *id = json_string_value(json_object_get(j->params, "network"));
    return id ? id : "";
}

/* Attach or detach: the rows say which. */
int lg_run_network_change(struct lg_job *j, struct lg_err *e)
{
    const struct lg_inst_status *st = &j->truth.st;
    int rc = lg_networks_ready(&j->engines->ctx, &j->in, e);
    if (!rc)
        rc = lg_truth_ask(&j->truth, j->d, j->g, j->in.id, false, e);
    if (rc)
        return rc;
    if (!strcmp(j->in.type, "vm"))
        return lg_devices_live(j, strcmp(j->kind->name, "network.attach") != 0, e);
    if (st->run == LG_RUN_RUNNING || st->run == LG_RUN_PAUSED)
        return lg_networks_live(&j->engines->ctx, &j->in, st->pid, e);
    lg_job_log(j, "the instance is so from its next start on");
    return 0;
}

/* Both as they are now; 1 when one of them is gone: nothing is left to do. */
static int both(struct lg_job *j, struct lg_instance *in, struct lg_network *n, struct lg_err *e)
{
    int rc = lg_instance_get(j->db, "", j->op.instance_id, in, e);
    if (!rc)
        rc = lg_network_get(j->db, network_of(j), n, e);
    if (rc != -(int)LG_NO_INSTANCE && rc != -(int)LG_NOT_FOUND)
        return rc;
    lg_err_clear(e);
    return 1;
}

int lg_settle_network_change(struct lg_job *j, const struct lg_err *why, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_network n;
    bool attach = !strcmp(j->kind->name, "network.attach");
    int rc = both(j, &in, &n, e);
    if (rc)
        return rc < 0 ? rc : 0;
    if (attach ? why != NULL : why == NULL)
        return lg_nic_remove(j->db, &in, &n, e);
    if (attach)
        return 0;
    rc = lg_nic_set_detaching(j->db, in.id, n.id, false, NULL);
    return rc == -(int)LG_NOT_FOUND ? 0 : rc;
}

/* ---- the reconciler ---- */

/*
 * Its bridges, or with the first process of a container the cards in it. The lock is held from before the
 * rows are read: what an operation has detached since is not made again. No engine is asked under it, or one
 * that hangs would stop every start that has cards to make. 1: a container, so there are cards to see to.
 */
static int keep(struct lg_rec *rec, const char *instance_id, int64_t pid, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_operation op;
    const struct lg_driver *d;
    struct lg_engine *g;
    lg_cleanup_fd int lock = lock_cards(&rec->engines.ctx, e);
    if (lock < 0 || lg_instance_get(rec->db, "", instance_id, &in, NULL) || in.state != LG_ST_RUNNING ||
        lg_rec_engine(rec, in.backend, &d, &g, NULL) || lg_nic_load(rec->db, &in, NULL) || !in.nic_count ||
        lg_operation_open_of(rec->db, in.id, &op, NULL))
        return lock < 0 ? lock : 0;
    int rc = pid ? sync_cards(&rec->engines.ctx, &in, pid, e) : lg_networks_ready(&rec->engines.ctx, &in, e);
    return rc ? rc : !strcmp(in.type, "container");
}

void lg_networks_keep_one(struct lg_rec *rec, const char *instance_id)
{
    struct lg_err e = {0};
    struct lg_inst_status st = {.run = LG_RUN_ABSENT};
    const struct lg_driver *d = rec->r->driver[rec->driver];
    struct lg_engine *g;
    int rc = lg_id_valid(instance_id) ? keep(rec, instance_id, 0, &e) : 0;
    if (rc > 0 && !(rc = lg_engines_get(&rec->engines, d->backend, &d, &g, &e)))
        rc = d->inspect(g, instance_id, &st, &e);
    if (!rc && st.run == LG_RUN_RUNNING && st.pid)
        rc = keep(rec, instance_id, st.pid, &e);
    if (rc < 0 && rc != -(int)LG_UNAVAILABLE)
        lg_log(LG_WARN, "an instance's cards could not be made; the next round tries again", "instance",
               instance_id, "error", e.msg, NULL);
}

/* Their numbers are nobody's until then. */
void lg_networks_remove(struct lg_rec *rec)
{
    int number[REMOVALS_MAX], n = lg_network_removal_list(rec->db, number, REMOVALS_MAX, NULL);
    for (int i = 0; i < n; i++) {
        char bridge[16];
        int64_t left = 1;
        struct lg_err e = {0};
        lg_own_bridge(rec->r->site, number[i], bridge);
        lg_cleanup_fd int lock = lock_cards(&rec->engines.ctx, NULL); /* no reconciler makes it again */
        if (lock < 0 || lg_network_count_all(rec->db, &left, NULL))
            continue;
        if (lg_own_network_remove(&rec->engines.ctx, bridge, !left && i == n - 1, &e)) {
            lg_log_err(LG_WARN, "a deleted network's bridge cannot be removed yet", &e);
            continue;
        }
        if (!lg_tx_write(rec->db, NULL) && !lg_network_removal_clear(rec->db, number[i], NULL))
            lg_tx_commit(rec->db, NULL);
        lg_tx_rollback(rec->db);
    }
}

void lg_networks_keep(struct lg_rec *rec)
{
    lg_cleanup_ids struct lg_ids l = {0};
    if (!lg_nic_instances(rec->db, lg_ids_add, &l, NULL))
        for (int i = 0; i < l.count; i++)
            lg_networks_keep_one(rec, l.at[i]);
}
