/* `lodge doctor`: looks at everything a Lodge needs, says what is wrong and what cures it. Changes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/fd.h"
#include "base/proc.h"
#include "driver/container/engine.h"
#include "driver/kvm/engine.h"
#include "store/doctor.h"
#include "store/identity.h"
#include "store/instance.h"
#include "store/volume.h"
#include "up/up.h"

#define MIB            ((int64_t)1 << 20)
#define DISK_BAD       (200 * MIB)
#define DISK_WARN      (2048 * MIB)
#define WAL_WARN       (128 * MIB) /* the checkpointer empties it at 64 MiB */
#define STUCK_MS       ((int64_t)1800 * 1000)
#define ENGINE_OLD_MS  60000
#define CERT_WARN_DAYS 30

enum verdict { FINE, WARN, BAD };

struct doctor {
    struct lg_conf conf;
    struct lg_db *db; /* NULL: it cannot be opened */
    struct lg_buf json_text;
    struct lg_json json;
    bool as_json, running; /* running: some part of Lodge answers */
    bool hopeless;         /* there is nothing to look at */
    int bad, warned;
    const char *check;
};

/* One finding. `cure` NULL when all is fine. */
static void say(struct doctor *d, enum verdict v, const char *text, const char *cure)
{
    static const char *const names[] = {"ok", "warning", "wrong"};
    d->bad += v == BAD;
    d->warned += v == WARN;
    if (d->as_json) {
        lg_json_obj(&d->json, NULL);
        lg_json_str(&d->json, "check", d->check);
        lg_json_str(&d->json, "verdict", names[v]);
        lg_json_str(&d->json, "text", text);
        lg_json_str(&d->json, "cure", cure);
        lg_json_end_obj(&d->json);
        return;
    }
    printf("%-8s %-13s %s\n", names[v], d->check, text);
    if (cure)
        printf("%-8s %-13s   cure: %s\n", "", "", cure);
}

static void sayf(struct doctor *d, enum verdict v, const char *cure, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void sayf(struct doctor *d, enum verdict v, const char *cure, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    say(d, v, text, cure);
}

static const char *path_of(const struct doctor *d, const char *rel)
{
    static char path[PATH_MAX];
    return lg_conf_path(&d->conf, path, sizeof path, rel);
}

/* ── programs ── */

static bool has_program(const char *name)
{
    char path[256];
    for (const char *p = LG_PROC_PATH; *p;) {
        size_t n = strcspn(p, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)n, p, name);
        if (!access(path, X_OK))
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}

static void check_programs(struct doctor *d)
{
    const char *needed[] = {"nginx", "openssl", "nft", *d->conf.engine_socket ? NULL : "podman"};
    int missing = 0;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (needed[i] && !has_program(needed[i])) {
            sayf(d, BAD, "run `make setup`, which installs what Lodge needs", "there is no %s", needed[i]);
            missing++;
        }
    if (!missing)
        say(d, FINE, "nginx, openssl, nft and the engine are installed", NULL);
}

/* ── state directory, keys, certificate ── */

static void check_state(struct doctor *d)
{
    struct stat st;
    d->hopeless = stat(d->conf.state_dir, &st) != 0;
    if (d->hopeless)
        sayf(d, BAD, "start Lodge once with `make run`, or set LODGE_STATE to where its state is", "%s: %s",
             d->conf.state_dir, strerror(errno));
    else if (st.st_mode & S_IWOTH)
        sayf(d, BAD, "take the right to write away from others: chmod o-w", "everybody may write to %s",
             d->conf.state_dir);
    else
        sayf(d, FINE, NULL, "%s", d->conf.state_dir);
}

/* A file that only its owner may read (and, with `group`, its group). True when it is. */
static bool private_file(struct doctor *d, const char *rel, mode_t forbidden, const char *cure)
{
    struct stat st;
    const char *path = path_of(d, rel);
    if (stat(path, &st)) {
        bool hidden = errno == EACCES && geteuid();
        sayf(d, hidden ? WARN : BAD, hidden ? "run `lodge doctor` as root to have it checked" : cure,
             "%s: %s", path, strerror(errno));
        return false;
    }
    if (st.st_mode & forbidden) {
        char chmod_cure[PATH_MAX + 64];
        snprintf(chmod_cure, sizeof chmod_cure, "chmod %o %s, then replace it, for it may have been read",
                 (unsigned)(st.st_mode & 0777 & ~forbidden), path);
        sayf(d, BAD, chmod_cure, "others may read %s (mode %04o)", path, (unsigned)(st.st_mode & 07777));
        return false;
    }
    return true;
}

static void check_keys(struct doctor *d)
{
    static const char *const keys[] = {"keys/context.key", "keys/token.key", "keys/cookie.key",
                                       "keys/env.key"};
    int good = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct stat st;
        if (!private_file(d, keys[i], 0007,
                          "start Lodge: it makes missing keys (tokens made with a lost one are void)"))
            continue;
        if (!stat(path_of(d, keys[i]), &st) && st.st_size != LG_KEY_BYTES)
            sayf(d, BAD, "restore it from a backup", "%s has %lld bytes, not %d", path_of(d, keys[i]),
                 (long long)st.st_size, LG_KEY_BYTES);
        else
            good++;
    }
    if (good == 4)
        say(d, FINE, "all four are there, and private", NULL);
    if (!access(path_of(d, "credentials"), F_OK) && private_file(d, "credentials", 0077, ""))
        say(d, FINE, "the first admin's credentials file is private", NULL);
}

