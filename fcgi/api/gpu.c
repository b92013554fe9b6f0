#include "api/gpu.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool reads(const char *dir, const char *name, const char *file, const char *prefix)
{
    char path[PATH_MAX], text[16] = "";
    snprintf(path, sizeof path, "%s/%.64s/%s", dir, name, file);
    FILE *f = fopen(path, "re");
    bool yes = f && fgets(text, sizeof text, f) && !strncmp(text, prefix, strlen(prefix));
    if (f)
        fclose(f);
    return yes;
}

/* Display controllers in an IOMMU group: nothing else can be handed to a guest. */
static bool passable(const char *dir, const char *name)
{
    char group[PATH_MAX];
    snprintf(group, sizeof group, "%s/%.64s/iommu_group", dir, name);
    return isxdigit((unsigned char)*name) && strlen(name) < LG_GPU_LEN && reads(dir, name, "class", "0x03") &&
           !access(group, F_OK);
}

/* Calls fn until it returns other than 0; how often it was called, or what it returned if that is negative.
 */
static int each(const struct lg_conf *c, int (*fn)(void *arg, const char *address), void *arg)
{
    DIR *d = opendir(c->pci_devices);
    int n = 0, rc = 0;
    for (const struct dirent *f; d && !rc && (f = readdir(d));)
        if (passable(c->pci_devices, f->d_name)) {
            n++;
            rc = fn ? fn(arg, f->d_name) : 0;
        }
    if (d)
        closedir(d);
    return rc < 0 ? rc : n;
}

int lg_gpu_count(const struct lg_conf *c)
{
    return each(c, NULL, NULL);
}

int lg_gpu_check(const struct lg_conf *c, const struct lg_flavor *f, const char *type, struct lg_err *e)
{
    if (!f->gpus)
        return 0;
    if (strcmp(type, "vm"))
        return lg_fail_field(e, LG_INVALID, "flavor",
                             "passes a GPU through, which only a virtual machine can take");
    int host = lg_gpu_count(c);
    if (host >= f->gpus)
        return 0;
    lg_fail(e, LG_UNSUPPORTED, "flavor %s needs %lld GPU%s to pass through; this host has %d", f->name,
            (long long)f->gpus, f->gpus == 1 ? "" : "s", host);
    lg_err_detail(e, "field", "flavor");
    return lg_err_detail(e, "reason", "%s", "no display controller in an IOMMU group of its own");
}

struct search {
    struct lg_db *db;
    char *out;
    struct lg_err *e;
};

static int take_if_free(void *arg, const char *address)
{
    struct search *s = arg;
    int rc = lg_instance_has_gpu(s->db, address, s->e);
    if (rc)
        return rc < 0 ? rc : 0;
    snprintf(s->out, LG_GPU_LEN, "%s", address);
    return 1;
}

int lg_gpu_take(struct lg_db *db, const struct lg_conf *c, char out[LG_GPU_LEN], struct lg_err *e)
{
    *out = 0;
    int n = each(c, take_if_free, &(struct search){db, out, e});
    if (n < 0 || *out)
        return n < 0 ? n : 0;
    lg_fail(e, LG_LIMIT, "every GPU of this host is taken: all %d of them have been passed through", n);
    lg_err_detail(e, "limit", "gpus");
    lg_err_detail(e, "total", "%d", n);
    lg_err_detail(e, "used", "%d", n);
    lg_err_detail(e, "requested", "1");
    return lg_err_detail(e, "scope", "host");
}
