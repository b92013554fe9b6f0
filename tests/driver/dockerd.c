#include "dockerd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"

#define STOP_MS 30000

bool dockerd_installed(void)
{
    return !access("/usr/sbin/dockerd", X_OK) && !access("/usr/bin/containerd", X_OK);
}

static void write_file(const struct dockerd *d, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", d->dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static pid_t run(const struct dockerd *d, const char *const *argv)
{
    struct lg_err e = {0};
    struct lg_proc p = {.argv = argv,
                        .cwd = d->dir,
                        .stdout_fd = -1,
                        .stderr_fd = getenv("LODGE_TEST_NOISE") ? 2 : -1,
                        .die_with_parent = 1};
    pid_t pid = lg_proc_start(&p, &e);
    if (pid <= 0)
        fail_msg("%s: %s", argv[0], e.msg);
    return pid;
}

/* No bridge, no rules, no forwarding of its own: ports are published by its proxy, isolation is Lodge's. */
void dockerd_revive(struct dockerd *d)
{
    char conf[96], data[96], exec[96], pid[96], sock[96], cd[96];
    snprintf(conf, sizeof conf, "%s/docker.json", d->dir);
    snprintf(data, sizeof data, "%s/docker", d->dir);
    snprintf(exec, sizeof exec, "%s/exec", d->dir);
    snprintf(pid, sizeof pid, "%s/docker.pid", d->dir);
    snprintf(sock, sizeof sock, "unix://%s/docker.sock", d->dir);
    snprintf(cd, sizeof cd, "%s/containerd.sock", d->dir);
    unlink(pid); /* of a killed one: its number may be another process's by now */
    const char *const argv[] = {"dockerd",
                                "--config-file",
                                conf,
                                "--data-root",
                                data,
                                "--exec-root",
                                exec,
                                "--pidfile",
                                pid,
                                "--host",
                                sock,
                                "--containerd",
                                cd,
                                "--oom-score-adjust",
                                "0",
                                "--storage-driver",
                                "overlay2",
                                "--default-ulimit",
                                "nofile=20000:20000",
                                "--default-ulimit",
                                "nproc=4096:4096",
                                "--live-restore",
                                "--bridge",
                                "none",
                                "--iptables=false",
                                "--ip-forward=false",
                                "--ip-masq=false",
                                NULL};
    d->daemon = run(d, argv);
}

void dockerd_start(struct dockerd *d)
{
    char text[1024], conf[96];
    snprintf(text, sizeof text,
             "version = 2\nroot = \"%s/containerd\"\nstate = \"%s/containerd-run\"\noom_score = 0\n"
             "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"%s/containerd.sock\"\n"
             "[ttrpc]\naddress = \"%s/containerd.sock.ttrpc\"\n",
             d->dir, d->dir, d->dir, d->dir);
    write_file(d, "containerd.toml", text);
    write_file(d, "docker.json", "{}");
    snprintf(conf, sizeof conf, "%s/containerd.toml", d->dir);
    const char *const argv[] = {"containerd", "--config", conf, NULL};
    d->containerd = run(d, argv);
    dockerd_revive(d);
}

static void end(pid_t *pid, int sig)
{
    if (*pid <= 0)
        return;
    kill(*pid, sig);
    for (int ms = 0; waitpid(*pid, NULL, WNOHANG) == 0; ms += 20, usleep(20000))
        if (ms == STOP_MS)
            kill(*pid, SIGKILL);
    *pid = 0;
}

void dockerd_kill(struct dockerd *d)
{
    end(&d->daemon, SIGKILL);
}

/* The deepest come last in the list, so it is read anew after each. */
static bool unmount_last(const char *dir)
{
    char line[1024], last[512] = "", at[512];
    FILE *f = fopen("/proc/self/mounts", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*s %511s", at) == 1 && !strncmp(at, dir, strlen(dir)) && at[strlen(dir)] == '/')
            snprintf(last, sizeof last, "%s", at);
    if (f)
        fclose(f);
    return *last && !umount2(last, MNT_DETACH);
}

void dockerd_stop(struct dockerd *d)
{
    end(&d->daemon, SIGTERM);
    end(&d->containerd, SIGTERM);
    while (unmount_last(d->dir))
        ;
}
