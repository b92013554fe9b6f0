/* `lodge up`: everything from an empty state directory to a running Lodge, in the foreground. */
#ifndef LG_UP_UP_H
#define LG_UP_UP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/err.h"

/* The command. Returns the exit code of the process. */
int lg_up(int argc, char **argv);

/* `lodge prepare`: folders, keys, certificate and nginx's configuration, and nothing started. For service
 * managers. */
int lg_prepare(int argc, char **argv);

/* `lodge engine`: becomes the private engine, for service managers. Returns 0 at once when the settings name
 * an engine of the administrator's own. */
int lg_engine_run(int argc, char **argv);

/* `lodge backup <file>` and `lodge restore <file>`: the whole control plane as one file. */
int lg_backup(int argc, char **argv);
int lg_restore(int argc, char **argv);
/* Finishes a restore that was interrupted after its decision: 1 when there was one, else 0. The lock is held.
 */
int lg_restore_finish(const struct lg_conf *c, struct lg_err *e);

/* `lodge doctor`: a verdict and a cure for everything a Lodge needs. Returns 1 when something is wrong. */
int lg_doctor(int argc, char **argv);

/* Who runs what. */
struct lg_who {
    bool root; /* we are root: workers drop to uid and gid, engine and runner do not */
    uid_t uid; /* of run_user, or ourselves */
    gid_t gid;
};

/* prepare.c: before anything starts; each idempotent. */
int lg_up_who(const struct lg_conf *c, struct lg_who *w, struct lg_err *e);
int lg_up_check_paths(const struct lg_conf *c, const struct lg_who *w, struct lg_err *e);
int lg_up_dirs(const struct lg_conf *c, const struct lg_who *w, struct lg_err *e);
int lg_up_keys(const struct lg_conf *c, struct lg_err *e);
int lg_up_certificate(const struct lg_conf *c, struct lg_err *e);
bool lg_up_port_free(const char *address, long port);       /* nobody listens there */
int lg_up_ports(const struct lg_conf *c, struct lg_err *e); /* LG_CONFLICT names port and setting */
/* Takes $LODGE_STATE/up/lock for the life of the process; returns its descriptor. LG_CONFLICT says who has
 * it. */
int lg_up_lock(const struct lg_conf *c, struct lg_err *e);

/* first.c: the database, its first admin and $LODGE_STATE/credentials. */
int lg_up_database(const struct lg_conf *c, const struct lg_who *w, struct lg_err *e);

/* Builds the base image and queues its import unless the catalogue has it. A failure is only told: Lodge
 * works without it. */
void lg_up_base_image(const struct lg_conf *c, const struct lg_who *w);

/* The same for the tiny virtual machine, which may take a minute (it fetches a kernel): in a child of its
 * own, whose pid is returned. It ends with us, and with 1 when there is no image. */
pid_t lg_up_vm_image(const struct lg_conf *c, const struct lg_who *w);

/* base_image.c: what both do, as the run user that opens the database; kind is "container" or "vm". */
int lg_own_image(const struct lg_conf *c, const char *kind, struct lg_err *e);

/* `lodge vm-engine`: becomes the private libvirtd, for the supervisor and service managers. Returns 0 at once
 * when there is none to run. */
int lg_vm_engine_run(int argc, char **argv);

/* `lodge vm-image`: what lg_up_vm_image does, for service managers. Returns 0 at once where machines cannot
 * be made. */
int lg_vm_image_run(int argc, char **argv);

/* ready.c: one look at the site from the outside; never blocks for more than 2 s. `why` says what was seen.
 * Degraded: everything answers, but /health says that a part (the engine, say) does not work. */
enum lg_site_state { LG_SITE_DOWN, LG_SITE_DEGRADED, LG_SITE_UP };
enum lg_site_state lg_up_answers(const struct lg_conf *c, char *why, size_t cap);

#endif
