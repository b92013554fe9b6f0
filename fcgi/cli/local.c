/* lodge admin create, migrate, settings, version: on this very host, with the files of $LODGE_STATE. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/version.h"
#include "cli/cli.h"
#include "model/validate.h"
#include "store/identity.h"
#include "store/user.h"

static int failed(const struct lg_err *e)
{
    return lg_say(e->code == LG_CONFLICT ? LG_EXIT_CONFLICT : LG_EXIT_FAILED, "%s", e->msg);
}

/* ── passwords ── */

static int read_line(FILE *from, char out[LG_PASSWORD_MAX])
{
    if (!fgets(out, LG_PASSWORD_MAX, from))
        return lg_say(LG_EXIT_USAGE, "no password came");
    size_t n = strcspn(out, "\r\n");
    if (!out[n] && n + 1 == LG_PASSWORD_MAX)
        return lg_say(LG_EXIT_USAGE, "the password is too long");
    out[n] = 0;
    return 0;
}

static int ask(FILE *tty, const char *prompt, char out[LG_PASSWORD_MAX])
{
    struct termios was, quiet;
    fputs(prompt, stderr);
    bool known = !tcgetattr(fileno(tty), &was);
    if (known) {
        quiet = was;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
    }
    int rc = read_line(tty, out);
    if (known)
        tcsetattr(fileno(tty), TCSAFLUSH, &was);
    fputc('\n', stderr);
    return rc;
}

int lg_ask_password(const char *prompt, bool again, char out[LG_PASSWORD_MAX])
{
    char second[LG_PASSWORD_MAX];
    if (!isatty(STDIN_FILENO))
        return read_line(stdin, out);
    int rc = ask(stdin, prompt, out);
    if (!rc && again)
        rc = ask(stdin, "Once more: ", second);
    if (!rc && again && strcmp(out, second) != 0)
        rc = lg_say(LG_EXIT_USAGE, "the two are not the same");
    explicit_bzero(second, sizeof second);
    return rc;
}

/* ── the database ── */

