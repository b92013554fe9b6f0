#include "driver/network/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/proc.h"

#define TOOL_MS 10000

static int run(const char *const *argv, const struct lg_buf *script, struct lg_buf *out, struct lg_buf *said,
               struct lg_err *e)
{
    struct lg_proc p = {.argv = argv,
                        .input = script ? lg_buf_cstr(script) : NULL,
                        .input_len = script ? script->len : 0,
                        .stdout_fd = -1,
                        .stderr_fd = -1,
                        .die_with_parent = 1};
    return lg_proc_run(&p, TOOL_MS, out, said, e);
}

int lg_nft(const struct lg_buf *script, const char *what, struct lg_err *e)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    lg_cleanup_buf struct lg_buf said = {.max = 4096};
    if (script->failed)
        return lg_fail(e, LG_INTERNAL, "no memory for the rules");
    int rc = run(argv, script, NULL, &said, e);
    return rc <= 0 ? rc : lg_fail(e, LG_BACKEND, "%s: %.300s", what, lg_buf_cstr(&said));
}

bool lg_tool_ask(const char *const *argv, struct lg_buf *out)
{
    return run(argv, NULL, out, NULL, NULL) == 0;
}

void lg_ip(const struct lg_buf *script, int64_t pid)
{
    char ns[64];
    snprintf(ns, sizeof ns, "--net=/proc/%" PRId64 "/ns/net", pid);
    const char *const here[] = {"ip", "-force", "-batch", "-", NULL};
    const char *const there[] = {"nsenter", ns, "ip", "-force", "-batch", "-", NULL};
    run(pid ? there : here, script, NULL, NULL, NULL);
}

bool lg_link_exists(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/class/net/%s", name);
    return !access(path, F_OK);
}
