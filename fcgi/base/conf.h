/*
 * Settings. One table names each with type, bounds, default and a line of documentation; values come from
 * `$LODGE_STATE/lodge.conf` (key = value, # comments) and are overridden by the environment (LODGE_<KEY>).
 * Loaded once at the start of a process; read-only afterwards.
 */
#ifndef LG_BASE_CONF_H
#define LG_BASE_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/*   key                  type  default          min  max     what it is */
#define LG_SETTINGS(S)                                                                                       \
    S(https_port, INT, "8443", 1, 65535, "dashboard, API and applications over TLS")                         \
    S(http_port, INT, "8080", 1, 65535, "plain HTTP, for loopback only")                                     \
    S(compat_listeners, INT, "0", 0, 1, "1: the tenant API without credentials on compat_ports of loopback") \
    S(compat_ports, STR, "8081,8082,8083,8085", 1, 64,                                                       \
      "its compute, storage, network and monitoring service")                                                \
    S(repl_ports, STR, "3001,3002,3003", 1, 64,                                                              \
      "the same for the REPL API: its container, repl and registry service")                                 \
    S(listen_address, STR, "127.0.0.1", 0, 64, "address nginx listens on")                                   \
    S(domain, STR, "localhost", 1, 128, "host name of dashboard and API")                                    \
    S(apps_domain, STR, "apps.localhost", 1, 128, "applications live at <name>.<apps_domain>")               \
    S(publish_address, STR, "127.0.0.2", 7, 64, "host address that published ports bind")                    \
    S(subnet_pool, STR, "10.90.0.0/16", 9, 32, "IPv4 range that tenants' /24 networks are cut from")         \
    S(drivers, STR, "container,kvm", 1, 64, "comma-separated drivers; `fake` and `fake-vm` are for tests")   \
    S(engine_socket, STR, "", 0, 100, "container engine socket; empty: a private Podman service")            \
    S(libvirt_uri, STR, "", 0, 200, "libvirt for virtual machines; empty: a private libvirtd")               \
    S(image_keep_h, INT, "168", 0, 8760, "hours that an image in no catalogue stays after its last use")     \
    S(image_cache, STR, "", 0, 200, "folder that keeps built images and kernels; empty: below the state")    \
    S(vm_accelerator, STR, "auto", 3, 4, "kvm, tcg (software) or auto: kvm if a guest really runs under it") \
    S(pci_devices, STR, "/sys/bus/pci/devices", 1, 200, "where the kernel lists the host's PCI devices")     \
    S(vm_disk_max_gib, INT, "2048", 1, 65536, "largest disk of an image")                                    \
    S(vm_stop_timeout_s, INT, "60", 1, 600, "grace of a machine's power button, when none is named")         \
    S(engine_timeout_ms, INT, "30000", 100, 600000, "longest wait for one answer of the engine")             \
    S(run_user, STR, "lodge", 0, 32, "unprivileged user of lodge-api, lodge-stream and nginx")               \
    S(api_workers, INT, "8", 1, 64, "FastCGI workers for the API")                                           \
    S(auth_workers, INT, "2", 1, 16, "FastCGI workers for sign-in (64 MiB each at work)")                    \
    S(route_workers, INT, "2", 1, 16, "FastCGI workers for ingress look-ups")                                \
    S(job_workers, INT, "6", 1, 64, "operations that run at the same time")                                  \
    S(cpu_overcommit, INT, "16", 1, 64, "vCPUs admitted per host core")                                      \
    S(memory_overcommit, INT, "2", 1, 16, "bytes admitted per byte of the host's memory; 1: never too much") \
    S(pids_limit, INT, "512", 16, 32768, "processes in one container")                                       \
    S(default_cpu_millis, INT, "500", 10, 256000, "CPU of an instance that names none; 1000 is a core")      \
    S(default_memory_mib, INT, "256", 8, 1048576, "memory of an instance that names none")                   \
    S(default_storage_mib, INT, "1024", 16, 67108864,                                                        \
      "own files of a container that names no size, where its tenant's storage is limited")                  \
    S(default_volume_mib, INT, "1024", 16, 67108864,                                                         \
      "size of a volume that a create names and nobody has made")                                            \
    S(storage_overcommit, INT, "4", 1, 1000, "bytes of volumes admitted per byte of the disk they are on")   \
    S(host_path_roots, STR, "", 0, 1000,                                                                     \
      "comma-separated; administrators may mount directories below these into containers")                   \
    S(stop_timeout_s, INT, "10", 0, 600, "grace before a stop kills, when none is named")                    \
    S(sample_ms, INT, "5000", 200, 600000, "interval of usage samples")                                      \
    S(reconcile_ms, INT, "5000", 200, 600000, "interval of the reconciler without engine events")            \
    S(event_keep, INT, "100000", 100, 10000000, "events kept for clients that resume")                       \
    S(session_hours, INT, "168", 1, 8760, "life of a dashboard session")                                     \
    S(sign_in_per_minute, INT, "10", 1, 1000, "failed sign-ins per user and per address before 429")         \
    S(operation_timeout_s, INT, "900", 5, 86400, "deadline of an operation that names none")                 \
    S(stream_clients_max, INT, "8000", 10, 100000, "clients of lodge-stream at the same time")               \
    S(stream_client_buffer, INT, "262144", 4096, 16777216,                                                   \
      "bytes queued for a slow client before it is dropped")                                                 \
    S(stream_ping_s, INT, "25", 1, 3600,                                                                     \
      "interval of pings to stream clients; 2.4 of them unanswered end one")                                 \
    S(service_lease_s, INT, "15", 1, 86400, "lease of a registered service that names none")                 \
    S(rate_limit, INT, "1000", 0, 100000, "requests a second of one token or session; 0: any number")        \
    S(rate_burst, INT, "5000", 1, 1000000, "requests it may make at once before that counts")                \
    S(cors_origins, STR, "", 0, 2000,                                                                        \
      "comma-separated origins (https://app.example) whose pages may call the API with a token")             \
    S(audit_keep_days, INT, "365", 1, 36500, "how long the audit record goes back")                          \
    S(upload_max_mib, INT, "4096", 1, 1048576, "largest uploaded image")                                     \
    S(fetch_allow, STR, "", 0, 400,                                                                          \
      "hosts and CIDRs of this network that images may be fetched from, comma-separated; empty: none")       \
    S(image_registries, STR, "", 0, 1000,                                                                    \
      "where tenants' container images may come from, such as docker.io/library,ghcr.io/us; empty: any "     \
      "public registry")                                                                                     \
    S(fetch_ca_file, STR, "", 0, 255,                                                                        \
      "certificates that servers of images are checked by; empty: the host's")                               \
    S(sandbox_max, INT, "24", 2, 256,                                                                        \
      "sandboxes for code at the same time, those that wait for work included")                              \
    S(sandbox_warm, INT, "2", 0, 64, "sandboxes kept ready when nobody uses them")                           \
    S(sandbox_running, INT, "0", 0, 256, "code runs at the same time; 0: four a core; one tenant gets half") \
    S(sandbox_queue, INT, "256", 1, 100000, "code runs that may wait")                                       \
    S(sandbox_tenant_queue, INT, "64", 1, 100000, "of these, one tenant's")                                  \
    S(sandbox_room_mib, INT, "256", 32, 65536,                                                               \
      "memory for code that waits and for answers that nobody has fetched yet")                              \
    S(sandbox_tenant_room_mib, INT, "64", 32, 65536, "of it, one tenant's")                                  \
    S(sandbox_time_ms, INT, "10000", 100, 3600000, "wall clock of a code run that names none")               \
    S(sandbox_time_max_ms, INT, "60000", 100, 3600000, "the most one may name")                              \
    S(sandbox_memory_mib, INT, "256", 16, 65536, "memory of a code run that names none, files included")     \
    S(sandbox_memory_max_mib, INT, "512", 16, 65536, "the most one may name")                                \
    S(sandbox_disk_mib, INT, "64", 1, 65536, "working directory of a code run")                              \
    S(sandbox_meminfo, STR, "/proc/meminfo", 1, 200, "where the host says how much memory is free")          \
    S(sandbox_cpu_millis, INT, "1000", 50, 256000, "CPU of a code run; 1000 is a core")                      \
    S(sandbox_pids, INT, "64", 8, 4096, "processes and threads of a code run")                               \
    S(sandbox_output_kib, INT, "1024", 1, 8192, "output of a code run that names no limit")                  \
    S(sandbox_uid_first, INT, "2130000", 100000, 2000000000, "first of 60000 user ids for sandboxes")        \
    S(sandbox_cache, STR, "/var/cache/lodge/images", 1, 200, "where built images for code are kept")         \
    S(sandbox_tenant_sessions, INT, "8", 0, 128, "sessions of one tenant at the same time")                  \
    S(sandbox_session_s, INT, "600", 5, 86400, "lease of a session that names none; each use renews it")     \
    S(code_run_keep, INT, "10000", 0, 10000000, "code runs of each tenant kept")                             \
    S(sandbox_prepare, INT, "0", 0, 1, "1: build the images for code at the start, in the background")       \
    S(oneshot_max, INT, "32", 1, 1024, "containers for one command at the same time, of all tenants")        \
    S(oneshot_tenant_max, INT, "8", 1, 1024, "of these, one tenant's")                                       \
    S(oneshot_time_s, INT, "300", 1, 86400, "wall clock of a container for one command, its pull apart")     \
    S(oneshot_output_kib, INT, "4096", 1, 65536, "most that one may write")                                  \
    S(oneshot_memory_mib, INT, "512", 8, 65536, "memory of one, what it writes to files included")           \
    S(oneshot_uid_first, INT, "2200000", 100000, 2000000000, "first of 4000 user ids for them")              \
    S(log_debug, INT, "0", 0, 1, "debug lines in the log")