/* Runs openssl; its exit code, or negative. */
static int openssl(const char *const *argv, struct lg_buf *out)
{
    struct lg_buf said = {.max = 4096};
    int rc = lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 10000, out, &said,
                         NULL);
    lg_buf_done(&said);
    return rc;
}

static void check_key_fits(struct doctor *d, const char *cert, const char *key)
{
    lg_cleanup_buf struct lg_buf of_cert = {.max = 8192}, of_key = {.max = 8192};
    const char *const a[] = {"openssl", "x509", "-in", cert, "-noout", "-pubkey", NULL};
    const char *const b[] = {"openssl", "pkey", "-in", key, "-pubout", NULL};
    if (access(key, R_OK))
        return; /* said already */
    if (openssl(a, &of_cert) || openssl(b, &of_key) ||
        strcmp(lg_buf_cstr(&of_cert), lg_buf_cstr(&of_key)) != 0)
        say(d, BAD, "tls/key.pem is not the key of tls/cert.pem",
            "put a matching pair there, then restart Lodge");
}

static void check_certificate(struct doctor *d)
{
    char cert[PATH_MAX], key[PATH_MAX], soon[32];
    lg_conf_path(&d->conf, cert, sizeof cert, "tls/cert.pem");
    lg_conf_path(&d->conf, key, sizeof key, "tls/key.pem");
    snprintf(soon, sizeof soon, "%d", CERT_WARN_DAYS * 86400);
    lg_cleanup_buf struct lg_buf until = {.max = 256};
    const char *const when[] = {"openssl", "x509", "-in", cert, "-noout", "-enddate", NULL};
    const char *const now[] = {"openssl", "x509", "-in", cert, "-noout", "-checkend", "0", NULL};
    const char *const later[] = {"openssl", "x509", "-in", cert, "-noout", "-checkend", soon, NULL};
    static const char cure[] = "delete tls/cert.pem, tls/key.pem and tls/made-for and start Lodge, which "
                               "makes a new one; or put your own there";
    if (openssl(when, &until)) {
        sayf(d, BAD, cure, "%s cannot be read as a certificate", cert);
        return;
    }
    const char *date = strchr(lg_buf_cstr(&until), '=');
    int len = date ? (int)strcspn(date + 1, "\n") : 0;
    if (openssl(now, NULL))
        sayf(d, BAD, cure, "it has expired (%.*s)", len, date ? date + 1 : "");
    else if (openssl(later, NULL))
        sayf(d, WARN, cure, "it expires in less than %d days (%.*s)", CERT_WARN_DAYS, len,
             date ? date + 1 : "");
    else
        sayf(d, FINE, NULL, "good until %.*s", len, date ? date + 1 : "");
    private_file(d, "tls/key.pem", 0077, cure);
    check_key_fits(d, cert, key);
}

/* ── disk, database ── */

static void check_disk(struct doctor *d)
{
    struct statvfs v;
    if (statvfs(d->conf.state_dir, &v))
        return; /* check_state said it */
    int64_t left = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    static const char cure[] = "free some space: `lodge image rm`, old logs, or a larger disk";
    enum verdict space = left < DISK_BAD ? BAD : left < DISK_WARN ? WARN : FINE;
    sayf(d, space, space ? cure : NULL, "%lld MiB free at %s", (long long)(left / MIB), d->conf.state_dir);
    if (v.f_files && v.f_favail < 1000)
        sayf(d, BAD, "delete files the disk has too many of", "only %llu files can still be made",
             (unsigned long long)v.f_favail);
}

