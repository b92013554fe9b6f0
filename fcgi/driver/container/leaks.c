#include "driver/container/leaks.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "driver/container/addresses.h"

#define NETNS_DIR   "/run/netns"
#define RUNTIME_DIR "/run/runc"
#define PROGRAM_MS  20000
#define DEATH_MS    10000
#define TAKEN       "is already allocated to container ID "

static int run(const char *const *argv, struct lg_buf *out)
{
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1, .die_with_parent = 1};
    return lg_proc_run(&p, PROGRAM_MS, out, NULL, NULL);
}

/* Is the host's interface with this index a member of the bridge? */
static bool on_bridge(const char *bridge, int64_t index)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/class/net/%s/brif", bridge);
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *f; d && !found && (f = readdir(d));) {
        char file[300];
        long long n = 0;
        snprintf(file, sizeof file, "/sys/class/net/%s/ifindex", f->d_name);
        FILE *in = f->d_name[0] == '.' ? NULL : fopen(file, "re");
        found = in && fscanf(in, "%lld", &n) == 1 && n == index;
        if (in)
            fclose(in);
    }
    if (d)
        closedir(d);
    return found;
}

/* Does this name space hold an interface on the bridge, with this MAC (NULL: any)? */
static bool hangs_on(const char *name, const char *bridge, const char *mac)
{
    const char *const argv[] = {"ip", "-n", name, "-j", "link", NULL};
    lg_cleanup_buf struct lg_buf out = {0};
    size_t i;
    json_t *link;
    if (run(argv, &out))
        return false;
    lg_cleanup_json json_t *all = json_loadb(lg_buf_cstr(&out), out.len, 0, NULL);
    json_array_foreach(all, i, link) if ((!mac || !strcmp(lg_json_text(link, "address"), mac)) &&
                                         on_bridge(bridge, lg_member_int(link, "link_index"))) return true;
    return false;
}

static void sweep(const char *bridge, const char *mac)
{
    DIR *d = opendir(NETNS_DIR);
    for (struct dirent *f; d && (f = readdir(d));) {
        const char *const argv[] = {"ip", "netns", "delete", f->d_name, NULL};
        if (f->d_name[0] != '.' && hangs_on(f->d_name, bridge, mac))
            run(argv, NULL);
    }
    if (d)
        closedir(d);
}

static bool private_podman(const struct lg_engine *g)
{
    return g->kind == LG_ENGINE_PODMAN && !*g->ctx.conf->engine_socket;
}

/* A reference goes into a path and to the runtime: the engine's own 64 hex digits only. */
static bool valid_ref(const char *ref)
{
    return strlen(ref) == 64 && strspn(ref, "0123456789abcdef") == 64;
}

void lg_leak_end(struct lg_engine *g, const char *ref)
{
    char path[128];
    const char *const argv[] = {"runc", "delete", "--force", ref, NULL};
    snprintf(path, sizeof path, RUNTIME_DIR "/%.64s", ref);
    if (private_podman(g) && valid_ref(ref) && !access(path, F_OK))
        run(argv, NULL);
}

static bool in_cgroup_of(int64_t pid, const char *ref)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%lld/cgroup", (long long)pid);
    FILE *f = fopen(path, "re");
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f))
        found = strstr(line, ref) != NULL;
    if (f)
        fclose(f);
    return found;
}

int lg_leak_kill(const struct lg_inst_status *st, struct lg_err *e)
{
    if (st->pid <= 1 || !st->ref[0])
        return 0;
    /* The descriptor first: what it names cannot become another process between the look and the signal. */
    lg_cleanup_fd int fd = pidfd_open((pid_t)st->pid, 0);
    if (fd < 0 || !in_cgroup_of(st->pid, st->ref) || pidfd_send_signal(fd, SIGKILL, NULL, 0))
        return 0;
    struct pollfd p = {fd, POLLIN, 0};
    while (poll(&p, 1, DEATH_MS) < 0)
        if (errno != EINTR)
            break;
    return p.revents ? 0 : lg_fail(e, LG_TIMEOUT, "the instance's process does not end though it was killed");
}

/* The caller knows that no container of this address runs: Lodge gives each to one instance, and this one is
 * down. */
bool lg_leak_free(struct lg_engine *g, const struct lg_inst_spec *s, const char *ref, const char *message)
{
    const char *owner = strstr(message, TAKEN);
    if (!private_podman(g) || !s->mac)
        return false;
    if (strstr(message, "container with given ID already exists")) {
        lg_leak_end(g, ref);
        return true;
    }
    if (!owner)
        return false;
    sweep(s->net.bridge, s->mac);
    return lg_address_forget(owner + strlen(TAKEN), s->address);
}

bool lg_leak_half_removed(struct lg_engine *g, int status, const struct lg_buf *reply)
{
    static const char says[] = "getting container from store ";
    const char *at = status == 500 ? strstr(lg_buf_cstr(reply), says) : NULL;
    char ref[65] = "";
    if (!at || !strstr(at, "container not known") || !private_podman(g))
        return false;
    at += sizeof says - 1;
    at += strspn(at, "\\\"");
    snprintf(ref, sizeof ref, "%.64s", at);
    lg_cleanup_buf struct lg_buf answer = {0};
    return valid_ref(ref) &&
           lg_callf(g, &answer, NULL, "DELETE", NULL, "/containers/%s?force=true&v=true", ref) / 100 == 2;
}

void lg_leak_sweep(struct lg_engine *g, const struct lg_net_spec *net)
{
    if (private_podman(g))
        sweep(net->bridge, NULL);
}