/* The database belongs to the unprivileged user: what root made there would lock lodge-api out. */
static int become_user(const struct lg_conf *conf)
{
    if (geteuid() || !*conf->run_user)
        return 0;
    const struct passwd *pw = getpwnam(conf->run_user);
    if (!pw)
        return lg_say(LG_EXIT_FAILED, "there is no user %s (setting run_user): `make setup` makes it",
                      conf->run_user);
    gid_t gid = pw->pw_gid;
    uid_t uid = pw->pw_uid;
    if (setgroups(1, &gid) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        return lg_say(LG_EXIT_FAILED, "cannot become user %s: %s", conf->run_user, strerror(errno));
    return 0;
}

static int load(struct lg_conf *conf)
{
    struct lg_err e = {0};
    if (lg_conf_load(conf, &e) || lg_crypto_init(&e))
        return failed(&e);
    return become_user(conf);
}

int lg_cli_migrate(struct lg_cli *c)
{
    static struct lg_conf conf;
    struct lg_err e = {0};
    int rc = load(&conf);
    if (rc)
        return rc;
    int applied = lg_db_migrate(&conf, &e);
    if (applied < 0)
        return failed(&e);
    if (c->json)
        printf("{\"applied\": %d}\n", applied);
    else
        printf("%d migrations applied; %s/db/lodge.db has the newest schema\n", applied, conf.state_dir);
    return 0;
}

static int add_admin(struct lg_db *db, const char *name, const char *hash, struct lg_err *e)
{
    struct lg_user u = {.admin = true};
    snprintf(u.username, sizeof u.username, "%s", name);
    snprintf(u.password_hash, sizeof u.password_hash, "%s", hash);
    return lg_user_add(db, &u, e);
}

/* A new password, enabled, administrator: how one gets in again. */
static int reset_admin(struct lg_db *db, struct lg_user *u, const char *hash, struct lg_err *e)
{
    int rc = lg_user_set_password(db, u->id, hash, "", e);
    u->admin = true;
    u->disabled = false;
    return rc ? rc : lg_user_set(db, u, e);
}

static int further_admin(struct lg_db *db, const char *name, const char *hash, bool reset, struct lg_err *e)
{
    struct lg_user u;
    int rc = lg_tx_write(db, e);
    int known = rc ? rc : lg_user_by_name(db, name, &u, e);
    if (known < 0)
        rc = known;
    else if (known && !reset)
        rc = lg_fail(e, LG_CONFLICT,
                     "there is a user %s already; --reset makes it an administrator with this password",
                     u.username);
    else
        rc = known ? reset_admin(db, &u, hash, e) : add_admin(db, name, hash, e);
    if (!rc)
        rc = lg_audit_add(db,
                          &(struct lg_audit){.username = "root",
                                             .address = "local",
                                             .action = known ? "admin.reset" : "admin.create",
                                             .subject = name,
                                             .result = "ok"},
                          e);
    if (!rc)
        rc = lg_tx_commit(db, e);
    lg_tx_rollback(db);
    return rc;
}

static int make_admin(const struct lg_conf *conf, const char *name, const char *hash, bool reset,
                      struct lg_err *e)
{
    struct lg_db *db = NULL;
    int rc = lg_db_open(&db, conf, e);
    if (!rc)
        rc = lg_user_count(db) == 0 ? lg_admin_create(db, name, hash, NULL, NULL, e)
                                    : further_admin(db, name, hash, reset, e);
    lg_db_close(db);
    return rc;
}

int lg_cli_admin_create(struct lg_cli *c)
{
    static struct lg_conf conf;
    struct lg_err e = {0};
    char password[LG_PASSWORD_MAX], hash[LG_PWHASH_LEN];
    const char *name = c->argc ? c->arg[0] : "admin";
    if (lg_check_username("name", name, &e))
        return lg_say(LG_EXIT_USAGE, "%s", e.msg);
    int rc = load(&conf);
    if (!rc)
        rc = lg_ask_password("Password of the administrator: ", true, password);
    if (rc)
        return rc;
    if (lg_check_password("the password", password, &e))
        rc = lg_say(LG_EXIT_USAGE, "%s", e.msg);
    else if (lg_password_hash(password, hash, &e) ||
             make_admin(&conf, name, hash, lg_flag_set(c, "reset"), &e))
        rc = failed(&e);
    explicit_bzero(password, sizeof password);
    if (!rc && c->json)
        printf("{\"username\": \"%s\"}\n", name);
    else if (!rc)
        printf("%s is an administrator\n", name);
    return rc;
}

/* ── settings, version ── */

int lg_cli_settings(struct lg_cli *c)
{
    static struct lg_conf conf;
    struct lg_err e = {0};
    int pid = 0;
    if (lg_conf_load_running(&conf, &pid, &e)) {
        if (e.code != LG_FORBIDDEN)
            return failed(&e);
        fprintf(stderr, "lodge: %s\n", e.msg);
    }
    if (!c->json) {
        if (pid > 0)
            printf("# the environment is that of the Lodge that runs here (process %d)\n", pid);
        lg_conf_print(&conf, stdout);
        return 0;
    }
    static const char *const words[] = {"default", "lodge.conf", "environment"};
    json_t *o = json_object(), *from = json_object();
#define SET_INT(key)                     json_object_set_new(o, #key, json_integer(conf.key));
#define SET_STR(key)                     json_object_set_new(o, #key, json_string(conf.key));
#define S(key, type, def, min, max, doc) SET_##type(key)
    LG_SETTINGS(S)
#undef S
#undef SET_INT
#undef SET_STR
#define S(key, type, def, min, max, doc)                                                                     \
    json_object_set_new(from, #key, json_string(words[conf.from[LG_SETTING_##key]]));
    LG_SETTINGS(S)
#undef S
    json_object_set_new(o, "from", from);
    lg_print_json(o, false);
    json_decref(o);
    return 0;
}

int lg_cli_version(struct lg_cli *c)
{
    printf(c->json ? "{\"version\": \"%s\"}\n" : "lodge %s\n", LG_VERSION);
    return 0;
}