enum lg_setting {
#define S(key, type, def, min, max, doc) LG_SETTING_##key,
    LG_SETTINGS(S)
#undef S
        LG_SETTINGS_COUNT
};
enum lg_conf_from { LG_CONF_DEFAULT, LG_CONF_FILE, LG_CONF_ENVIRONMENT };

struct lg_conf {
#define S_INT                            long
#define S_STR                            const char *
#define S(key, type, def, min, max, doc) S_##type key;
    LG_SETTINGS(S)
#undef S
#undef S_INT
#undef S_STR
    char state_dir[4096]; /* absolute; LODGE_STATE, default ./var; installed: /var/lib/lodge */
    char share_dir[4096]; /* absolute; recipes, nginx templates, static files: LODGE_SHARE, default .;
                             installed: <prefix>/share/lodge */
    char bin_dir[4096];   /* absolute; where this program is */
    unsigned char from[LG_SETTINGS_COUNT]; /* enum lg_conf_from: where each was found */
};

/* Reads file and environment. LG_INVALID names the key that is wrong. The strings live as long as the
 * process. */
int lg_conf_load(struct lg_conf *c, struct lg_err *e);

/*
 * What the Lodge that runs on this state directory was started with: its environment instead of ours. `pid`
 * gets its supervisor's, 0 when none runs, as under a service manager; then it is as lg_conf_load.
 * LG_FORBIDDEN when one runs and this user may not look at it.
 */
int lg_conf_load_running(struct lg_conf *c, int *pid, struct lg_err *e);

/* "<state_dir>/<rel>" into out; asserts that it fits. Returns out. */
char *lg_conf_path(const struct lg_conf *c, char *out, size_t cap, const char *rel);

/* Path of a key, "token" for keys/token.key: where a service manager gave it to this process
 * (CREDENTIALS_DIRECTORY), else in the state directory, which only root can read. Returns out. */
char *lg_conf_key(const struct lg_conf *c, char *out, size_t cap, const char *name);

/* Prints the table with the values and where those come from that are no defaults (`lodge settings`). */
void lg_conf_print(const struct lg_conf *c, FILE *to);

#endif
