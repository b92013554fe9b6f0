/* lodge-runner: the only process that touches engines. Settings, keys, drivers; then job/master.c. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "driver/calls.h"
#include "job/job.h"
#include "sandbox/pool.h"

/* Group whose members may ring and ask for streams: run_user's, when this is root and there is such a user.
 */
static int socket_group(const struct lg_conf *c)
{
    const struct passwd *p = geteuid() == 0 && *c->run_user ? getpwnam(c->run_user) : NULL;
    return p ? (int)p->pw_gid : -1;
}

static int add_driver(void *arg, const struct lg_driver *d)
{
    struct lg_runner *r = arg;
    if (r->drivers < LG_DRIVERS_MAX)
        r->driver[r->drivers++] = d;
    return 0;
}

/* `lodge up` has made them long since; a runner started alone makes what is missing. */
static int make_folder(const struct lg_conf *c, const char *name, mode_t mode, int gid, struct lg_err *e)
{
    char path[PATH_MAX];
    lg_conf_path(c, path, sizeof path, name);
    if (mkdir(path, mode))
        return errno == EEXIST ? 0 : lg_fail_errno(e, LG_INTERNAL, "cannot make %s", path);
    if (gid >= 0 && chown(path, (uid_t)-1, (gid_t)gid))
        return lg_fail_errno(e, LG_INTERNAL, "cannot give %s to group %d", path, gid);
    return 0;
}

static int set_up(struct lg_runner *r, struct lg_conf *c, struct lg_err *e)
{
    char path[PATH_MAX];
    int rc = lg_conf_load(c, e);
    if (rc)
        return rc;
    lg_log_init("lodge-runner", c->log_debug ? LG_DEBUG : LG_INFO);
    *r = (struct lg_runner){.conf = c, .gid = socket_group(c), .lock_fd = -1, .sandbox = lg_sandbox_main};
    if ((rc = lg_crypto_init(e)) || (rc = lg_driver_each(c, add_driver, r, e)))
        return rc;
    if ((rc = make_folder(c, "run", 0770, r->gid, e)) || (rc = make_folder(c, "keys", 0700, -1, e)))
        return rc;
    if (lg_calls_start(c, r->gid, e)) { /* a full disk: engine calls are made, and not counted */
        lg_log_err(LG_WARN, "engine calls are not counted", e);
        lg_err_clear(e);
    }
    return lg_key_load_or_make(&r->env_key, lg_conf_path(c, path, sizeof path, "keys/env.key"), r->gid, e);
}

int main(void)
{
    static struct lg_conf conf;
    static struct lg_runner runner;
    struct lg_err e = {0};
    lg_log_init("lodge-runner", LG_INFO);
    int rc = set_up(&runner, &conf, &e);
    if (!rc)
        rc = lg_master_main(&runner, &e);
    if (rc)
        lg_log_err(LG_ERROR, "lodge-runner cannot run", &e);
    return rc ? 1 : 0;
}
