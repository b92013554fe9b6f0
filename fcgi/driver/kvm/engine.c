#include "driver/kvm/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/id.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/proc.h"

#define LIBVIRTD  "/usr/sbin/libvirtd"
#define QEMU      "/usr/bin/qemu-system-x86_64"
#define KVM_MAJOR 10
#define KVM_MINOR 232

/* libvirt recognises a reboot by what vanished from /run with it. */
void lg_vm_run_dir(const struct lg_conf *c, char *out, size_t cap)
{
    snprintf(out, cap, "/run/lodge-vm-%08x", lg_name_hash(c->state_dir));
}

void lg_vm_uri(const struct lg_conf *c, char out[LG_VM_URI_LEN])
{
    char run[64];
    if (*c->libvirt_uri) {
        snprintf(out, LG_VM_URI_LEN, "%s", c->libvirt_uri);
        return;
    }
    lg_vm_run_dir(c, run, sizeof run);
    snprintf(out, LG_VM_URI_LEN, "qemu+unix:///system?socket=%s/libvirt/libvirt-sock", run);
}

bool lg_vm_private(const struct lg_conf *c, uid_t *uid, gid_t *gid)
{
    char room[1024];
    struct passwd p, *found = NULL;
    if (*c->libvirt_uri || getpwnam_r(LG_VM_USER, &p, room, sizeof room, &found) || !found)
        return false;
    *uid = p.pw_uid;
    *gid = p.pw_gid;
    return true;
}

static bool enabled(const struct lg_conf *c)
{
    for (const char *p = c->drivers; *p; p += strcspn(p, ","), p += *p == ',')
        if (!strncmp(p, "kvm", 3) && (!p[3] || p[3] == ','))
            return true;
    return false;
}

int lg_vm_engine_wanted(const struct lg_conf *c, struct lg_err *e)
{
    uid_t uid;
    gid_t gid;
    if (!enabled(c))
        return lg_fail(e, LG_UNSUPPORTED, "the setting drivers does not have kvm");
    if (*c->libvirt_uri)
        return lg_fail(e, LG_UNSUPPORTED, "libvirt_uri names a libvirt that Lodge does not run");
    if (geteuid())
        return lg_fail(e, LG_UNAVAILABLE, "virtual machines need a Lodge that runs as root, or libvirt_uri");
    if (access(LIBVIRTD, X_OK))
        return lg_fail(e, LG_UNAVAILABLE, "%s is not there (Debian: libvirt-daemon)", LIBVIRTD);
    if (access(QEMU, X_OK))
        return lg_fail(e, LG_UNAVAILABLE, "%s is not there (Debian: qemu-system-x86)", QEMU);
    if (!lg_vm_private(c, &uid, &gid))
        return lg_fail(e, LG_UNAVAILABLE, "the user " LG_VM_USER " does not exist (systemd/setup makes it)");
    return 0;
}

bool lg_vm_hosted(const struct lg_conf *c)
{
    struct lg_err e = {0};
    return enabled(c) && (*c->libvirt_uri || !lg_vm_engine_wanted(c, &e));
}

/* ---- becoming it ---- */

static int make_dir(const char *path, mode_t mode, struct lg_err *e)
{
    if (mkdir(path, mode) && errno != EEXIST)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", path);
    return 0;
}

static int write_file(const char *dir, const char *name, const char *text, struct lg_err *e)
{
    char path[PATH_MAX], tmp[PATH_MAX];
    size_t n = strlen(text);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= PATH_MAX ||
        snprintf(tmp, sizeof tmp, "%s/%s.new", dir, name) >= PATH_MAX)
        return lg_fail(e, LG_INTERNAL, "the state directory's path is too long");
    lg_cleanup_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n || rename(tmp, path))
        return lg_fail_errno(e, LG_INTERNAL, "cannot write %s", path);
    return 0;
}

static const char libvirtd_conf[] = "# Written by Lodge at every start; changes here are lost.\n"
                                    "unix_sock_dir = \"/run/libvirt\"\n"
                                    "unix_sock_rw_perms = \"0600\"\nunix_sock_ro_perms = \"0600\"\n"
                                    "auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n"
                                    "max_clients = 1000\nlog_filters = \"3:util 4:conf\"\n"
                                    "log_outputs = \"3:stderr\"\n";

