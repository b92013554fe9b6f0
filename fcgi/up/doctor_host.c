/* What this host, its programs and its ports must be like. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/fd.h"
#include "base/proc.h"
#include "up/doctor.h"

#define MIB            ((int64_t)1 << 20)
#define DISK_BAD       (200 * MIB)
#define DISK_WARN      (2048 * MIB)
#define CERT_WARN_DAYS 30

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

void lg_check_programs(struct lg_doctor *d)
{
    const char *needed[] = {"nginx", "openssl", "nft", *d->conf.engine_socket ? NULL : "podman"};
    int missing = 0;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (needed[i] && !has_program(needed[i])) {
            lg_doctor_sayf(d, LG_BAD, "run `make setup`, which installs what Lodge needs", "there is no %s",
                           needed[i]);
            missing++;
        }
    if (!missing)
        lg_doctor_say(d, LG_FINE, "nginx, openssl, nft and the engine are installed", NULL);
}

/* ── state directory, keys, certificate ── */

void lg_check_state(struct lg_doctor *d)
{
    struct stat st;
    d->hopeless = stat(d->conf.state_dir, &st) != 0;
    if (d->hopeless)
        lg_doctor_sayf(d, LG_BAD,
                       "start Lodge once with `make run`, or set LODGE_STATE to where its state is", "%s: %s",
                       d->conf.state_dir, strerror(errno));
    else if (st.st_mode & S_IWOTH)
        lg_doctor_sayf(d, LG_BAD, "take the right to write away from others: chmod o-w",
                       "everybody may write to %s", d->conf.state_dir);
    else
        lg_doctor_sayf(d, LG_FINE, NULL, "%s", d->conf.state_dir);
}

/* A file that only its owner may read (and, with `group`, its group). True when it is. */
static bool private_file(struct lg_doctor *d, const char *rel, mode_t forbidden, const char *cure)
{
    struct stat st;
    const char *path = lg_doctor_path(d, rel);
    if (stat(path, &st)) {
        bool hidden = errno == EACCES && geteuid();
        lg_doctor_sayf(d, hidden ? LG_ODD : LG_BAD,
                       hidden ? "run `lodge doctor` as root to have it checked" : cure, "%s: %s", path,
                       strerror(errno));
        return false;
    }
    if (st.st_mode & forbidden) {
        char chmod_cure[PATH_MAX + 64];
        snprintf(chmod_cure, sizeof chmod_cure, "chmod %o %s, then replace it, for it may have been read",
                 (unsigned)(st.st_mode & 0777 & ~forbidden), path);
        lg_doctor_sayf(d, LG_BAD, chmod_cure, "others may read %s (mode %04o)", path,
                       (unsigned)(st.st_mode & 07777));
        return false;
    }
    return true;
}

void lg_check_keys(struct lg_doctor *d)
{
    static const char *const keys[] = {"keys/context.key", "keys/token.key", "keys/cookie.key",
                                       "keys/env.key"};
    int good = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct stat st;
        if (!private_file(d, keys[i], 0007,
                          "start Lodge: it makes missing keys (tokens made with a lost one are void)"))
            continue;
        if (!stat(lg_doctor_path(d, keys[i]), &st) && st.st_size != LG_KEY_BYTES)
            lg_doctor_sayf(d, LG_BAD, "restore it from a backup", "%s has %lld bytes, not %d",
                           lg_doctor_path(d, keys[i]), (long long)st.st_size, LG_KEY_BYTES);
        else
            good++;
    }
    if (good == 4)
        lg_doctor_say(d, LG_FINE, "all four are there, and private", NULL);
    if (!access(lg_doctor_path(d, "credentials"), F_OK) && private_file(d, "credentials", 0077, ""))
        lg_doctor_say(d, LG_FINE, "the first admin's credentials file is private", NULL);
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

static void check_key_fits(struct lg_doctor *d, const char *cert, const char *key)
{
    lg_cleanup_buf struct lg_buf of_cert = {.max = 8192}, of_key = {.max = 8192};
    const char *const a[] = {"openssl", "x509", "-in", cert, "-noout", "-pubkey", NULL};
    const char *const b[] = {"openssl", "pkey", "-in", key, "-pubout", NULL};
    if (access(key, R_OK))
        return; /* said already */
    if (openssl(a, &of_cert) || openssl(b, &of_key) ||
        strcmp(lg_buf_cstr(&of_cert), lg_buf_cstr(&of_key)) != 0)
        lg_doctor_say(d, LG_BAD, "tls/key.pem is not the key of tls/cert.pem",
                      "put a matching pair there, then restart Lodge");
}

