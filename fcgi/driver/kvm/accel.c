/*
 * Which accelerator machines run with. That /dev/kvm opens says little: on some hosts (nested ones) every
 * guest then hangs. So a guest really runs, once per boot of the host: the tiny image, which says so on its
 * serial console.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"
#include "driver/kvm/files.h"
#include "driver/kvm/image.h"
#include "driver/kvm/vm.h"

#define PROBE_REF   "localhost/lodge-tiny:1"
#define PROBE_SAYS  "tiny: "
#define PROBE_MS    15000 /* with hardware it takes two seconds */
#define VERDICT_LEN 168

struct verdict {
    char accel[8], notice[160];
};

/* ---- the guest ---- */

static bool hears(int fd, const char *text, int64_t deadline)
{
    lg_cleanup_buf struct lg_buf b = {.max = 1 << 20};
    char tmp[1024];
    for (int64_t left; (left = deadline - lg_clock_mono()) > 0 && !b.failed;) {
        struct pollfd f = {fd, POLLIN, 0};
        if (poll(&f, 1, (int)left) <= 0)
            continue;
        ssize_t n = read(fd, tmp, sizeof tmp);
        if (n <= 0)
            return false;
        for (ssize_t i = 0; i < n; i++)
            lg_buf_char(&b, tmp[i] ? tmp[i] : ' ');
        if (strstr(lg_buf_cstr(&b), text))
            return true;
    }
    return false;
}

static bool guest_runs(const char *template)
{
    char drive[PATH_MAX + 64];
    int out[2];
    snprintf(drive, sizeof drive, "file=%s,if=virtio,format=qcow2,snapshot=on", template);
    const char *const argv[] = {"qemu-system-x86_64",
                                "-M",
                                "q35,accel=kvm",
                                "-cpu",
                                "host",
                                "-m",
                                "192",
                                "-display",
                                "none",
                                "-nodefaults",
                                "-no-user-config",
                                "-no-reboot",
                                "-serial",
                                "stdio",
                                "-drive",
                                drive,
                                NULL};
    if (strchr(template, ',') || pipe2(out, O_CLOEXEC))
        return false;
    struct lg_proc p = {.argv = argv, .stdout_fd = out[1], .stderr_fd = -1, .die_with_parent = 1};
    pid_t pid = lg_proc_start(&p, NULL);
    close(out[1]);
    bool ran = pid > 0 && hears(out[0], PROBE_SAYS, lg_clock_mono() + PROBE_MS);
    close(out[0]);
    if (pid > 0)
        kill(-pid, SIGKILL);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return ran;
}

/* ---- the verdict, kept in the run folder: a reboot may change it ---- */

static bool recall(const char *path, struct verdict *v)
{
    char text[VERDICT_LEN] = "";
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    char *space = n > 0 ? strchr(text, ' ') : NULL;
    if (!space)
        return false;
    *space = 0;
    snprintf(v->accel, sizeof v->accel, "%.7s", text);
    snprintf(v->notice, sizeof v->notice, "%.159s", space + 1);
    return true;
}

static void remember(const char *path, const struct verdict *v)
{
    char text[VERDICT_LEN];
    int n = snprintf(text, sizeof text, "%s %s", v->accel, v->notice);
    lg_cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0 && write(fd, text, (size_t)n) != n)
        unlink(path);
}

static void software(struct verdict *v, const char *why)
{
    snprintf(v->accel, sizeof v->accel, "qemu");
    snprintf(v->notice, sizeof v->notice, "machines run in software (TCG), slowly: %s", why);
}

/* True when the verdict is final until the next boot. */
static bool find_out(const struct lg_driver_ctx *ctx, struct verdict *v)
{
    struct lg_engine g = {.ctx = *ctx};
    struct lg_image_info info;
    char template[PATH_MAX];
    lg_cleanup_fd int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        software(v, errno == ENOENT ? "this host has no /dev/kvm" : "/dev/kvm cannot be opened");
        return true;
    }
    if (lg_vm_image_template(&g, PROBE_REF, &info, template, NULL)) {
        software(v, "the image tiny, which would show whether KVM works, is not there yet");
        return false;
    }
    *v = (struct verdict){.accel = "kvm"};
    if (!guest_runs(template))
        software(v, "/dev/kvm opens, but a guest under it does not get anywhere");
    return true;
}

static void judge(const struct lg_driver_ctx *ctx, struct verdict *v)
{
    char run[64], path[80], lock[96];
    lg_vm_run_dir(ctx->conf, run, sizeof run);
    snprintf(path, sizeof path, "%s/accel", run);
    snprintf(lock, sizeof lock, "%s.lock", path);
    if (recall(path, v))
        return;
    lg_cleanup_fd int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && !flock(fd, LOCK_EX) && recall(path, v))
        return; /* another process was faster */
    if (find_out(ctx, v))
        remember(path, v);
}

const char *lg_vm_accel(const struct lg_driver_ctx *ctx, char notice[160])
{
    static const struct {
        const char *setting, *type;
    } fixed[] = {{"kvm", "kvm"}, {"tcg", "qemu"}};
    struct verdict v = {0};
    *notice = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (!strcmp(ctx->conf->vm_accelerator, fixed[i].setting))
            return fixed[i].type;
    judge(ctx, &v);
    snprintf(notice, 160, "%s", v.notice);
    return !strcmp(v.accel, "kvm") ? "kvm" : "qemu";
}

bool lg_vm_accel_known(const struct lg_driver_ctx *ctx, char accel[8], char notice[160])
{
    char run[64], path[80];
    struct verdict v = {0};
    bool automatic = !strcmp(ctx->conf->vm_accelerator, "auto");
    lg_vm_run_dir(ctx->conf, run, sizeof run);
    snprintf(path, sizeof path, "%s/accel", run);
    *notice = 0;
    if (!automatic) {
        snprintf(accel, 8, "%s", strcmp(lg_vm_accel(ctx, notice), "kvm") ? "tcg" : "kvm");
        return true;
    }
    if (!recall(path, &v)) {
        snprintf(accel, 8, "auto");
        snprintf(notice, 160, "whether KVM works here is found out before the first machine");
        return false;
    }
    snprintf(accel, 8, "%s", strcmp(v.accel, "kvm") ? "tcg" : "kvm");
    snprintf(notice, 160, "%s", v.notice);
    return true;
}
