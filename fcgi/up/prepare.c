#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/fd.h"
#include "base/proc.h"
#include "up/template.h"
#include "up/up.h"

int lg_up_who(const struct lg_conf *c, struct lg_who *w, struct lg_err *e)
{
    *w = (struct lg_who){.root = geteuid() == 0, .uid = geteuid(), .gid = getegid()};
    if (!w->root || !*c->run_user)
        return 0;
    struct passwd *p = getpwnam(c->run_user);
    if (!p)
        return lg_fail(e, LG_INVALID,
                       "there is no user \"%s\" (setting run_user): `make setup` makes it, or "
                       "adduser --system --group --no-create-home %s",
                       c->run_user, c->run_user);
    w->uid = p->pw_uid;
    w->gid = p->pw_gid;
    return 0;
}

/* Asked as that user in a child: groups, ACLs and mounts included, whatever the modes look like. */
static bool user_can(const struct lg_who *w, const char *path, int mode)
{
    pid_t pid = fork();
    if (!pid)
        _exit(setgroups(1, &w->gid) || setresgid(w->gid, w->gid, w->gid) ||
              setresuid(w->uid, w->uid, w->uid) || access(path, mode));
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
}

int lg_up_check_paths(const struct lg_conf *c, const struct lg_who *w, struct lg_err *e)
{
    static const char longest[] = "/run/runner-streams.sock";
    char path[PATH_MAX * 2];
    size_t room = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    if (strlen(c->state_dir) + sizeof longest - 1 > room)
        return lg_fail(e, LG_INVALID,
                       "LODGE_STATE is too long: %s leaves no room for socket names (at most %zu characters)",
                       c->state_dir, room - (sizeof longest - 1));
    snprintf(path, sizeof path, "%s/nginx/nginx.conf.in", c->share_dir);
    if (access(path, R_OK))
        return lg_fail(e, LG_INVALID,
                       "%s is missing: LODGE_SHARE must name the folder that holds nginx/ and static/", path);
    if (!w->root || !*c->run_user)
        return 0;
    const char *dirs[] = {c->state_dir, c->share_dir};
    for (int i = 0; i < 2; i++)
        if (!user_can(w, dirs[i], X_OK))
            return lg_fail(
                e, LG_INVALID,
                "user \"%s\" cannot enter %s, so its processes could not work there; `make run` chooses "
                "another place by itself, or set LODGE_STATE and LODGE_SHARE to folders below /var/lib",
                c->run_user, dirs[i]);
    return 0;
}

static const struct dir {
    const char *rel;
    mode_t mode;
    bool user, group; /* owned by the run user; of its group */
} dirs[] = {
    /* run: root's own sockets and lock lie there too, so the run user connects and can replace nothing. */
    {"", 0755, false, false},           {"run", 0750, false, true},
    {"db", 0750, true, true},           {"keys", 0700, false, false},
    {"tls", 0755, false, false},        {"up", 0700, false, false},
    {"log", 0750, false, false},        {"uploads", 0750, true, true},
    {"nginx", 0755, false, false},      {"nginx/snippets", 0755, false, false},
    {"nginx/temp", 0755, false, false}, {"nginx/cache", 0700, true, true},
    {"images", 0755, false, false},
};

/* Settings are read by root's processes: the file exists from the start, so that nobody else can make it. */
static int first_settings(const struct lg_conf *c, struct lg_err *e)
{
    static const char text[] =
        "# Settings of Lodge, one \"key = value\" a line. `lodge settings` lists them.\n";
    char path[PATH_MAX];
    lg_conf_path(c, path, sizeof path, "lodge.conf");
    return access(path, F_OK) ? lg_write_file(path, text, sizeof text - 1, 0644, 0, e) : 0;
}

int lg_up_dirs(const struct lg_conf *c, const struct lg_who *w, struct lg_err *e)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        const struct dir *d = &dirs[i];
        lg_conf_path(c, path, sizeof path, d->rel);
        struct stat st;
        if (mkdir(path, d->mode) && errno != EEXIST)
            return lg_fail_errno(e, LG_INTERNAL, "cannot make %s", path);
        if (stat(path, &st) || !S_ISDIR(st.st_mode))
            return lg_fail(e, LG_INTERNAL, "%s is not a folder", path);
        uid_t uid = d->user ? w->uid : geteuid();
        gid_t gid = d->group ? w->gid : getegid();
        if ((w->root && (st.st_uid != uid || st.st_gid != gid) && chown(path, uid, gid)) ||
            ((st.st_mode & 07777) != d->mode && chmod(path, d->mode)))
            return lg_fail_errno(e, LG_INTERNAL, "cannot set owner and mode of %s", path);
    }
    return first_settings(c, e);
}

/*
 * context: signs hand-offs (lodge-api, lodge-stream); token and cookie: digests of credentials (lodge-api);
 * env: seals secret values of instances (lodge-api, lodge-runner).
 */
int lg_up_keys(const struct lg_conf *c, struct lg_err *e)
{
    static const char *const names[] = {"context", "token", "cookie", "env"};
    int rc = lg_crypto_init(e);
    for (size_t i = 0; !rc && i < sizeof names / sizeof names[0]; i++) {
        char rel[64], path[PATH_MAX];
        struct lg_key key;
        snprintf(rel, sizeof rel, "keys/%s.key", names[i]);
        rc = lg_key_load_or_make(&key, lg_conf_path(c, path, sizeof path, rel), -1, e);
        explicit_bzero(&key, sizeof key);
    }
    return rc;
}