/* Disks are given to QEMU's user by the driver, templates never: a guest that breaks out must not own them.
 */
static const char qemu_conf[] = "# Written by Lodge at every start; changes here are lost.\n"
                                "user = \"" LG_VM_USER "\"\ngroup = \"" LG_VM_USER "\"\n"
                                "dynamic_ownership = 0\nremember_owner = 0\n"
                                "stdio_handler = \"file\"\n";

static int bind(const char *from, const char *to, struct lg_err *e)
{
    int rc = make_dir(to, 0755, e);
    if (!rc && mount(from, to, NULL, MS_BIND, NULL))
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot mount %s at %s", from, to);
    return rc;
}

/*
 * Only root can open /dev/kvm on many hosts, and libvirt then doubts all it knows of QEMU, for seconds, at
 * each question. A node of the daemon's own lets QEMU's user in without touching the host's. A host where
 * this cannot be done goes on without.
 */
static void own_kvm(const char *dir, gid_t gid)
{
    char path[PATH_MAX];
    if (access("/dev/kvm", F_OK) || mount("dev", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") ||
        snprintf(path, sizeof path, "%s/kvm", dir) >= PATH_MAX)
        return;
    if (mknod(path, S_IFCHR | 0660, makedev(KVM_MAJOR, KVM_MINOR)) || chown(path, 0, gid) ||
        chmod(path, 0660))
        return;
    if (mount(path, "/dev/kvm", NULL, MS_BIND, NULL))
        fprintf(stderr, "/dev/kvm stays as the host has it: %s\n", strerror(errno));
}

/* What the daemon sees in place of the host's. What the host mounts later (volumes) still comes in. */
static int enter(const char *state, const char *run, gid_t gid, struct lg_err *e)
{
    static const struct {
        const char *own, *shown;
        bool in_run;
    } views[] = {{"etc", "/etc/libvirt", false},
                 {"lib", "/var/lib/libvirt", false},
                 {"cache", "/var/cache/libvirt", false},
                 {"log", "/var/log/libvirt", false},
                 {"libvirt", "/run/libvirt", true}};
    char path[PATH_MAX];
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return lg_fail_errno(e, LG_UNAVAILABLE, "cannot make a mount namespace for libvirtd");
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof views / sizeof views[0]; i++) {
        snprintf(path, sizeof path, "%.4000s/%s", views[i].in_run ? run : state, views[i].own);
        rc = make_dir(path, 0755, e);
        rc = rc ? rc : bind(path, views[i].shown, e);
    }
    snprintf(path, sizeof path, "%.4000s/dev", state);
    if (!rc && !(rc = make_dir(path, 0755, e)))
        own_kvm(path, gid);
    return rc;
}

static int prepare(const struct lg_conf *c, char *state, char *run, struct lg_err *e)
{
    char path[PATH_MAX];
    lg_conf_path(c, state, PATH_MAX - 64, "vm");
    lg_vm_run_dir(c, run, 64);
    int rc = make_dir(c->state_dir, 0755, e);
    rc = rc ? rc : make_dir(state, 0711, e);
    rc = rc ? rc : make_dir(run, 0711, e);
    snprintf(path, sizeof path, "%.4000s/etc", state);
    rc = rc ? rc : make_dir(path, 0755, e);
    rc = rc ? rc : write_file(path, "libvirtd.conf", libvirtd_conf, e);
    return rc ? rc : write_file(path, "qemu.conf", qemu_conf, e);
}

int lg_vm_engine_exec(const struct lg_conf *c, struct lg_err *e)
{
    static const char *const argv[] = {
        LIBVIRTD, "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirt/libvirtd.pid", NULL};
    static const char *const env[] = {"PATH=" LG_PROC_PATH, "HOME=/root", "LANG=C.UTF-8", NULL};
    char state[PATH_MAX], run[64];
    uid_t uid;
    gid_t gid;
    int rc = lg_vm_engine_wanted(c, e);
    if (!rc && !lg_vm_private(c, &uid, &gid))
        rc = lg_fail(e, LG_UNAVAILABLE, "the user " LG_VM_USER " does not exist");
    rc = rc ? rc : prepare(c, state, run, e);
    rc = rc ? rc : enter(state, run, gid, e);
    if (rc)
        return rc;
    execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
    return lg_fail_errno(e, LG_UNAVAILABLE, "cannot run %s", LIBVIRTD);
}
