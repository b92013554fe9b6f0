/*
 * Where Podman and Docker differ behind the same API. Every difference is in this file's .c, nowhere else.
 */
#ifndef LG_DRIVER_QUIRKS_H
#define LG_DRIVER_QUIRKS_H

#include "driver/container/client.h"

/* Each answer's header tells which engine it is (asking for the version takes Podman half a second). */
void lg_quirk_header(struct lg_engine *g, const char *line, size_t n);
/* Which engine it is; asks it when nothing has been heard yet. 0 or negative. */
int lg_quirk_identify(struct lg_engine *g, struct lg_err *e);

/* Podman answers 500 to conflicts where Docker says 409. */
bool lg_quirk_conflict(int status, const struct lg_buf *reply);
/* "Already so": pause of a paused one and the like. */
bool lg_quirk_already(int status, const struct lg_buf *reply);

/* Docker answers 409 where the container's state forbids the verb: a refusal, no conflict. The status to go
 * by. */
int lg_quirk_refused(int status, const struct lg_buf *reply);

/* Podman stumbles over a process that ends while it looks at it; asking again helps. */
bool lg_quirk_transient(int status, const struct lg_buf *reply);

/* The engine's name of a restart policy. */
const char *lg_quirk_restart(const struct lg_engine *g, enum lg_restart r);
/* Engine-specific members of HostConfig (limits of the log). */
void lg_quirk_host_config(const struct lg_engine *g, struct lg_json *j);

/* Members of the whole that only one engine reads there: Docker takes the MAC from them (until API 1.44 it
 * ignores the network's own). */
void lg_quirk_mac(const struct lg_engine *g, struct lg_json *j, const char *mac);

/* A share of CPU as the engines take it: Docker refuses more than the host has, which is as much as all of
 * it. */
int64_t lg_quirk_nano_cpus(int64_t cpu_millis);
/* New limits on a running container. `name` is its engine name. */
int lg_quirk_update(struct lg_engine *g, const char *name, const struct lg_inst_spec *s, struct lg_err *e);
/* True when limits given with update are forgotten by the next start. */
bool lg_quirk_forgets_update(const struct lg_engine *g);

/*
 * After a start that failed Podman's service holds the published ports itself until it next collects garbage,
 * and no further start can have them. Makes it do so; true when a second start is worth a try.
 */
bool lg_quirk_free_ports(struct lg_engine *g, const struct lg_inst_spec *s);

/* The engine's word for a state. */
enum lg_run lg_quirk_run(const char *status);

/*
 * On the way from one life to the next Podman says "stopped", then states of a container that never ran; only
 * "exited" is final. (Docker says "restarting", which counts as running.)
 */
bool lg_quirk_settling(const char *status);

/* Was the first process ended because memory ran out? Asks the kernel where the engine does not know. */
bool lg_quirk_oom(const struct lg_engine *g, const char *ref, int exit_code, bool engine_says);

#endif
