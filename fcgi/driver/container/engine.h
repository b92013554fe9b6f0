/*
 * The private engine: a Podman service of Lodge's own, below the state directory, apart from any other Podman
 * on the host. Called by the supervisor, which starts and restarts the service; containers outlive it.
 * Includes nothing but base.
 */
#ifndef LG_DRIVER_ENGINE_H
#define LG_DRIVER_ENGINE_H

#include "base/conf.h"
#include "base/err.h"

#define LG_ENGINE_PATH_LEN 512

/* What to start. Plain data, but the pointers lead into the struct itself: do not copy it. */
struct lg_engine_cmd {
    const char *argv[8]; /* for lg_proc.argv */
    const char *env[9];  /* for lg_proc.env */
    char socket[128];    /* where it will listen; give it 100 ms */
    char conf_env[LG_ENGINE_PATH_LEN], storage_env[LG_ENGINE_PATH_LEN], registries_env[LG_ENGINE_PATH_LEN],
        tmp_env[LG_ENGINE_PATH_LEN];
    char url[160];
};

/*
 * Writes the engine's configuration files and fills `out`. Start it with `die_with_parent` set if it is to
 * end with its supervisor. Idempotent; an edited registries.conf is kept. LG_UNSUPPORTED when settings name
 * an engine of the administrator's own (nothing to start), LG_INVALID when the state directory's path is too
 * long for a socket.
 */
int lg_engine_prepare(const struct lg_conf *c, struct lg_engine_cmd *out, struct lg_err *e);

/* Removes what an engine that was killed left of an archive it was loading. While none runs. */
void lg_engine_tidy(const struct lg_conf *c);

/* The socket to speak to: the setting engine_socket, else the private engine's. LG_INVALID when it is too
 * long. */
int lg_engine_socket(const struct lg_conf *c, char *out, size_t cap, struct lg_err *e);

/* Where the private engine keeps what must not survive a reboot of the host. */
void lg_engine_run_dir(const struct lg_conf *c, char *out, size_t cap);

#endif
