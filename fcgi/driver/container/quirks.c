#include "driver/container/quirks.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define FREE_PORTS_MS 5000 /* another program may hold the port: then this is all in vain */

/* The value of header `name`, up to the first character of `stop`; false when the line is another one. */
static bool header(const char *line, size_t n, const char *name, const char *stop, char *out, size_t cap)
{
    size_t k = strlen(name), len = 0;
    if (n <= k || strncasecmp(line, name, k) != 0)
        return false;
    for (line += k, n -= k; n && *line == ' '; n--)
        line++;
    while (len < n && len + 1 < cap && !strchr(stop, line[len]))
        len++;
    memcpy(out, line, len);
    out[len] = 0;
    return true;
}

void lg_quirk_header(struct lg_engine *g, const char *line, size_t n)
{
    char server[64];
    if (header(line, n, "Api-Version:", " \r\n", g->info.api_version, sizeof g->info.api_version) ||
        g->kind != LG_ENGINE_UNKNOWN || !header(line, n, "Server:", " \r\n", server, sizeof server))
        return;
    bool podman = !strncmp(server, "Libpod/", 7);
    const char *slash = strchr(server, '/');
    g->kind = podman ? LG_ENGINE_PODMAN : LG_ENGINE_DOCKER;
    snprintf(g->info.type, sizeof g->info.type, "%s", podman ? "podman" : "docker");
    snprintf(g->info.version, sizeof g->info.version, "%s", slash ? slash + 1 : "");
}

int lg_quirk_identify(struct lg_engine *g, struct lg_err *e)
{
    if (g->kind != LG_ENGINE_UNKNOWN)
        return 0;
    lg_cleanup_buf struct lg_buf reply = {0};
    int status = lg_callf(g, &reply, e, "GET", NULL, "/_ping");
    if (status < 0)
        return status;
    return g->kind != LG_ENGINE_UNKNOWN ? 0
                                        : lg_fail(e, LG_BACKEND, "what answers is not a container engine");
}

static bool says(const struct lg_buf *reply, const char *const *words)
{
    for (; *words; words++)
        if (strstr(lg_buf_cstr(reply), *words))
            return true;
    return false;
}

bool lg_quirk_conflict(int status, const struct lg_buf *reply)
{
    static const char *const podman[] = {"already in use",
                                         "already used",
                                         "already exists",
                                         "being used",
                                         "in use by",
                                         "as it is running",
                                         NULL};
    static const char *const docker[] = {"has active endpoints", NULL}; /* a network in use is "forbidden" */
    return status == 409 || (status == 500 && says(reply, podman)) || (status == 403 && says(reply, docker));
}

bool lg_quirk_already(int status, const struct lg_buf *reply)
{
    static const char *const words[] = {"is already paused", "is not paused", NULL};
    return status == 304 || ((status == 500 || status == 409) && says(reply, words));
}

int lg_quirk_refused(int status, const struct lg_buf *reply)
{
    static const char *const words[] = {"is not running", NULL};
    return status == 409 && says(reply, words) ? 500 : status;
}

bool lg_quirk_transient(int status, const struct lg_buf *reply)
{
    static const char *const words[] = {"no such process", "/cgroup: no such file", NULL};
    return status == 500 && says(reply, words);
}

/*
 * Docker revives `always` when its daemon restarts, even what was stopped on purpose; `unless-stopped` is
 * what Lodge means by both. Podman treats the two alike.
 */
const char *lg_quirk_restart(const struct lg_engine *g, enum lg_restart r)
{
    switch (r) {
    case LG_RESTART_NO:
        return "no";
    case LG_RESTART_ON_FAILURE:
        return "on-failure";
    case LG_RESTART_ALWAYS:
    case LG_RESTART_UNLESS_STOPPED:
        break;
    }
    return g->kind == LG_ENGINE_DOCKER ? "unless-stopped" : "always";
}

/* The private Podman service has the cap in its configuration. */
void lg_quirk_host_config(const struct lg_engine *g, struct lg_json *j)
{
    if (g->kind != LG_ENGINE_DOCKER)
        return;
    lg_json_obj(j, "LogConfig");
    lg_json_str(j, "Type", "json-file");
    lg_json_obj(j, "Config");
    lg_json_str(j, "max-size", "16m");
    lg_json_end_obj(j);
    lg_json_end_obj(j);
}

void lg_quirk_mac(const struct lg_engine *g, struct lg_json *j, const char *mac)
{
    if (g->kind == LG_ENGINE_DOCKER && mac)
        lg_json_str(j, "MacAddress", mac);
}

bool lg_quirk_forgets_update(const struct lg_engine *g)
{
    return g->kind == LG_ENGINE_PODMAN;
}

/* Can this host port be bound now? */
static bool port_free(const char *address, const struct lg_port_spec *p)
{
    bool udp = !strcmp(p->protocol, "udp");
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p->host_port)};
    lg_cleanup_fd int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &a.sin_addr) != 1)
        return true;
    if (!udp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    return bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && (udp || listen(fd, 1) == 0);
}