static void open_database(struct doctor *d)
{
    struct lg_err e = {0};
    const char *path = path_of(d, "db/lodge.db");
    if (access(path, F_OK)) {
        bool hidden = errno == EACCES && geteuid();
        sayf(d, hidden ? WARN : BAD,
             hidden ? "run `lodge doctor` as root to have it checked" : "start Lodge, or run `lodge migrate`",
             "%s: %s", path, strerror(errno));
        return;
    }
    if (lg_db_open(&d->db, &d->conf, &e)) {
        d->db = NULL;
        sayf(d, BAD, "see the message; `lodge migrate` upgrades an older schema", "%s", e.msg);
    }
}

static void check_database(struct doctor *d)
{
    struct lg_err e = {0};
    struct lg_db_report r;
    struct stat st = {0};
    open_database(d);
    if (!d->db)
        return;
    if (lg_db_examine(d->db, STUCK_MS, &r, &e)) {
        sayf(d, BAD, "see the message", "%s", e.msg);
        return;
    }
    int64_t wal = lg_db_wal_bytes(d->db);
    stat(path_of(d, "db/lodge.db"), &st);
    if (*r.damage)
        sayf(d, BAD, "stop Lodge and restore db/lodge.db from a backup", "the file is damaged: %.300s",
             r.damage);
    else if (r.broken_links)
        sayf(d, BAD, "stop Lodge and restore db/lodge.db from a backup",
             "%lld rows name others that are not there", (long long)r.broken_links);
    else
        sayf(d, FINE, NULL, "newest schema, intact, %lld KiB", (long long)st.st_size / 1024);
    if (wal > WAL_WARN)
        sayf(d, WARN, "lodge-runner empties it: see its log, or a program that keeps the database open",
             "the write-ahead log has grown to %lld MiB", (long long)(wal / MIB));
    if (!lg_user_count(d->db))
        say(d, BAD, "there is no user", "run `lodge admin create`");
    if (r.stuck)
        sayf(d, WARN, "`lodge operation ls` shows them, `lodge operation cancel` ends them",
             "%lld operations have been open for more than %d minutes", (long long)r.stuck,
             (int)(STUCK_MS / 60000));
    if (r.errors)
        sayf(d, WARN, "`lodge instance ls --state error` shows them and why", "%lld instances are in error",
             (long long)r.errors);
}

/* ── what runs ── */

static void check_processes(struct doctor *d)
{
    static const struct {
        const char *socket, *name;
        int type;
    } parts[] = {{"run/api.sock", "lodge-api", SOCK_STREAM},
                 {"run/auth.sock", "lodge-api (sign-in)", SOCK_STREAM},
                 {"run/route.sock", "lodge-api (ingress)", SOCK_STREAM},
                 {"run/stream.sock", "lodge-stream", SOCK_STREAM},
                 {"run/runner-streams.sock", "lodge-runner", SOCK_SEQPACKET}};
    size_t n = sizeof parts / sizeof parts[0], up = 0;
    bool answers[sizeof parts / sizeof parts[0]];
    for (size_t i = 0; i < n; i++) {
        struct lg_err e;
        lg_cleanup_fd int fd = lg_unix_connect(path_of(d, parts[i].socket), parts[i].type, &e);
        up += answers[i] = fd >= 0;
    }
    d->running = up > 0;
    if (!up) {
        say(d, BAD, "Lodge does not run", "start it: `make run`, or its services");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!answers[i])
            sayf(d, BAD, "its log in log/ says why; it is started again by itself while `lodge up` runs",
                 "%s does not answer at %s", parts[i].name, parts[i].socket);
    if (up == n)
        say(d, FINE, "lodge-api, lodge-stream and lodge-runner answer", NULL);
}

static void check_nginx(struct doctor *d)
{
    char prefix[PATH_MAX], why[256] = "";
    lg_conf_path(&d->conf, prefix, sizeof prefix, "nginx");
    const char *argv[] = {"nginx", "-t", "-q", "-e", "stderr", "-p", prefix, "-c", "nginx.conf", NULL};
    lg_cleanup_buf struct lg_buf said = {.max = 2048};
    if (!has_program("nginx"))
        return;
    if (access(path_of(d, "nginx/nginx.conf"), R_OK)) {
        say(d, BAD, "nginx has no configuration yet", "start Lodge, or run `lodge prepare`");
        return;
    }
    int rc = geteuid() ? 0
                       : lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 10000,
                                     NULL, &said, NULL);
    if (rc)
        sayf(d, BAD, "run `lodge prepare`, which writes it anew; a wrong setting is named in the message",
             "nginx refuses its configuration: %.400s", lg_buf_cstr(&said));
    if (d->running && lg_up_answers(&d->conf, why, sizeof why) != LG_SITE_UP)
        sayf(d, BAD, "see log/nginx.log, and the other checks", "the site is not healthy: %s", why);
    else if (!rc)
        say(d, FINE,
            d->running ? "the configuration is good and the site answers" : "the configuration is good",
            NULL);
}

