/* Is everything there? Asked without credentials, so it says which part is missing but not why. */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "api/compute.h"
#include "base/fd.h"

/* Somebody listens on that socket of ours. */
static bool answers(const struct lg_req *q, const char *rel, int type)
{
    char path[PATH_MAX];
    lg_cleanup_fd int fd = lg_unix_connect(lg_conf_path(&q->app->conf, path, sizeof path, rel), type, NULL);
    return fd >= 0;
}

static bool engine_is_well(struct lg_req *q)
{
    struct lg_engine_state st;
    return lg_engine_state_get(q->db, "docker", &st, NULL) > 0 && st.healthy;
}

static bool database_is_well(struct lg_req *q)
{
    int64_t n;
    return !lg_operation_count(q->db, "", "", "queued", &n, NULL);
}

static void part(struct lg_json *j, const char *name, bool well, bool *all)
{
    lg_json_str(j, name, well ? "ok" : "down");
    *all = *all && well;
}

bool lg_health_is_well(struct lg_req *q)
{
    return database_is_well(q) && answers(q, "run/runner-streams.sock", SOCK_SEQPACKET) &&
           answers(q, "run/stream.sock", SOCK_STREAM) && engine_is_well(q);
}

static int health(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    (void)e;
    struct lg_json j;
    bool all = true;
    lg_resp_json(r, 200, &j);
    lg_json_obj(&j, "parts");
    part(&j, "database", database_is_well(q), &all);
    part(&j, "runner", answers(q, "run/runner-streams.sock", SOCK_SEQPACKET), &all);
    part(&j, "stream", answers(q, "run/stream.sock", SOCK_STREAM), &all);
    part(&j, "engine", engine_is_well(q), &all);
    lg_json_end_obj(&j);
    lg_json_str(&j, "status", all ? "ok" : "degraded");
    lg_json_end_obj(&j);
    r->status = all ? 200 : 503;
    return 0;
}

const struct lg_route lg_routes_health[] = {{.method = "GET",
                                             .pattern = "/health",
                                             .perm = LG_PERM_PUBLIC,
                                             .handler = health,
                                             .doc = "200 when every part works, 503 and which one does not"},
                                            {.method = NULL}};
