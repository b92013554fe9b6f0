/* Disks and cards of a virtual machine that come and go while it runs. */
#include <string.h>

#include "job/job.h"

static bool is_up(enum lg_run run)
{
    return run == LG_RUN_RUNNING || run == LG_RUN_PAUSED;
}

/* What its guest must let go of, or its memory on disk knows, cannot be taken away behind its back. */
static int check_goes(const struct lg_job *j, struct lg_err *e)
{
    enum lg_run run = j->truth.st.run;
    if (run == LG_RUN_ASLEEP)
        return lg_fail(e, LG_STATE, "wake or stop %s first: a sleeping virtual machine keeps its devices",
                       j->in.name);
    if (run == LG_RUN_PAUSED)
        return lg_fail(e, LG_STATE, "unpause %s first: a paused virtual machine keeps its devices",
                       j->in.name);
    if (run == LG_RUN_RUNNING && !j->d->devices)
        return lg_fail(e, LG_STATE, "stop %s first: a running virtual machine keeps its devices", j->in.name);
    return 0;
}

int lg_devices_live(struct lg_job *j, bool goes, struct lg_err *e)
{
    struct lg_spec s;
    int rc = goes ? check_goes(j, e) : 0;
    if (rc)
        return rc;
    if (!is_up(j->truth.st.run) || !j->d->devices) {
        lg_job_log(j, "the instance is so from its next start on");
        return 0;
    }
    rc = lg_spec_make(&s, j->runner, &j->in, e);
    if (!rc)
        rc = j->d->devices(j->g, &s.inst, e);
    lg_spec_done(&s);
    if (!rc)
        lg_job_log(j, goes ? "the running machine has let go of it" : "the running machine has it");
    return rc;
}