static void check_ports(struct doctor *d)
{
    struct lg_err e = {0};
    if (d->running)
        sayf(d, FINE, NULL, "https %ld and http %ld are Lodge's own", d->conf.https_port, d->conf.http_port);
    else if (lg_up_ports(&d->conf, &e))
        say(d, BAD, e.msg, "end that program, or choose other ports in lodge.conf");
    else
        sayf(d, FINE, NULL, "%ld and %ld are free", d->conf.https_port, d->conf.http_port);
}

/* ── engine ── */

static void check_engine_socket(struct doctor *d)
{
    char path[PATH_MAX];
    struct lg_err e = {0};
    if (lg_engine_socket(&d->conf, path, sizeof path, &e)) {
        say(d, BAD, e.msg, "correct the setting engine_socket, or use a shorter LODGE_STATE");
        return;
    }
    lg_cleanup_fd int fd = lg_unix_connect(path, SOCK_STREAM, &e);
    if (fd < 0 && (d->running || *d->conf.engine_socket))
        sayf(d, BAD,
             *d->conf.engine_socket
                 ? "start the engine that the setting engine_socket names"
                 : "see log/engine.log; it is started again by itself while `lodge up` runs",
             "the container engine does not answer: %s", e.msg);
}

static void check_engine(struct doctor *d)
{
    struct lg_engine_state s;
    struct lg_err e = {0};
    bool fake = strstr(d->conf.drivers, "fake") != NULL;
    if (!fake)
        check_engine_socket(d);
    int known = d->db ? lg_engine_state_get(d->db, "docker", &s, &e) : 0;
    if (known <= 0) {
        if (d->running)
            say(d, WARN, "lodge-runner has not yet looked at the engine",
                "wait a moment; then see log/runner.log");
        return;
    }
    int64_t age = lg_clock_ms() - s.checked_at;
    if (!s.healthy)
        sayf(d, BAD, "the message says what the engine lacks; log/engine.log and log/runner.log say more",
             "%s: %s", *s.type ? s.type : "engine", s.reason);
    else if (d->running && age > ENGINE_OLD_MS)
        sayf(d, BAD, "see log/runner.log", "lodge-runner last looked at the engine %lld s ago",
             (long long)(age / 1000));
    else
        sayf(d, FINE, NULL, "%s %s%s", s.type, s.version,
             d->running ? " is healthy" : " was healthy when Lodge last ran");
}

/* Without machines everything else works: what they lack is no fault of the host's. */
static void check_vm_engine(struct doctor *d)
{
    struct lg_engine_state s;
    struct lg_err e = {0};
    int rc = lg_vm_engine_wanted(&d->conf, &e);
    if (rc == -(int)LG_UNAVAILABLE)
        sayf(d, WARN, "there are no virtual machines until then; everything else works", "%s", e.msg);
    if (rc == -(int)LG_UNAVAILABLE || !d->db || lg_engine_state_get(d->db, "kvm", &s, &e) <= 0)
        return;
    if (!s.healthy)
        sayf(d, BAD, "see log/vm-engine.log and log/runner.log", "virtual machines: %s", s.reason);
    else
        sayf(d, *s.reason ? WARN : FINE,
             *s.reason ? "machines work, but slowly; setting vm_accelerator" : NULL, "%s %s%s%s", s.type,
             s.version, *s.reason ? ": " : " is healthy", s.reason);
}

struct listing {
    struct doctor *d;
    int count;
};

static void show_quarantined(void *arg, const char *backend, const char *engine_ref, const char *instance_id,
                             int64_t found_at)
{
    struct listing *l = arg;
    char when[LG_ISO_LEN];
    lg_clock_iso(found_at, when);
    l->count++;
    sayf(l->d, WARN,
         "Lodge never deletes what it does not know: restore the database it belongs to, or remove it with "
         "the engine's "
         "own command (podman rm)",
         "%s has %.64s, labelled as instance %.36s, which is not in the database (since %.19s)", backend,
         engine_ref, instance_id, when);
}

