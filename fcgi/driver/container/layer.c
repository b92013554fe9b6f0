#include "driver/container/layer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "driver/container/quirks.h"
#include "driver/container/usage.h"
#include "driver/container/walk.h"

/* ---- can it be hard? ---- */

static bool has_option(const char *options, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = options; (p = strstr(p, name)); p += n)
        if ((p == options || p[-1] == ',') && (!p[n] || strchr(",\n ", p[n])))
            return true;
    return false;
}

/* "36 35 98:0 /sub /at rw,… shared:1 - xfs /dev/x rw,prjquota": what is optional stands before the dash. */
bool lg_layer_mount(const char *line, char *mount_point, size_t cap)
{
    char at[PATH_MAX], kind[32], options[512];
    const char *dash = strstr(line, " - ");
    if (!dash || sscanf(line, "%*d %*d %*s %*s %4095s", at) != 1 ||
        sscanf(dash, " - %31s %*s %511s", kind, options) != 2)
        return false;
    snprintf(mount_point, cap, "%s", at);
    return !strcmp(kind, "xfs") && (has_option(options, "prjquota") || has_option(options, "pquota"));
}

static bool quota_on_device_of(const char *root)
{
    char line[8192], at[PATH_MAX];
    struct stat st, mount;
    bool found = false;
    FILE *f = stat(root, &st) ? NULL : fopen("/proc/self/mountinfo", "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = lg_layer_mount(line, at, sizeof at) && !stat(at, &mount) && mount.st_dev == st.st_dev;
    if (f)
        fclose(f);
    return found;
}

/* Where it keeps layers, if by overlay; "" otherwise. */
static void layers_root(struct lg_engine *g, char *out, size_t cap)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    *out = 0;
    if (lg_callf(g, &reply, NULL, "GET", NULL, "/info") != 200)
        return;
    lg_cleanup_json json_t *o = lg_call_json(&reply, NULL);
    if (!strncmp(lg_json_text(o, "Driver"), "overlay", 7))
        snprintf(out, cap, "%s", lg_json_text(o, "DockerRootDir"));
}

bool lg_layer_is_hard(struct lg_engine *g)
{
    char root[PATH_MAX];
    if (g->layers == LG_LAYERS_UNKNOWN) {
        layers_root(g, root, sizeof root);
        g->layers = *root && quota_on_device_of(root) ? LG_LAYERS_HARD : LG_LAYERS_WATCHED;
    }
    return g->layers == LG_LAYERS_HARD;
}

/* ---- measuring ---- */

static void add_unlinked(void *arg, int64_t pid)
{
    lg_walk_unlinked(pid, arg);
}

int lg_ct_layer(struct lg_engine *g, const char *id, struct lg_layer *out, struct lg_err *e)
{
    static struct lg_unlinked unlinked;
    const struct lg_seen *seen;
    memset(out, 0, sizeof *out);
    int rc = lg_ct_seen(g, id, &seen, e);
    if (rc)
        return rc;
    if (!*seen->upper)
        return lg_fail(e, LG_UNSUPPORTED, "the container engine does not say where it keeps the layer");
    rc = lg_walk_bytes(seen->upper, g->ctx.cancel, &out->bytes, e);
    if (rc)
        return rc;
    unlinked.count = 0;
    unlinked.bytes = 0;
    lg_ct_processes(seen, add_unlinked, &unlinked);
    out->bytes += unlinked.bytes;
    out->hard = lg_layer_is_hard(g);
    return 0;
}