void lg_check_certificate(struct lg_doctor *d)
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
        lg_doctor_sayf(d, LG_BAD, cure, "%s cannot be read as a certificate", cert);
        return;
    }
    const char *date = strchr(lg_buf_cstr(&until), '=');
    int len = date ? (int)strcspn(date + 1, "\n") : 0;
    if (openssl(now, NULL))
        lg_doctor_sayf(d, LG_BAD, cure, "it has expired (%.*s)", len, date ? date + 1 : "");
    else if (openssl(later, NULL))
        lg_doctor_sayf(d, LG_ODD, cure, "it expires in less than %d days (%.*s)", CERT_WARN_DAYS, len,
                       date ? date + 1 : "");
    else
        lg_doctor_sayf(d, LG_FINE, NULL, "good until %.*s", len, date ? date + 1 : "");
    private_file(d, "tls/key.pem", 0077, cure);
    check_key_fits(d, cert, key);
}

/* ── disk ── */

void lg_check_disk(struct lg_doctor *d)
{
    struct statvfs v;
    if (statvfs(d->conf.state_dir, &v))
        return; /* lg_check_state said it */
    int64_t left = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    static const char cure[] = "free some space: `lodge image rm`, old logs, or a larger disk";
    enum lg_verdict space = left < DISK_BAD ? LG_BAD : left < DISK_WARN ? LG_ODD : LG_FINE;
    lg_doctor_sayf(d, space, space ? cure : NULL, "%lld MiB free at %s", (long long)(left / MIB),
                   d->conf.state_dir);
    if (v.f_files && v.f_favail < 1000)
        lg_doctor_sayf(d, LG_BAD, "delete files the disk has too many of",
                       "only %llu files can still be made", (unsigned long long)v.f_favail);
}

/* ── what runs ── */

void lg_check_processes(struct lg_doctor *d)
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
        lg_cleanup_fd int fd = lg_unix_connect(lg_doctor_path(d, parts[i].socket), parts[i].type, &e);
        up += answers[i] = fd >= 0;
    }
    d->running = up > 0;
    if (!up) {
        lg_doctor_say(d, LG_BAD, "Lodge does not run", "start it: `make run`, or its services");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!answers[i])
            lg_doctor_sayf(d, LG_BAD,
                           "its log in log/ says why; it is started again by itself while `lodge up` runs",
                           "%s does not answer at %s", parts[i].name, parts[i].socket);
    if (up == n)
        lg_doctor_say(d, LG_FINE, "lodge-api, lodge-stream and lodge-runner answer", NULL);
}

void lg_check_nginx(struct lg_doctor *d)
{
    char prefix[PATH_MAX], why[256] = "";
    lg_conf_path(&d->conf, prefix, sizeof prefix, "nginx");
    const char *argv[] = {"nginx", "-t", "-q", "-e", "stderr", "-p", prefix, "-c", "nginx.conf", NULL};
    lg_cleanup_buf struct lg_buf said = {.max = 2048};
    if (!has_program("nginx"))
        return;
    if (access(lg_doctor_path(d, "nginx/nginx.conf"), R_OK)) {
        lg_doctor_say(d, LG_BAD, "nginx has no configuration yet", "start Lodge, or run `lodge prepare`");
        return;
    }
    int rc = geteuid() ? 0
                       : lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 10000,
                                     NULL, &said, NULL);
    if (rc)
        lg_doctor_sayf(d, LG_BAD,
                       "run `lodge prepare`, which writes it anew; a wrong setting is named in the message",
                       "nginx refuses its configuration: %.400s", lg_buf_cstr(&said));
    if (d->running && lg_up_answers(&d->conf, why, sizeof why) != LG_SITE_UP)
        lg_doctor_sayf(d, LG_BAD, "see log/nginx.log, and the other checks", "the site is not healthy: %s",
                       why);
    else if (!rc)
        lg_doctor_say(d, LG_FINE,
                      d->running ? "the configuration is good and the site answers"
                                 : "the configuration is good",
                      NULL);
}

void lg_check_ports(struct lg_doctor *d)
{
    struct lg_err e = {0};
    if (d->running)
        lg_doctor_sayf(d, LG_FINE, NULL, "https %ld and http %ld are Lodge's own", d->conf.https_port,
                       d->conf.http_port);
    else if (lg_up_ports(&d->conf, &e))
        lg_doctor_say(d, LG_BAD, e.msg, "end that program, or choose other ports in lodge.conf");
    else
        lg_doctor_sayf(d, LG_FINE, NULL, "%ld and %ld are free", d->conf.https_port, d->conf.http_port);
}
