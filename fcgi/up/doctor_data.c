/* The database, what the runner knows of its engines, and whether both agree with what is there. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/route.h"
#include "driver/container/engine.h"
#include "driver/kvm/engine.h"
#include "store/doctor.h"
#include "store/identity.h"
#include "store/instance.h"
#include "store/volume.h"
#include "up/doctor.h"

#define MIB           ((int64_t)1 << 20)
#define WAL_WARN      (128 * MIB) /* the checkpointer empties it at 64 MiB */
#define STUCK_MS      ((int64_t)1800 * 1000)
#define ENGINE_OLD_MS 60000

static void open_database(struct lg_doctor *d)
{
    struct lg_err e = {0};
    const char *path = lg_doctor_path(d, "db/lodge.db");
    if (access(path, F_OK)) {
        bool hidden = errno == EACCES && geteuid();
        lg_doctor_sayf(d, hidden ? LG_ODD : LG_BAD,
                       hidden ? "run `lodge doctor` as root to have it checked"
                              : "start Lodge, or run `lodge migrate`",
                       "%s: %s", path, strerror(errno));
        return;
    }
    if (lg_db_open(&d->db, &d->conf, &e)) {
        d->db = NULL;
        lg_doctor_sayf(d, LG_BAD, "see the message; `lodge migrate` upgrades an older schema", "%s", e.msg);
    }
}

void lg_check_database(struct lg_doctor *d)
{
    struct lg_err e = {0};
    struct lg_db_report r;
    struct stat st = {0};
    open_database(d);
    if (!d->db)
        return;
    if (lg_db_examine(d->db, STUCK_MS, &r, &e)) {
        lg_doctor_sayf(d, LG_BAD, "see the message", "%s", e.msg);
        return;
    }
    int64_t wal = lg_db_wal_bytes(d->db);
    stat(lg_doctor_path(d, "db/lodge.db"), &st);
    if (*r.damage)
        lg_doctor_sayf(d, LG_BAD, "stop Lodge and restore db/lodge.db from a backup",
                       "the file is damaged: %.300s", r.damage);
    else if (r.broken_links)
        lg_doctor_sayf(d, LG_BAD, "stop Lodge and restore db/lodge.db from a backup",
                       "%lld rows name others that are not there", (long long)r.broken_links);
    else
        lg_doctor_sayf(d, LG_FINE, NULL, "newest schema, intact, %lld KiB", (long long)st.st_size / 1024);
    if (wal > WAL_WARN)
        lg_doctor_sayf(d, LG_ODD,
                       "lodge-runner empties it: see its log, or a program that keeps the database open",
                       "the write-ahead log has grown to %lld MiB", (long long)(wal / MIB));
    if (!lg_user_count(d->db))
        lg_doctor_say(d, LG_BAD, "there is no user", "run `lodge admin create`");
    if (r.stuck)
        lg_doctor_sayf(d, LG_ODD, "`lodge operation ls` shows them, `lodge operation cancel` ends them",
                       "%lld operations have been open for more than %d minutes", (long long)r.stuck,
                       (int)(STUCK_MS / 60000));
    if (r.errors)
        lg_doctor_sayf(d, LG_ODD, "`lodge instance ls --state error` shows them and why",
                       "%lld instances are in error", (long long)r.errors);
}

/* ── engine ── */

static void check_engine_socket(struct lg_doctor *d)
{
    char path[PATH_MAX];
    struct lg_err e = {0};
    if (lg_engine_socket(&d->conf, path, sizeof path, &e)) {
        lg_doctor_say(d, LG_BAD, e.msg, "correct the setting engine_socket, or use a shorter LODGE_STATE");
        return;
    }
    lg_cleanup_fd int fd = lg_unix_connect(path, SOCK_STREAM, &e);
    if (fd < 0 && (d->running || *d->conf.engine_socket))
        lg_doctor_sayf(d, LG_BAD,
                       *d->conf.engine_socket
                           ? "start the engine that the setting engine_socket names"
                           : "see log/engine.log; it is started again by itself while `lodge up` runs",
                       "the container engine does not answer: %s", e.msg);
}

void lg_check_engine(struct lg_doctor *d)
{
    struct lg_engine_state s;
    struct lg_err e = {0};
    bool fake = strstr(d->conf.drivers, "fake") != NULL;
    if (!fake)
        check_engine_socket(d);
    int known = d->db ? lg_engine_state_get(d->db, "docker", &s, &e) : 0;
    if (known <= 0) {
        if (d->running)
            lg_doctor_say(d, LG_ODD, "lodge-runner has not yet looked at the engine",
                          "wait a moment; then see log/runner.log");
        return;
    }
    int64_t age = lg_clock_ms() - s.checked_at;
    if (!s.healthy)
        lg_doctor_sayf(d, LG_BAD,
                       "the message says what the engine lacks; log/engine.log and log/runner.log say more",
                       "%s: %s", *s.type ? s.type : "engine", s.reason);
    else if (d->running && age > ENGINE_OLD_MS)
        lg_doctor_sayf(d, LG_BAD, "see log/runner.log", "lodge-runner last looked at the engine %lld s ago",
                       (long long)(age / 1000));
    else
        lg_doctor_sayf(d, LG_FINE, NULL, "%s %s%s", s.type, s.version,
                       d->running ? " is healthy" : " was healthy when Lodge last ran");
}