static void check_quarantine(struct doctor *d)
{
    struct listing l = {.d = d};
    struct lg_err e = {0};
    if (!d->db)
        return;
    if (lg_quarantine_each(d->db, show_quarantined, &l, &e) < 0)
        sayf(d, BAD, "see the message", "%s", e.msg);
    else if (!l.count)
        say(d, FINE, "nothing unknown carries this site's name", NULL);
}

/* A file that no volume in the database claims: kept, a restored database may be older than it. */
static int check_volume_file(struct doctor *d, const char *file)
{
    char id[LG_ID_LEN] = "";
    struct lg_err e = {0};
    if (strlen(file) > LG_ID_LEN - 1)
        snprintf(id, sizeof id, "%.*s", LG_ID_LEN - 1, file);
    if (!lg_id_valid(id) || lg_volume_exists(d->db, id, &e))
        return 0;
    sayf(d, WARN, "restore the database it belongs to, or remove it from volumes/files by hand",
         "the volume file %.64s belongs to no volume in the database", file);
    return 1;
}

/* One that was made and whose file is not there. */
static void check_volume_there(void *arg, const char *id, const char *name, const char *kind)
{
    struct doctor *d = arg;
    char rel[80];
    snprintf(rel, sizeof rel, "volumes/files/%.36s.%s", id, strcmp(kind, "block") ? "ext4" : "raw");
    if (access(path_of(d, rel), F_OK))
        sayf(d, BAD, "bring the file back from a backup of the disk, or delete the volume",
             "the file of the volume %s (%.36s) is lost", name, id);
}

static void check_volumes(struct doctor *d)
{
    struct lg_err e = {0};
    int odd = 0, before = d->bad;
    DIR *dir = d->db && !geteuid() ? opendir(path_of(d, "volumes/files")) : NULL;
    for (const struct dirent *f; dir && (f = readdir(dir));)
        odd += f->d_name[0] != '.' && check_volume_file(d, f->d_name);
    if (dir)
        closedir(dir);
    if (d->db && !geteuid() && lg_volume_made_each(d->db, check_volume_there, d, &e) < 0)
        sayf(d, BAD, "see the message", "%s", e.msg);
    else if (d->db && !odd && d->bad == before)
        say(d, FINE,
            geteuid() ? "only root sees their files" : "every volume has its file, and every file its volume",
            NULL);
}

static const struct {
    const char *name;
    void (*fn)(struct doctor *d);
} checks[] = {
    {"programs", check_programs},
    {"state", check_state},
    {"keys", check_keys},
    {"certificate", check_certificate},
    {"disk", check_disk},
    {"database", check_database},
    {"processes", check_processes},
    {"nginx", check_nginx},
    {"ports", check_ports},
    {"engine", check_engine},
    {"virtual machines", check_vm_engine},
    {"quarantine", check_quarantine},
    {"volumes", check_volumes},
};

static void examine(struct doctor *d)
{
    if (d->as_json) {
        lg_json_init(&d->json, &d->json_text);
        lg_json_obj(&d->json, NULL);
        lg_json_arr(&d->json, "checks");
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && !d->hopeless; i++) {
        d->check = checks[i].name;
        checks[i].fn(d);
    }
    lg_db_close(d->db);
    if (d->as_json) {
        lg_json_end_arr(&d->json);
        lg_json_bool(&d->json, "ok", !d->bad);
        lg_json_end_obj(&d->json);
        puts(lg_buf_cstr(&d->json_text));
        lg_buf_done(&d->json_text);
    } else if (d->bad || d->warned) {
        printf("\n%d wrong, %d to look at\n", d->bad, d->warned);
    } else {
        puts("\nEverything is as it should be.");
    }
}

int lg_doctor(int argc, char **argv)
{
    static struct doctor d;
    struct lg_err e = {0};
    d.as_json = argc == 2 && !strcmp(argv[1], "--json");
    if (argc > 1 && !d.as_json) {
        bool asked = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help");
        fprintf(asked ? stdout : stderr, "usage: lodge doctor [--json]\n");
        return asked ? 0 : 2;
    }
    if (lg_conf_load(&d.conf, &e) || lg_crypto_init(&e)) {
        fprintf(stderr, "lodge: %s\n", e.msg);
        return 1;
    }
    examine(&d);
    return d.bad ? 1 : 0;
}