/* True when the certificate there covers the names in use: they are kept beside it. */
static bool certificate_fits(const char *names_path, const char *key_path, const char *names)
{
    lg_cleanup_buf struct lg_buf have = {.max = 4096};
    return !access(key_path, R_OK) && !access(names_path, R_OK) &&
           !lg_read_file(names_path, 2048, &have, NULL) && !strcmp(lg_buf_cstr(&have), names);
}

int lg_up_certificate(const struct lg_conf *c, struct lg_err *e)
{
    char cert[PATH_MAX], key[PATH_MAX], names[PATH_MAX], san[1024], subject[256];
    lg_conf_path(c, cert, sizeof cert, "tls/cert.pem");
    lg_conf_path(c, key, sizeof key, "tls/key.pem");
    lg_conf_path(c, names, sizeof names, "tls/made-for");
    snprintf(san, sizeof san, "subjectAltName=DNS:%s,DNS:%s,DNS:*.%s,DNS:localhost,IP:127.0.0.1,IP:::1",
             c->domain, c->apps_domain, c->apps_domain);
    /* A certificate that an administrator put there has no made-for beside it and is never replaced. */
    if (certificate_fits(names, key, san) ||
        (!access(cert, R_OK) && !access(key, R_OK) && access(names, F_OK)))
        return 0;
    snprintf(subject, sizeof subject, "/CN=%.60s/O=Lodge", c->domain);
    char key_new[PATH_MAX + 8], cert_new[PATH_MAX + 8];
    snprintf(key_new, sizeof key_new, "%s.new", key);
    snprintf(cert_new, sizeof cert_new, "%s.new", cert);
    const char *argv[] = {
        "openssl", "req",     "-x509", "-newkey", "ec",      "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes",  "-sha256", "-days", "825",     "-keyout", key_new,    "-out",
        cert_new,  "-subj",   subject, "-addext", san,       "-addext",  "extendedKeyUsage=serverAuth",
        NULL};
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    mode_t old = umask(077);
    int rc =
        lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 20000, NULL, &said, e);
    umask(old);
    if (rc)
        return rc < 0 ? rc
                      : lg_fail(e, LG_INTERNAL, "openssl made no certificate: %.300s", lg_buf_cstr(&said));
    if (chmod(cert_new, 0644) || rename(key_new, key) || rename(cert_new, cert))
        return lg_fail_errno(e, LG_INTERNAL, "cannot store the certificate %s", cert);
    return lg_write_file(names, san, strlen(san), 0600, 1, e);
}

/* As nginx will bind it: SO_REUSEADDR, so that connections of a run before us do not count. */
static int try_port(const char *address, long port, const char *setting, struct lg_err *e)
{
    bool six = strchr(address, ':') != NULL;
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(six ? AF_INET6 : AF_INET, address, six ? (void *)&a6.sin6_addr : (void *)&a4.sin_addr) != 1)
        return lg_fail(e, LG_INVALID, "setting listen_address: \"%s\" is no IP address", address);
    lg_cleanup_fd int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a socket");
    if (!bind(fd, six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4, six ? sizeof a6 : sizeof a4) &&
        !listen(fd, 1))
        return 0;
    if (errno == EADDRINUSE)
        return lg_fail(
            e, LG_CONFLICT,
            "port %ld on %s is in use by another program: end it, or choose another port with %s=… in the "
            "environment (setting %s)",
            port, address, !strcmp(setting, "https_port") ? "LODGE_HTTPS_PORT" : "LODGE_HTTP_PORT", setting);
    return lg_fail_errno(e, LG_INVALID, "cannot listen on %s port %ld (setting %s)", address, port, setting);
}

bool lg_up_port_free(const char *address, long port)
{
    return try_port(address, port, "", NULL) != -(int)LG_CONFLICT;
}

int lg_up_ports(const struct lg_conf *c, struct lg_err *e)
{
    if (c->https_port == c->http_port)
        return lg_fail(e, LG_INVALID, "settings https_port and http_port are the same");
    int rc = try_port(c->listen_address, c->https_port, "https_port", e);
    return rc ? rc : try_port("127.0.0.1", c->http_port, "http_port", e);
}

int lg_up_lock(const struct lg_conf *c, struct lg_err *e)
{
    char path[PATH_MAX], who[32] = "";
    lg_conf_path(c, path, sizeof path, "up/lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot open %s", path);
    /* The guard of a supervisor that was just killed holds the lock until it has cleaned up. */
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
        ssize_t n = pread(fd, who, sizeof who - 1, 0);
        int pid = n > 0 ? atoi(who) : 0;
        if (errno == EINTR)
            continue;
        if ((pid > 1 && !kill(pid, 0)) || tries >= 100) {
            close(fd);
            return lg_fail(e, LG_CONFLICT, "Lodge already runs on %s (process %d)", c->state_dir, pid);
        }
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    int n = snprintf(who, sizeof who, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) || pwrite(fd, who, (size_t)n, 0) != n) {
        close(fd);
        return lg_fail_errno(e, LG_INTERNAL, "cannot write %s", path);
    }
    return fd;
}