/* Without machines everything else works: what they lack is no fault of the host's. */
void lg_check_vm_engine(struct lg_doctor *d)
{
    struct lg_engine_state s;
    struct lg_err e = {0};
    int rc = lg_vm_engine_wanted(&d->conf, &e);
    if (rc == -(int)LG_UNAVAILABLE)
        lg_doctor_sayf(d, LG_ODD, "there are no virtual machines until then; everything else works", "%s",
                       e.msg);
    if (rc == -(int)LG_UNAVAILABLE || !d->db || lg_engine_state_get(d->db, "kvm", &s, &e) <= 0)
        return;
    if (!s.healthy)
        lg_doctor_sayf(d, LG_BAD, "see log/vm-engine.log and log/runner.log", "virtual machines: %s",
                       s.reason);
    else
        lg_doctor_sayf(d, *s.reason ? LG_ODD : LG_FINE,
                       *s.reason ? "machines work, but slowly; setting vm_accelerator" : NULL, "%s %s%s%s",
                       s.type, s.version, *s.reason ? ": " : " is healthy", s.reason);
}

void lg_check_networks(struct lg_doctor *d)
{
    char ours[16], via[IFNAMSIZ];
    if (!d->db)
        return;
    snprintf(ours, sizeof ours, "lg%.4s", lg_db_site(d->db));
    if (lg_route_elsewhere(d->conf.subnet_pool, ours, via))
        lg_doctor_sayf(
            d, LG_ODD,
            "remove that interface if nobody needs it, or choose another subnet_pool in lodge.conf",
            "a part of %s is routed to the interface %s: a tenant's network there cannot be made",
            d->conf.subnet_pool, via);
    else
        lg_doctor_sayf(d, LG_FINE, NULL, "%s is Lodge's alone", d->conf.subnet_pool);
}

struct listing {
    struct lg_doctor *d;
    int count;
};

static void show_quarantined(void *arg, const char *backend, const char *engine_ref, const char *instance_id,
                             int64_t found_at)
{
    struct listing *l = arg;
    char when[LG_ISO_LEN];
    lg_clock_iso(found_at, when);
    l->count++;
    lg_doctor_sayf(
        l->d, LG_ODD,
        "Lodge never deletes what it does not know: restore the database it belongs to, or remove it with "
        "the engine's "
        "own command (podman rm)",
        "%s has %.64s, labelled as instance %.36s, which is not in the database (since %.19s)", backend,
        engine_ref, instance_id, when);
}

void lg_check_quarantine(struct lg_doctor *d)
{
    struct listing l = {.d = d};
    struct lg_err e = {0};
    if (!d->db)
        return;
    if (lg_quarantine_each(d->db, show_quarantined, &l, &e) < 0)
        lg_doctor_sayf(d, LG_BAD, "see the message", "%s", e.msg);
    else if (!l.count)
        lg_doctor_say(d, LG_FINE, "nothing unknown carries this site's name", NULL);
}

/* A file that no volume in the database claims: kept, a restored database may be older than it. */
static int check_volume_file(struct lg_doctor *d, const char *file)
{
    char id[LG_ID_LEN] = "";
    struct lg_err e = {0};
    if (strlen(file) > LG_ID_LEN - 1)
        snprintf(id, sizeof id, "%.*s", LG_ID_LEN - 1, file);
    if (!lg_id_valid(id) || lg_volume_exists(d->db, id, &e))
        return 0;
    lg_doctor_sayf(d, LG_ODD, "restore the database it belongs to, or remove it from volumes/files by hand",
                   "the volume file %.64s belongs to no volume in the database", file);
    return 1;
}

/* One that was made and whose file is not there. */
static void check_volume_there(void *arg, const char *id, const char *name, const char *kind)
{
    struct lg_doctor *d = arg;
    char rel[80];
    snprintf(rel, sizeof rel, "volumes/files/%.36s.%s", id, strcmp(kind, "block") ? "ext4" : "raw");
    if (access(lg_doctor_path(d, rel), F_OK))
        lg_doctor_sayf(d, LG_BAD, "bring the file back from a backup of the disk, or delete the volume",
                       "the file of the volume %s (%.36s) is lost", name, id);
}

void lg_check_volumes(struct lg_doctor *d)
{
    struct lg_err e = {0};
    int odd = 0, before = d->bad;
    DIR *dir = d->db && !geteuid() ? opendir(lg_doctor_path(d, "volumes/files")) : NULL;
    for (const struct dirent *f; dir && (f = readdir(dir));)
        odd += f->d_name[0] != '.' && check_volume_file(d, f->d_name);
    if (dir)
        closedir(dir);
    if (d->db && !geteuid() && lg_volume_made_each(d->db, check_volume_there, d, &e) < 0)
        lg_doctor_sayf(d, LG_BAD, "see the message", "%s", e.msg);
    else if (d->db && !odd && d->bad == before)
        lg_doctor_say(d, LG_FINE,
                      geteuid() ? "only root sees their files"
                                : "every volume has its file, and every file its volume",
                      NULL);
}
