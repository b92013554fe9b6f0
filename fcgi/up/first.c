/* The database is made by the unprivileged user that will use it, in a child that has become that user. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/fd.h"
#include "store/db.h"
#include "store/identity.h"
#include "up/nginx.h"
#include "up/template.h"
#include "up/up.h"

#define ADMIN "admin"

struct job {
    const struct lg_conf *conf;
    const char *password, *token; /* of the admin to make */
    struct lg_key token_key;
};

typedef int step(const struct job *j, struct lg_err *e);

/* Runs `fn` in a child as the run user; its result (negative code or number) and error come back by a pipe.
 */
static int as_user(const struct lg_who *w, step *fn, const struct job *j, struct lg_err *e)
{
    int p[2], rc = 0, status;
    if (pipe2(p, O_CLOEXEC))
        return lg_fail_errno(e, LG_INTERNAL, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0)
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot start a process");
    if (!pid) {
        umask(0027);
        if (w->root &&
            (setgroups(1, &w->gid) || setresgid(w->gid, w->gid, w->gid) || setresuid(w->uid, w->uid, w->uid)))
            rc = lg_fail_errno(e, LG_INTERNAL, "cannot drop privileges");
        rc = rc ? rc : fn(j, e);
        if (write(p[1], &rc, sizeof rc) != sizeof rc || write(p[1], e, sizeof *e) != sizeof *e)
            _exit(1);
        _exit(0);
    }
    lg_fd_close(&p[1]);
    struct lg_err child = {0};
    if (pid > 0 &&
        (read(p[0], &rc, sizeof rc) != sizeof rc || read(p[0], &child, sizeof child) != sizeof child))
        rc = lg_fail(&child, LG_INTERNAL, "the process that opens the database died");
    lg_fd_close(&p[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0)
        *e = child;
    return rc;
}

/* 1 when there are users, 0 in a new database. */
static int migrate(const struct job *j, struct lg_err *e)
{
    struct lg_db *db = NULL;
    int rc = lg_db_migrate(j->conf, e);
    if (rc >= 0)
        rc = lg_db_open(&db, j->conf, e);
    if (!rc)
        rc = lg_user_count(db) > 0;
    lg_db_close(db);
    return rc;
}

static int make_admin(const struct job *j, struct lg_err *e)
{
    char hash[LG_PWHASH_LEN], prefix[12];
    uint8_t digest[LG_DIGEST_BYTES];
    struct lg_db *db = NULL;
    snprintf(prefix, sizeof prefix, "%.8s", j->token);
    lg_digest(&j->token_key, j->token, strlen(j->token), digest);
    int rc = lg_password_hash(j->password, hash, e);
    rc = rc ? rc : lg_db_open(&db, j->conf, e);
    rc = rc ? rc : lg_admin_create(db, ADMIN, hash, digest, prefix, e);
    lg_db_close(db);
    return rc;
}

/* Readable aloud: five groups of four of 32 letters and digits, 100 bits. */
static void new_password(char out[25])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    char random[LG_TOKEN_LEN];
    uint8_t digest[LG_DIGEST_BYTES];
    struct lg_key zero = {{0}};
    lg_token_new(random);
    lg_digest(&zero, random, strlen(random), digest);
    size_t n = 0;
    for (int i = 0; i < 20; i++) {
        if (i && i % 4 == 0)
            out[n++] = '-';
        out[n++] = letters[digest[i] & 31];
    }
    out[n] = 0;
}

/* Written before the admin is made: should we die in between, both are made anew at the next start. */
static int write_credentials(const struct lg_conf *c, const struct lg_who *w, const struct job *j,
                             struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {.max = 4096};
    char path[PATH_MAX];
    lg_buf_fmt(&b, "url=https://%s%s/\nuser=%s\npassword=%s\ntoken=%s\n", c->domain, lg_port_suffix(c), ADMIN,
               j->password, j->token);
    lg_conf_path(c, path, sizeof path, "credentials");
    int rc = lg_write_file(path, lg_buf_cstr(&b), b.len, 0600, 1, e);
    const char *caller = getenv("SUDO_UID"); /* who typed `make run` may read it */
    if (!rc && caller && w->root && lchown(path, (uid_t)atol(caller), (gid_t)-1))
        rc = lg_fail_errno(e, LG_INTERNAL, "cannot give %s away", path);
    return rc;
}

static int base_image(const struct job *j, struct lg_err *e)
{
    return lg_own_image(j->conf, "container", e);
}

static int vm_image(const struct job *j, struct lg_err *e)
{
    return lg_own_image(j->conf, "vm", e);
}

void lg_up_base_image(const struct lg_conf *c, const struct lg_who *w)
{
    struct lg_err e = {0};
    if (as_user(w, base_image, &(struct job){.conf = c}, &e))
        fprintf(stderr, "lodge: there is no base image yet: %s\n", e.msg);
}

pid_t lg_up_vm_image(const struct lg_conf *c, const struct lg_who *w)
{
    struct lg_err e = {0};
    pid_t parent = getpid(), pid = fork();
    if (pid)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (getppid() != parent)
        _exit(0);
    setpgid(0, 0);
    int rc = as_user(w, vm_image, &(struct job){.conf = c}, &e);
    if (rc)
        fprintf(stderr, "lodge: there is no image for virtual machines yet: %s\n", e.msg);
    _exit(rc ? 1 : 0);
}

int lg_up_database(const struct lg_conf *c, const struct lg_who *w, struct lg_err *e)
{
    char password[25], token[LG_TOKEN_LEN], path[PATH_MAX];
    struct job j = {.conf = c, .password = password, .token = token};
    int rc = as_user(w, migrate, &j, e);
    if (rc)
        return rc < 0 ? rc : 0;
    new_password(password);
    lg_token_new(token);
    rc = lg_key_load(&j.token_key, lg_conf_path(c, path, sizeof path, "keys/token.key"), e);
    rc = rc ? rc : write_credentials(c, w, &j, e);
    rc = rc ? rc : as_user(w, make_admin, &j, e);
    explicit_bzero(&j.token_key, sizeof j.token_key);
    explicit_bzero(password, sizeof password);
    explicit_bzero(token, sizeof token);
    return rc;
}
