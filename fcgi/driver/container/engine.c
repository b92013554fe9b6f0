#include "driver/container/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/id.h"
#include "base/buf.h"
#include "base/fd.h"

int lg_engine_socket(const struct lg_conf *c, char *out, size_t cap, struct lg_err *e)
{
    int n = *c->engine_socket ? snprintf(out, cap, "%s", c->engine_socket)
                              : snprintf(out, cap, "%s/run/podman.sock", c->state_dir);
    if (n < 0 || (size_t)n >= cap || (size_t)n >= sizeof((struct sockaddr_un *)0)->sun_path)
        return lg_fail(e, LG_INVALID,
                       "the engine's socket path is too long: choose a shorter state directory");
    return 0;
}

/*
 * Podman recognises a reboot by files that vanished with it, so these live in /run and not in the state
 * directory: else it would believe that the containers of before the reboot still run.
 */
void lg_engine_run_dir(const struct lg_conf *c, char *out, size_t cap)
{
    snprintf(out, cap, "/run/lodge-engine-%08x", lg_name_hash(c->state_dir));
}

static int make_dir(const char *path, mode_t mode, struct lg_err *e)
{
    if (mkdir(path, mode) && errno != EEXIST)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", path);
    return 0;
}

/* Replaces the file at once, so that a reader never sees half of it. */
static int write_file(const char *path, const struct lg_buf *b, struct lg_err *e)
{
    char tmp[PATH_MAX];
    snprintf(tmp, sizeof tmp, "%s.new", path);
    if (b->failed)
        return lg_fail(e, LG_INTERNAL, "no memory for %s", path);
    lg_cleanup_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, b->data, b->len) != (ssize_t)b->len || rename(tmp, path))
        return lg_fail_errno(e, LG_INTERNAL, "cannot write %s", path);
    return 0;
}

/* A TOML string: paths come from the administrator, but may hold quotes. */
static void toml(struct lg_buf *b, const char *key, const char *dir, const char *rest)
{
    lg_buf_fmt(b, "%s = \"", key);
    for (const char *s = dir; *s; s++) {
        if (*s == '"' || *s == '\\')
            lg_buf_char(b, '\\');
        lg_buf_char(b, *s);
    }
    lg_buf_fmt(b, "%s\"\n", rest);
}

/*
 * Soft and hard limits are equal because the engine swaps unequal ones and then no container starts. The log
 * is capped: an instance must not fill the host's disk with it.
 */
static void containers_conf(struct lg_buf *b, const char *dir, const char *run)
{
    lg_buf_str(b, "# Written by Lodge at every start; changes here are lost.\n[containers]\n"
                  "default_ulimits = [\"nofile=20000:20000\", \"nproc=4096:4096\"]\n"
                  "log_driver = \"k8s-file\"\nlog_size_max = 16777216\n\n"
                  "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n");
    /* This and no other: conmon's clean-up command, which does the restarts, is told the storage root alone.
     */
    toml(b, "static_dir", dir, "/storage/libpod");
    toml(b, "volume_path", dir, "/volumes");
    toml(b, "tmp_dir", run, "/libpod");
    lg_buf_str(b, "\n[network]\nnetwork_backend = \"netavark\"\n");
    toml(b, "network_config_dir", dir, "/networks");
    /* The engine's default network, which Lodge never uses, must not take a part of the tenants' pool. */
    lg_buf_str(b, "default_subnet = \"198.51.100.0/24\"\n");
}

static void storage_conf(struct lg_buf *b, const char *dir, const char *run)
{
    lg_buf_str(
        b, "# Written by Lodge at every start; changes here are lost.\n[storage]\ndriver = \"overlay\"\n");
    toml(b, "graphroot", dir, "/storage");
    toml(b, "runroot", run, "/storage");
}

static int write_all(const struct lg_conf *c, const char *dir, const char *run, struct lg_err *e)
{
    char path[PATH_MAX];
    lg_cleanup_buf struct lg_buf conf = {0}, storage = {0}, registries = {0};
    containers_conf(&conf, dir, run);
    storage_conf(&storage, dir, run);
    lg_buf_str(&registries,
               "# Yours to edit: registries and mirrors of the private engine.\n"
               "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"permissive\"\n");
    int rc = write_file(lg_conf_path(c, path, sizeof path, "engine/containers.conf"), &conf, e);
    if (!rc)
        rc = write_file(lg_conf_path(c, path, sizeof path, "engine/storage.conf"), &storage, e);
    if (!rc && access(lg_conf_path(c, path, sizeof path, "engine/registries.conf"), F_OK))
        rc = write_file(path, &registries, e);
    return rc;
}

static void command(struct lg_engine_cmd *out, const char *dir)
{
    snprintf(out->url, sizeof out->url, "unix://%s", out->socket);
    snprintf(out->conf_env, sizeof out->conf_env, "CONTAINERS_CONF=%s/containers.conf", dir);
    snprintf(out->storage_env, sizeof out->storage_env, "CONTAINERS_STORAGE_CONF=%s/storage.conf", dir);
    snprintf(out->registries_env, sizeof out->registries_env, "CONTAINERS_REGISTRIES_CONF=%s/registries.conf",
             dir);
    snprintf(out->tmp_env, sizeof out->tmp_env, "TMPDIR=%s/tmp", dir);
    const char *argv[] = {"podman", "--log-level=error", "system", "service", "--time=0", out->url, NULL};
    const char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "HOME=/root",
                         "LANG=C.UTF-8",
                         "GOGC=20", /* ports of failed starts are freed by its garbage collector alone */
                         out->conf_env,
                         out->storage_env,
                         out->registries_env,
                         out->tmp_env,
                         NULL};
    memcpy(out->argv, argv, sizeof argv);
    memcpy(out->env, env, sizeof env);
}

int lg_engine_prepare(const struct lg_conf *c, struct lg_engine_cmd *out, struct lg_err *e)
{
    memset(out, 0, sizeof *out);
    if (*c->engine_socket)
        return lg_fail(e, LG_UNSUPPORTED, "engine_socket names an engine that Lodge does not run");
    int rc = lg_engine_socket(c, out->socket, sizeof out->socket, e);
    if (rc)
        return rc;
    char dir[PATH_MAX], path[PATH_MAX], run[64];
    lg_conf_path(c, dir, sizeof dir, "engine");
    lg_engine_run_dir(c, run, sizeof run);
    if (strlen(dir) + 64 > LG_ENGINE_PATH_LEN)
        return lg_fail(e, LG_INVALID, "the state directory's path is too long for the engine");
    rc = make_dir(c->state_dir, 0755, e);
    if (!rc)
        rc = make_dir(lg_conf_path(c, path, sizeof path, "run"), 0755, e);
    if (!rc)
        rc = make_dir(dir, 0711, e);
    if (!rc)
        rc = make_dir(run, 0711, e);
    if (!rc)
        rc = make_dir(lg_conf_path(c, path, sizeof path, "engine/tmp"), 0700, e);
    if (!rc)
        rc = write_all(c, dir, run, e);
    if (!rc)
        command(out, dir);
    return rc;
}

void lg_engine_tidy(const struct lg_conf *c)
{
    char path[PATH_MAX];
    DIR *all = opendir(lg_conf_path(c, path, sizeof path, "engine/tmp"));
    for (const struct dirent *f; all && (f = readdir(all));)
        if (f->d_type == DT_REG)
            unlinkat(dirfd(all), f->d_name, 0);
    if (all)
        closedir(all);
}