static bool ports_free(const struct lg_engine *g, const struct lg_inst_spec *s)
{
    for (int i = 0; i < s->port_count; i++)
        if (!port_free(g->ctx.conf->publish_address, &s->ports[i]))
            return false;
    return true;
}

bool lg_quirk_free_ports(struct lg_engine *g, const struct lg_inst_spec *s)
{
    if (g->kind != LG_ENGINE_PODMAN || ports_free(g, s))
        return false;
    for (int64_t end = lg_clock_mono() + FREE_PORTS_MS; lg_clock_mono() < end;) {
        if (lg_engine_cancelled(g))
            return false;
        lg_cleanup_buf struct lg_buf reply = {0};
        if (lg_callf(g, &reply, NULL, "GET", NULL, "/info") < 0)
            return false;
        if (ports_free(g, s))
            return true;
    }
    return false;
}

int64_t lg_quirk_nano_cpus(int64_t cpu_millis)
{
    int64_t host = (int64_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000;
    return (cpu_millis < host ? cpu_millis : host) * 1000000;
}

static void docker_limits(struct lg_json *j, const struct lg_inst_spec *s)
{
    lg_json_int(j, "Memory", s->memory_bytes);
    lg_json_int(j, "MemorySwap", s->memory_bytes ? s->memory_bytes : -1);
    lg_json_int(j, "NanoCpus", lg_quirk_nano_cpus(s->cpu_millis));
    lg_json_int(j, "PidsLimit", s->pids_limit);
}

/* Podman's own form; swap always goes with the limit. -1 takes a limit away. */
static void podman_limits(struct lg_json *j, const struct lg_inst_spec *s)
{
    lg_json_obj(j, "cpu");
    lg_json_int(j, "quota", s->cpu_millis ? s->cpu_millis * 100 : -1);
    lg_json_int(j, "period", 100000);
    lg_json_end_obj(j);
    lg_json_obj(j, "memory");
    lg_json_int(j, "limit", s->memory_bytes ? s->memory_bytes : -1);
    lg_json_int(j, "swap", s->memory_bytes ? s->memory_bytes : -1);
    lg_json_end_obj(j);
    lg_json_obj(j, "pids");
    lg_json_int(j, "limit", s->pids_limit ? s->pids_limit : -1);
    lg_json_end_obj(j);
}

int lg_quirk_update(struct lg_engine *g, const char *name, const struct lg_inst_spec *s, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf body = {0}, reply = {0};
    struct lg_json j;
    bool podman = g->kind == LG_ENGINE_PODMAN;
    lg_json_init(&j, &body);
    lg_json_obj(&j, NULL);
    if (podman)
        podman_limits(&j, s);
    else
        docker_limits(&j, s);
    lg_json_end_obj(&j);
    int status = lg_callf(g, &reply, e, "POST", lg_buf_cstr(&body),
                          podman ? "/v4.3.0/libpod/containers/%s/update" : "/containers/%s/update", name);
    if (status < 0)
        return status;
    return status < 300 ? 0 : lg_call_fail(status, &reply, "cannot change limits", e);
}

enum lg_run lg_quirk_run(const char *status)
{
    static const struct {
        const char *word;
        enum lg_run run;
    } words[] = {{"created", LG_RUN_CREATED}, {"configured", LG_RUN_CREATED}, {"initialized", LG_RUN_CREATED},
                 {"running", LG_RUN_RUNNING}, {"restarting", LG_RUN_RUNNING}, {"stopping", LG_RUN_RUNNING},
                 {"paused", LG_RUN_PAUSED},   {"stopped", LG_RUN_EXITED},     {"exited", LG_RUN_EXITED},
                 {"dead", LG_RUN_EXITED},     {"removing", LG_RUN_EXITED}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(words[i].word, status))
            return words[i].run;
    return LG_RUN_EXITED;
}

bool lg_quirk_settling(const char *status)
{
    return !strcmp(status, "stopped") || lg_quirk_run(status) == LG_RUN_CREATED;
}

/*
 * Podman never reports it and the cgroup with its counter is gone with the container; the kernel's log names
 * the cgroup it killed in. An exit code of 137 alone could as well be a stop that had to kill.
 */
bool lg_quirk_oom(const struct lg_engine *g, const char *ref, int exit_code, bool engine_says)
{
    if (engine_says || g->kind != LG_ENGINE_PODMAN || exit_code != 137)
        return engine_says;
    lg_cleanup_fd int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char line[8192];
    for (ssize_t n; fd >= 0 && (n = read(fd, line, sizeof line - 1)) > 0;) {
        line[n] = 0;
        if (strstr(line, "oom-kill:") && strstr(line, ref))
            return true;
    }
    return false;
}
